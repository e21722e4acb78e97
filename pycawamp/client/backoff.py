"""Delays between attempts to connect."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs

_MOST_DOUBLINGS = 32


@attrs.frozen
class Backoff:
    """Exponential delays with full jitter, so that many clients do not reconnect at once.

    A gateway accepts some 400 clients a second while it serves others: of 2,000 that try within
    the first second, the last waits for 5, half of what an attempt may take.
    """

    first: float = 1.0
    """Maximum of the first delay, in seconds."""
    longest: float = 30.0
    """Maximum of all delays, in seconds."""
    random: Callable[[], float] = random.random
    """Returns random numbers from 0 to 1."""

    def delay(self, failures: int) -> float:
        """Return the delay in seconds after so many failures in a row (1 or more)."""
        doublings = min(failures - 1, _MOST_DOUBLINGS)
        longest: float = min(self.longest, self.first * 2.0**doublings)
        return self.random() * longest
