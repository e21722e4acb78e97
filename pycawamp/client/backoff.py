"""Delays between attempts to connect."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs

_MAX_DOUBLINGS = 32


@attrs.frozen
class Backoff:
    """Exponential delays with full jitter, so that many clients do not reconnect at once.

    A connection takes a gateway about 2.5 ms, and as long for a pause: of 2,000 clients that
    connect within the first second, the last waits for about 5 s, half of an attempt's timeout.
    """

    first: float = 1.0
    """Maximum of the first delay, in seconds."""
    longest: float = 30.0
    """Maximum of all delays, in seconds."""
    random: Callable[[], float] = random.random
    """Returns random numbers from 0 to 1."""

    def delay(self, failures: int) -> float:
        """Return the delay in seconds after a number of consecutive failures (1 or more)."""
        doublings = min(failures - 1, _MAX_DOUBLINGS)
        longest: float = min(self.longest, self.first * 2.0**doublings)
        return self.random() * longest
