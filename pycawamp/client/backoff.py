"""How long to wait before the next attempt to connect."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs

_MOST_DOUBLINGS = 32


@attrs.frozen
class Backoff:
    """Exponential, with full jitter: clients that lost one gateway do not return as one."""

    first: float = 1.0
    """Seconds: the most that the first wait can take."""
    longest: float = 30.0
    """Seconds: the most that any wait can take."""
    random: Callable[[], float] = random.random
    """Gives numbers from 0 to 1."""

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row, 1 or more."""
        doublings = min(failures - 1, _MOST_DOUBLINGS)
        longest: float = min(self.longest, self.first * 2.0**doublings)
        return self.random() * longest
