"""The pvAccess backend, with a client of its own on the reactor."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.delay import DelayLine
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.interfaces import IBackend, IHandle, ISink
from pycawamp.pv.pva import messages
from pycawamp.pv.pva.channel import Channel
from pycawamp.pv.pva.circuit import Circuit
from pycawamp.pv.pva.environment import Address, Environment
from pycawamp.pv.pva.messages import Account
from pycawamp.pv.pva.pipeline import SILENCE, SILENCE_AFTER_BURST, Mark, Pipeline
from pycawamp.pv.pva.search import Names, Searcher
from pycawamp.pv.pva.wire import Reader

NAME_SERVER_PAUSE = 10.0
"""Seconds until a lost name server is connected again."""
MAX_REFUSING = 1000
"""Maximum number of servers that are remembered to have refused the account."""


@implementer(IBackend)
class PVABackend:
    """Opens channels by pvAccess; reads the EPICS_PVA_* environment at `start`."""

    _log = Logger()

    def __init__(
        self, reactor: Any, budget: MemoryBudget | None = None, inbox: Inbox | None = None
    ) -> None:
        self.budget = budget or MemoryBudget()
        self.overruns = 0
        """Number of updates in which servers reported overruns."""
        self.searcher = Searcher(reactor, self._ask_name_servers)
        self.watched: DelayLine[tuple[Pipeline, Mark]] = DelayLine(
            reactor, SILENCE, lambda item: item[0].check(item[1])
        )
        """Monitors whose servers may need a request to continue."""
        self.bursts: DelayLine[tuple[Pipeline, Mark]] = DelayLine(
            reactor, SILENCE_AFTER_BURST, lambda item: item[0].check_after_burst(item[1])
        )
        """Those of them whose last updates arrived in a burst."""
        self.inbox = inbox
        """The queue for updates that the compiled part handles; None: Python handles all."""
        self._reactor = reactor
        self._environment = Environment()
        self._conflated = 0
        self._channels: set[Channel] = set()
        self._circuits: dict[Address, Circuit] = {}
        self._name_servers: dict[Address, Circuit] = {}
        self._started = False
        self._searches = False
        self._account = _account()
        # Servers that have refused the account: the next connection to one is anonymous.
        self._refusing: set[Address] = set()

    def start(self) -> None:
        """Read the environment. No socket is opened before there is a channel."""
        try:
            self._environment = Environment.read(os.environ)
        except ValueError as error:
            self._log.error("pvAccess is disabled: {error}", error=error)
            return
        if self.inbox is not None:
            self.inbox.open()
        self._started = True
        if self._channels:
            self._begin()

    def _begin(self) -> None:
        self._searches = True
        self.searcher.start(self._environment)
        for address in self._environment.name_servers:
            self._connect_name_server(address)

    def stop(self) -> Deferred[None]:
        """Close everything; fires when the socket for searches is closed."""
        if not self._started:
            return succeed(None)
        self._started = False
        for channel in list(self._channels):
            channel.drop()
        self._channels.clear()
        self.watched.clear()
        self.bursts.clear()
        for circuit in [*self._circuits.values(), *self._name_servers.values()]:
            circuit.close()
        return self.searcher.stop()

    def open(self, name: str, sink: ISink) -> IHandle:
        """Open a channel; it is searched for until the handle is closed."""
        channel = Channel(name, sink, self)
        self._channels.add(channel)
        channel.open()
        if self._started and not self._searches:
            self._begin()
        return channel

    def forget(self, channel: Channel) -> None:
        """Remove a closed channel."""
        self._channels.discard(channel)

    def circuit(self, address: Address) -> Circuit:
        """Return the connection to a server; connects if necessary."""
        circuit = self._circuits.get(address) or self._name_servers.get(address)
        if circuit is None:
            circuit = self._circuits[address] = self._make_circuit(address)
            circuit.connect()
        return circuit

    @property
    def conflated(self) -> int:
        """Number of updates that were replaced by newer ones before they were passed on."""
        circuits = [*self._circuits.values(), *self._name_servers.values()]
        return self._conflated + sum(circuit.backlog.conflated for circuit in circuits)

    def seconds(self) -> float:
        """Return the reactor's time."""
        now: float = self._reactor.seconds()
        return now

    def call_later(self, seconds: float, function: Callable[[], None]) -> IDelayedCall:
        """Call a function later."""
        call: IDelayedCall = self._reactor.callLater(seconds, function)
        return call

    # Events of circuits

    def validated(self, circuit: Circuit) -> None:
        """Search with a name server, starting with all names that have not been found."""
        if circuit.keeps_open:
            self.searcher.hurry()

    def closed(self, circuit: Circuit) -> None:
        """Remove a circuit; that of a name server is connected again later."""
        address = circuit.address
        if circuit in (self._circuits.get(address), self._name_servers.get(address)):
            self._conflated += circuit.backlog.conflated
        if self._circuits.get(address) is circuit:
            del self._circuits[address]
        if self._name_servers.get(address) is circuit:
            del self._name_servers[address]
            if self._started:
                self._reactor.callLater(NAME_SERVER_PAUSE, self._connect_name_server, address)

    def answered(self, reader: Reader, host: str) -> None:
        """Handle a reply of a name server."""
        self.searcher.answered(reader, host)

    def account_refused(self, circuit: Circuit) -> None:
        """Connect to the server of a circuit without an account the next time."""
        if len(self._refusing) >= MAX_REFUSING:
            self._refusing.clear()
        self._refusing.add(circuit.address)

    def _ask_name_servers(self, sequence: int, names: Names) -> None:
        for circuit in self._name_servers.values():
            if circuit.is_valid:
                circuit.send(messages.search(sequence, names, 0, True, circuit.order))

    def _connect_name_server(self, address: Address) -> None:
        if not self._started or address in self._name_servers:
            return
        circuit = self._name_servers[address] = self._make_circuit(address)
        circuit.keeps_open = True
        circuit.connect()

    def _make_circuit(self, address: Address) -> Circuit:
        timeout = self._environment.timeout
        account = None if address in self._refusing else self._account
        self._refusing.discard(address)
        return Circuit(self._reactor, address, self, account, timeout)


def _account() -> Account:
    """Return the user and host name that are sent to servers."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = str(os.getuid())
    return Account(user, socket.gethostname())
