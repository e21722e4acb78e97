"""A queue of items that are due after a fixed delay."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime

T = TypeVar("T")

SLICE = 0.010
"""Maximum seconds of work at a time, because many items may be due together."""


class DelayLine(Generic[T]):
    """A queue that passes items to a function after a fixed delay.

    Since all items have the same delay, one timer is enough for all of them. Single items cannot
    be removed: `due` has to check whether an item is still relevant.

    Args:
        clock: The reactor.
        delay: Seconds.
        due: Called with each item that is due.
    """

    def __init__(self, clock: IReactorTime, delay: float, due: Callable[[T], None]) -> None:
        self._clock = clock
        self._delay = delay
        self._due = due
        self._waiting: deque[tuple[float, T]] = deque()
        self._timer: IDelayedCall | None = None
        self._releasing = False

    def put(self, item: T) -> None:
        """Add an item."""
        self._waiting.append((self._clock.seconds() + self._delay, item))
        # While items are being released, the timer is set afterwards, for the first that remains.
        if self._timer is None and not self._releasing:
            self._timer = self._clock.callLater(self._delay, self._release)

    def __len__(self) -> int:
        return len(self._waiting)

    def keep(self, wanted: Callable[[T], bool]) -> None:
        """Remove all items for which `wanted` returns False."""
        self._waiting = deque(item for item in self._waiting if wanted(item[1]))

    def clear(self) -> None:
        """Remove all items."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _release(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        self._releasing = True
        try:
            while self._waiting and self._waiting[0][0] <= now:
                self._due(self._waiting.popleft()[1])
                if self._clock.seconds() >= now + SLICE:
                    # The rest is due in the next reactor iteration.
                    break
        finally:
            self._releasing = False
            if self._waiting:
                wait = max(0.0, self._waiting[0][0] - now)
                self._timer = self._clock.callLater(wait, self._release)
