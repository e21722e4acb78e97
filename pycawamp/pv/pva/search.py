"""Searches for PVs, in few datagrams and at growing intervals."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from pycawamp.pv.delay import DelayLine
from pycawamp.pv.pva import messages
from pycawamp.pv.pva.environment import Address, Environment
from pycawamp.pv.pva.messages import Command
from pycawamp.pv.pva.wire import BIG, MALFORMED, Reader

DELAYS = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between searches for a name; the last delay is repeated."""
DATAGRAM = 1400
"""Maximum bytes of a search message."""
SEARCHES_PER_BURST = 20
"""Number of searches that are sent without a pause."""
PAUSE = 0.01
"""Seconds of the pause."""
MAX_SERVERS = 10_000
"""Maximum number of servers whose beacons are distinguished."""

Found: TypeAlias = Callable[[Address], None]
Names: TypeAlias = list[tuple[int, bytes]]
AskNameServers: TypeAlias = Callable[[int, Names], None]


class Search:
    """The search for a name, until it is found or cancelled."""

    __slots__ = ("attempt", "delay", "found", "name", "number")

    def __init__(self, name: bytes, number: int, found: Found) -> None:
        self.name = name
        self.number = number
        self.found = found
        """Called once with the server's address."""
        self.delay = 0
        """Number of elapsed delays."""
        self.attempt: object | None = None
        """The current attempt, a new object each time, to recognize outdated ones."""


class _BeaconListener(DatagramProtocol):
    noisy = False

    def __init__(self, received: Callable[[bytes, Any], None]) -> None:
        self._received = received

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Pass a datagram on."""
        self._received(datagram, addr)


class Searcher(DatagramProtocol):
    """Searches for names by UDP, and with name servers by `ask_name_servers`."""

    noisy = False
    _log = Logger()

    def __init__(self, reactor: Any, ask_name_servers: AskNameServers) -> None:
        self._reactor = reactor
        self._environment = Environment()
        self._ask_name_servers = ask_name_servers
        self._numbers = itertools.count(1)
        self._sequence = itertools.count(1)
        self._searches: dict[int, Search] = {}
        self._outgoing: deque[tuple[Search, object]] = deque()
        self._sending: IDelayedCall | None = None
        self._waiting = [DelayLine(reactor, delay, self._due) for delay in DELAYS]
        self._guids: dict[tuple[str, int], bytes] = {}
        self._listener: Any = None
        self._listeners: list[Any] = []

    def __len__(self) -> int:
        """Return the number of names that have not been found."""
        return len(self._searches)

    def start(self, environment: Environment) -> None:
        """Open the socket for searches."""
        self._environment = environment
        self._listener = self._reactor.listenUDP(0, self, maxPacketSize=65536)
        self.transport.setBroadcastAllowed(True)  # type: ignore[union-attr]
        for host, port in environment.beacons:
            self._listen_for_beacons(host, port)
        if self._outgoing:
            self._sending = self._reactor.callLater(0, self._send)

    def _listen_for_beacons(self, host: str, port: int) -> None:
        listener = _BeaconListener(self.datagramReceived)
        try:
            self._listeners.append(
                self._reactor.listenMulticast(port, listener, host, listenMultiple=True)
            )
        except CannotListenError as error:
            self._log.info("Cannot receive beacons on {host}: {error}", host=host, error=error)

    def stop(self) -> Deferred[None]:
        """End all searches; fires when the socket is closed."""
        self._searches.clear()
        self._outgoing.clear()
        for line in self._waiting:
            line.clear()
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None
        listeners = [each for each in (self._listener, *self._listeners) if each is not None]
        self._listener, self._listeners = None, []
        closing = [maybeDeferred(listener.stopListening) for listener in listeners]
        return gatherResults(closing).addCallback(lambda _: None)

    def open(self, name: bytes, found: Found, delay: int = 0) -> Search:
        """Search for a name; `delay` is the number of delays to skip."""
        search = Search(name, next(self._numbers) & 0xFFFFFFFF, found)
        self._searches[search.number] = search
        search.delay = min(delay, len(DELAYS) - 1)
        if delay:
            self._wait(search)
        else:
            self._enqueue(search)
        return search

    def close(self, search: Search) -> None:
        """Cancel a search."""
        search.attempt = None
        self._searches.pop(search.number, None)

    def hurry(self) -> None:
        """Restart all searches, because a server has started."""
        for search in self._searches.values():
            search.delay = 0
            self._enqueue(search)

    def answered(self, reader: Reader, host: str) -> None:
        """Handle a reply from an address.

        Raises:
            DecodeError: The reply is invalid.
        """
        found = messages.search_response(reader)
        if found is None:
            return
        for number in found.numbers:
            search = self._searches.get(number)
            if search is not None:
                self.close(search)
                search.found((found.host or host, found.port))

    def beacon_received(self, reader: Reader, host: str) -> None:
        """Handle a beacon: the first one of a server restarts all searches."""
        beacon = messages.beacon(reader)
        address = beacon.host or host, beacon.port
        if self._guids.get(address) != beacon.guid:
            if len(self._guids) >= MAX_SERVERS:
                self._guids.clear()
            self._guids[address] = beacon.guid
            self.hurry()

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Handle a datagram; an invalid one is ignored."""
        try:
            message = messages.first_datagram_message(datagram)
            if message is None:
                return
            if message.command == Command.SEARCH_RESPONSE:
                self.answered(message.reader, addr[0])
            elif message.command == Command.BEACON:
                self.beacon_received(message.reader, addr[0])
        except MALFORMED as error:
            self._log.debug(
                "Ignored an invalid datagram from {host}: {error}", host=addr[0], error=error
            )

    def _due(self, item: tuple[Search, object]) -> None:
        search, attempt = item
        if search.attempt is attempt:
            search.delay = min(search.delay + 1, len(DELAYS) - 1)
            self._enqueue(search)

    def _enqueue(self, search: Search) -> None:
        search.attempt = object()
        self._outgoing.append((search, search.attempt))
        if self._sending is None and self._listener is not None:
            self._sending = self._reactor.callLater(0, self._send)

    def _wait(self, search: Search) -> None:
        search.attempt = object()
        self._waiting[search.delay].put((search, search.attempt))

    def _send(self) -> None:
        self._sending = None
        for _ in range(SEARCHES_PER_BURST):
            names = self._next_names()
            if not names:
                return
            self._send_names(names)
        if self._outgoing:
            self._sending = self._reactor.callLater(PAUSE, self._send)

    def _next_names(self) -> Names:
        names: Names = []
        size = messages.SEARCH_HEAD
        while self._outgoing:
            search, attempt = self._outgoing[0]
            if search.attempt is attempt:
                size += messages.NAME_HEAD + len(search.name)
                if names and size > DATAGRAM:
                    break
                names.append((search.number, search.name))
                self._wait(search)
            self._outgoing.popleft()
        return names

    def _send_names(self, names: Names) -> None:
        sequence = next(self._sequence) & 0xFFFFFFFF
        self._ask_name_servers(sequence, names)
        port = self._listener.getHost().port
        for address, is_unicast in self._environment.addresses:
            datagram = messages.search(sequence, names, port, is_unicast, BIG)
            try:
                self.transport.write(datagram, address)  # type: ignore[union-attr]
            except OSError as error:
                self._log.debug(
                    "A search could not be sent to {address}: {error}", address=address, error=error
                )
