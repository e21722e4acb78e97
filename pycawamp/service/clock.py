"""The clock of a reactor."""

from __future__ import annotations

import time
from typing import Any


def use_monotonic_clock(reactor: Any) -> None:
    """Make a reactor measure time by `time.monotonic`.

    Twisted's reactors use the system clock: when it is set back, no timer fires until the clock has
    caught up, and rates computed from `reactor.seconds()` are wrong.

    Args:
        reactor: A reactor on which nothing is scheduled yet.

    Raises:
        RuntimeError: Something is already scheduled, by the other clock.
    """
    if reactor.getDelayedCalls():
        raise RuntimeError("expected a reactor on which nothing is scheduled yet")
    reactor.seconds = time.monotonic
