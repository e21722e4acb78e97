"""The clients of all transports: counted together, and closed together."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pycawamp.access.hosts import network_key
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.registry import Sessions
from pycawamp.web.authentication import Visitor
from pycawamp.web.expiry import LoginExpiry
from pycawamp.web.read_scheduler import ReadScheduler
from pycawamp.web.transport import SlowConsumerMonitor

CLOSING = 2.0
"""Seconds that a client has to take what was sent to it before the connection ends."""


class Connection(Protocol):
    """A client's connection, whatever its transport."""

    visitor: Visitor

    def hang_up(self, code: int, reason: str) -> None:
        """Close it with a WebSocket close code and a reason, as far as the transport has them."""

    def cut(self) -> None:
        """Close it without waiting for its client any longer."""

    def check_visitor(self) -> None:
        """Close it if its user, or its page, could not come in any more."""


class Clients:
    """The clients that are connected, in all and by address, and what their connections share.

    `stall_timeout` is in seconds: a client that takes nothing for so long is dropped. `now`
    tells UNIX seconds.
    """

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
        # A dict, as an ordered set.
        self._connections: dict[Connection, None] = {}
        self._by_address: Counter[str] = Counter()
        self._all_closed: Deferred[None] | None = None
        self._cutting: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._connections)

    def full(self, host: str) -> str | None:
        """Return why an address may not have one client more; None if it may."""
        if len(self._connections) >= self.shared.limits.clients:
            return "as many clients as may be"
        if self._by_address[network_key(host)] >= self.shared.limits.clients_per_address:
            return "as many clients of one address as may be"
        return None

    def add(self, connection: Connection) -> None:
        """Count a client."""
        self._connections[connection] = None
        self._by_address[network_key(connection.visitor.host)] += 1

    def remove(self, connection: Connection) -> None:
        """Count a client no more; one that is not counted is ignored."""
        if connection in self._connections:
            del self._connections[connection]
            self._left(network_key(connection.visitor.host))
        if not self._connections and self._all_closed is not None:
            done, self._all_closed = self._all_closed, None
            if self._cutting is not None and self._cutting.active():
                self._cutting.cancel()
            self.slow_consumers.close()
            done.callback(None)

    def expiry(self, expired: Callable[[], None]) -> LoginExpiry:
        """Return what calls a function once a login has expired."""
        return LoginExpiry(self.clock, expired, self._now)

    def check_visitors(self) -> None:
        """Close the connections of those who could not come in any more."""
        for connection in list(self._connections):
            connection.check_visitor()

    def close_all(self, patience: float = 1.0) -> Deferred[None]:
        """Close every connection as `going away` (1001); fires when all are gone.

        Those that are still open after `patience` seconds are cut.
        """
        done: Deferred[None] = Deferred()
        if not self._connections:
            self.slow_consumers.close()
            done.callback(None)
            return done
        self._all_closed = done
        self._cutting = self.clock.callLater(patience, self._cut)
        for connection in list(self._connections):
            connection.hang_up(1001, "the gateway is stopping")
        return done

    def _left(self, address: str) -> None:
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def _cut(self) -> None:
        for connection in list(self._connections):
            connection.cut()


def peer_of(visitor: Visitor) -> Peer:
    """Return a visitor as sessions know clients."""
    user = visitor.identity.user if visitor.identity is not None else None
    return Peer(visitor.address, host=visitor.host, user=user)
