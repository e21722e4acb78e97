"""What one client may still take."""

from __future__ import annotations

import attrs
from twisted.internet.interfaces import IReactorTime

from pycawamp.sessions.limits import BURST, Limits
from pycawamp.sessions.token_bucket import TokenBucket

PATIENCE = 100
"""Refused requests, beyond one a second, until the connection is closed (1008)."""


@attrs.frozen
class Quota:
    """What one client may still take."""

    requests: TokenBucket
    puts: TokenBucket
    abuse: TokenBucket
    """Refused requests that are still put up with."""

    @classmethod
    def of(cls, clock: IReactorTime, limits: Limits) -> Quota:
        """The allowance of a new client."""
        return cls(
            requests=TokenBucket(clock, limits.request_rate, BURST * limits.request_rate),
            puts=TokenBucket(clock, limits.put_rate, BURST * limits.put_rate),
            abuse=TokenBucket(clock, 1, PATIENCE),
        )
