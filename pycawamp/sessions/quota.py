"""The quota of a client."""

from __future__ import annotations

import attrs
from twisted.internet.interfaces import IReactorTime

from pycawamp.sessions.limits import BURST, Limits
from pycawamp.sessions.token_bucket import TokenBucket

PATIENCE = 100
"""Refused requests, in addition to one per second, until the connection is closed (1008)."""


@attrs.define(eq=False)
class UnderWay:
    """Pending requests: their number and bytes, and the limits of both."""

    max_number: int
    max_bytes: int
    number: int = 0
    bytes: int = 0

    def has_room(self, size: int) -> bool:
        """Return whether another request with this number of bytes may start."""
        return self.number < self.max_number and self.bytes + size <= self.max_bytes

    def begin(self, size: int) -> None:
        """Count a request."""
        self.number += 1
        self.bytes += size

    def end(self, size: int) -> None:
        """Remove a finished request."""
        self.number -= 1
        self.bytes -= size


@attrs.frozen
class Quota:
    """The quota of a client."""

    requests: TokenBucket
    puts: TokenBucket
    abuse: TokenBucket
    """Refused requests that are tolerated before the connection is closed."""

    @property
    def is_full(self) -> bool:
        """Whether it is in its initial state, so that it can be dropped."""
        return self.requests.is_full and self.puts.is_full and self.abuse.is_full

    @classmethod
    def of(cls, clock: IReactorTime, limits: Limits) -> Quota:
        """Return the quota of a new client."""
        return cls(
            requests=TokenBucket(clock, limits.request_rate, BURST * limits.request_rate),
            puts=TokenBucket(clock, limits.put_rate, BURST * limits.put_rate),
            abuse=TokenBucket(clock, 1, PATIENCE),
        )
