"""Things that come due a fixed time after they were put in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime

T = TypeVar("T")

SLICE = 0.010
"""Seconds of work before others have their turn: a crowd's items come due together."""


class DelayLine(Generic[T]):
    """A queue whose items come due `delay` seconds after they went in.

    All items wait equally long, so they leave in the order they came, and one
    timer serves them all: ten thousand PVs of a closing page cost one reactor
    call, not ten thousand. A single item is not taken out early: who put it in checks
    whether it still matters when it comes due.
    """

    def __init__(self, clock: IReactorTime, delay: float, due: Callable[[T], None]) -> None:
        self._clock = clock
        self._delay = delay
        self._due = due
        self._waiting: deque[tuple[float, T]] = deque()
        self._timer: IDelayedCall | None = None
        self._releasing = False

    def put(self, item: T) -> None:
        """Let an item come due after the delay."""
        self._waiting.append((self._clock.seconds() + self._delay, item))
        # While others come due, the next timer is for the first of those that still wait.
        if self._timer is None and not self._releasing:
            self._timer = self._clock.callLater(self._delay, self._release)

    def __len__(self) -> int:
        return len(self._waiting)

    def keep(self, wanted: Callable[[T], bool]) -> None:
        """Forget all other items."""
        self._waiting = deque(item for item in self._waiting if wanted(item[1]))

    def clear(self) -> None:
        """Forget all that waits."""
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
                    # The rest comes due in the next reactor iteration.
                    break
        finally:
            self._releasing = False
            if self._waiting:
                wait = max(0.0, self._waiting[0][0] - now)
                self._timer = self._clock.callLater(wait, self._release)
