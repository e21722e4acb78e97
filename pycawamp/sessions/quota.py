"""What one client may still take."""

from __future__ import annotations

import attrs
from twisted.internet.interfaces import IReactorTime

from pycawamp.pv.hub import PVHub
from pycawamp.sessions.limits import BURST, Limits
from pycawamp.sessions.token_bucket import TokenBucket

PATIENCE = 100
"""Refused requests, beyond one a second, until the connection is closed (1008)."""

FEW = 1000
"""Names that may be looked at every time."""


class UnresolvedNames:
    """The names that one client has searched for and that no IOC has answered to.

    A name that the client has left counts for as long as its channel lingers: otherwise
    asking for ever new names would cost nothing but the request.
    """

    prune_interval = 0.1
    """Seconds between two looks at all names, as each takes its time."""

    def __init__(self, clock: IReactorTime, hub: PVHub, most: int) -> None:
        self._clock = clock
        self._hub = hub
        self._most = most
        self._names: set[str] = set()
        self._pruned = float("-inf")

    def admit(self, name: str) -> bool:
        """Whether one may ask for this name; takes note of it if it has to be searched for."""
        if name in self._names or self._hub.has_found(name):
            return True
        if len(self._names) >= self._most:
            self._prune()
        if len(self._names) >= self._most:
            return False
        self._names.add(name)
        return True

    def found(self, name: str) -> None:
        """Take note that an IOC has answered."""
        self._names.discard(name)

    def _prune(self) -> None:
        now = self._clock.seconds()
        if len(self._names) < FEW or now - self._pruned >= self.prune_interval:
            self._pruned = now
            self._names = {name for name in self._names if self._hub.is_searching(name)}

    def __len__(self) -> int:
        return len(self._names)


@attrs.define(eq=False)
class UnderWay:
    """Requests that have not ended: how many, of how many bytes, and the most of both."""

    most: int
    most_bytes: int
    number: int = 0
    bytes: int = 0

    def has_room(self, size: int) -> bool:
        """Whether one more, of so many bytes, may begin."""
        return self.number < self.most and self.bytes + size <= self.most_bytes

    def begin(self, size: int) -> None:
        """Count one more."""
        self.number += 1
        self.bytes += size

    def end(self, size: int) -> None:
        """Count one less."""
        self.number -= 1
        self.bytes -= size


@attrs.frozen
class Quota:
    """What one client may still take."""

    requests: TokenBucket
    puts: TokenBucket
    abuse: TokenBucket
    """Refused requests that are still put up with."""
    unresolved: UnresolvedNames

    @classmethod
    def of(cls, clock: IReactorTime, hub: PVHub, limits: Limits) -> Quota:
        """The allowance of a new client."""
        return cls(
            requests=TokenBucket(clock, limits.request_rate, BURST * limits.request_rate),
            puts=TokenBucket(clock, limits.put_rate, BURST * limits.put_rate),
            abuse=TokenBucket(clock, 1, PATIENCE),
            unresolved=UnresolvedNames(clock, hub, limits.unresolved),
        )
