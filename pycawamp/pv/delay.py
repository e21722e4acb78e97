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
        gap: Seconds. Items that become due within this time after others wait for its end, so
            that they are passed on together. The same applies to items that are added while
            others are passed on.
    """

    def __init__(
        self, clock: IReactorTime, delay: float, due: Callable[[T], None], gap: float = 0.0
    ) -> None:
        self._clock = clock
        self._delay = delay
        self._due = due
        self._gap = gap
        self._waiting: deque[tuple[float, T]] = deque()
        self._timer: IDelayedCall | None = None
        # When the current items began to be passed on; None: no items are.
        self._releasing: float | None = None

    def put(self, item: T) -> None:
        """Add an item."""
        now = self._clock.seconds() if self._releasing is None else self._releasing
        self._waiting.append((now + self._delay, item))
        # While items are being released, the timer is set afterwards, for the first that remains.
        if self._timer is None and self._releasing is None:
            self._timer = self._clock.callLater(self._delay, self._release)

    def __len__(self) -> int:
        return len(self._waiting)

    def keep(self, is_kept: Callable[[T], bool]) -> None:
        """Remove all items for which `is_kept` returns False."""
        self._waiting = deque(item for item in self._waiting if is_kept(item[1]))

    def clear(self) -> None:
        """Remove all items."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _release(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        least = self._gap
        self._releasing = now
        try:
            while self._waiting and self._waiting[0][0] <= now:
                self._due(self._waiting.popleft()[1])
                if self._clock.seconds() >= now + SLICE:
                    # The rest is due in the next reactor iteration.
                    least = 0.0
                    break
        finally:
            self._releasing = None
            if self._waiting:
                wait = max(least, self._waiting[0][0] - now)
                self._timer = self._clock.callLater(wait, self._release)
