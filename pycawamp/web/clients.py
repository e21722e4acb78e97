"""The clients of all transports."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from pycawamp.access.hosts import network_key
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.registry import Sessions
from pycawamp.web.client_log import ClientEntry, ClientLog
from pycawamp.web.expiry import LoginExpiry
from pycawamp.web.read_scheduler import ReadScheduler
from pycawamp.web.transport import SlowConsumerMonitor
from pycawamp.wire.errors import BadMessageError

CLOSING = 2.0
"""Seconds for a client to read pending data before the connection is closed."""
LISTENING = 0.25
"""The fraction of the drain time before the first client is disconnected."""
DRAIN_STEP = 0.02
"""Seconds between two steps of a drain."""
EXPIRED = BadMessageError("unauthenticated", "the login has expired")
_LOGIN = BadMessageError("unauthenticated", "the login is no longer valid")
_ORIGIN = BadMessageError("forbidden", "pages of this origin may no longer connect")


def reason_to_leave(client: Peer) -> BadMessageError | None:
    """Return why a client may no longer be connected; None if it may."""
    if not client.is_valid():
        return _LOGIN
    return None if client.may_stay() else _ORIGIN


class Connection(Protocol):
    """A client's connection, with any transport."""

    client: Peer

    def close_connection(self, code: int, reason: str) -> None:
        """Close it with a WebSocket close code and a reason, if the transport has them."""

    def abort(self) -> None:
        """Close it immediately."""

    def check_client(self) -> None:
        """Close the connection if its user or page may no longer connect."""


class Clients:
    """The connected clients, in total and by address, and the parts that connections share.

    `stall_timeout` is in seconds: a client that reads nothing for this time is dropped. `now`
    returns UNIX seconds.
    """

    _failures = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        sessions: Sessions,
        stall_timeout: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.clock = clock
        self.sessions = sessions
        self.shared = sessions.shared
        self.stall_timeout = stall_timeout
        self.slow_consumers = SlowConsumerMonitor(clock, stall_timeout, sessions.shared.budget)
        self.read_scheduler = ReadScheduler(clock)
        self._now = now
        self.connections: dict[Connection, ClientEntry | None] = {}
        """The open connections, with their log entries."""
        self._log = ClientLog(clock)
        self._by_address: Counter[str] = Counter()
        self._all_closed: Deferred[None] | None = None
        self._cutting: IDelayedCall | None = None
        self._is_leaving = False

    def __len__(self) -> int:
        return len(self.connections)

    def full(self, host: str) -> str | None:
        """Return the reason why an address may not have another client; None if it may."""
        if self._is_leaving:
            return "the gateway is stopping"
        if len(self.connections) >= self.shared.limits.clients:
            return "the limit of clients is reached"
        if self._by_address[network_key(host)] >= self.shared.limits.clients_per_address:
            return "the limit of clients per address is reached"
        return None

    def add(self, connection: Connection, *, logged: bool = True) -> None:
        """Count a client, and log it."""
        entry = self._log.connected(connection.client) if logged else None
        self.connections[connection] = entry
        self._by_address[network_key(connection.client.host)] += 1

    def remove(self, connection: Connection, pvs: int = 0, reason: str = "closed") -> None:
        """Remove a client, and log it; does nothing if it is not counted.

        `pvs` is the number of its PVs, and `reason` why it has disconnected; both are for the log.
        """
        if connection in self.connections:
            entry = self.connections.pop(connection)
            if entry is not None:
                self._log.disconnected(entry, pvs, reason)
            self._left(network_key(connection.client.host))
        if not self.connections and self._all_closed is not None:
            done, self._all_closed = self._all_closed, None
            if self._cutting is not None and self._cutting.active():
                self._cutting.cancel()
            self._close()
            done.callback(None)

    def expiry(self, expired: Callable[[], None]) -> LoginExpiry:
        """Return an object that calls a function when a login has expired."""
        return LoginExpiry(self.clock, expired, self._now)

    def check_clients(self) -> None:
        """Close the connections of users and pages that may no longer connect."""
        for connection in list(self.connections):
            connection.check_client()

    def drain(self, seconds: float) -> Deferred[None]:
        """Close the connections as `going away` (1001), over a number of seconds.

        In the first quarter none is closed, and new ones are accepted, so that a load balancer
        notices that the gateway is not ready before clients reconnect. Then new ones are refused.
        Fires when all close frames have been sent.
        """
        started = self.clock.seconds()
        closed: set[Connection] = set()
        number = 0

        def close_some() -> None:
            nonlocal number
            share = (self.clock.seconds() - started) / seconds
            if share < LISTENING:
                return
            here = [each for each in self.connections if each not in closed]
            if not self._is_leaving:
                self._is_leaving, number = True, len(here)
            left = number * max(0.0, 1 - (share - LISTENING) / (1 - LISTENING))
            for connection in here[: max(0, len(here) - int(left))]:
                closed.add(connection)
                connection.close_connection(1001, "the gateway is stopping")
            if not int(left) or not here:
                closing.stop()

        closing = LoopingCall(close_some)
        closing.clock = self.clock
        done = closing.start(DRAIN_STEP)
        # What is still open after a failure is closed by close_all.
        done.addErrback(lambda failure: self._failures.failure("Draining failed", failure))
        return done.addCallback(lambda _: None)

    def close_all(self, patience: float = 1.0) -> Deferred[None]:
        """Close every connection as `going away` (1001); fires when all are closed.

        Those that are still open after `patience` seconds are aborted.
        """
        done: Deferred[None] = Deferred()
        if not self.connections:
            self._close()
            done.callback(None)
            return done
        self._all_closed = done
        self._cutting = self.clock.callLater(patience, self._cut)
        for connection in list(self.connections):
            connection.close_connection(1001, "the gateway is stopping")
        return done

    def _left(self, address: str) -> None:
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def _close(self) -> None:
        self.slow_consumers.close()
        self._log.close()

    def _cut(self) -> None:
        for connection in list(self.connections):
            connection.abort()
