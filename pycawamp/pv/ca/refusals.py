"""What IOCs refuse: a few lines in the log, however often they do; and when to believe it."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

PAUSE = 60.0
"""Seconds between two lines for one reason of one IOC."""
MOST_KINDS = 1000
"""Pairs of IOC and reason that are told apart at the same time."""
RIGHTS_DELAY = 0.5
"""Seconds within which the access rights follow an event that was refused for want of them."""


class RefusalLog:
    """Logs the first refusal of an IOC for a reason in each minute, with their number so far."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        # Their number so far, and when one was logged; the least recent first.
        self._kinds: OrderedDict[tuple[str, int], tuple[int, float]] = OrderedDict()

    def write(self, host: str, status: int, line: str) -> None:
        """Log a refusal with an ECA status, unless one of its kind was logged just now."""
        count, logged = self._kinds.pop((host, status), (0, float("-inf")))
        now = self._clock.seconds()
        if now >= logged + PAUSE:
            logged = now
            self._log.warn(
                "{line} ({count} so far; the next line of this kind in {pause:g} s)",
                line=line,
                count=count + 1,
                pause=PAUSE,
            )
        self._kinds[host, status] = count + 1, logged
        if len(self._kinds) > MOST_KINDS:
            self._kinds.popitem(last=False)


class HeldRefusals:
    """Holds refusals for want of read access until the new rights must have come.

    When an IOC takes read access away, it sends a refused event and the new rights, in either
    order. The rights say all there is to say; only a server that does not send them is
    believed by the event.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._held: deque[tuple[float, Callable[[], Any]]] = deque()
        self._timer: IDelayedCall | None = None

    def hold(self, believe: Callable[[], Any]) -> None:
        """Call `believe` after RIGHTS_DELAY."""
        self._held.append((self._clock.seconds() + RIGHTS_DELAY, believe))
        if self._timer is None:
            self._timer = self._clock.callLater(RIGHTS_DELAY, self._release)

    def close(self) -> None:
        """Drop what is held."""
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _release(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        while self._held and self._held[0][0] <= now:
            self._held.popleft()[1]()
        if self._held:
            self._timer = self._clock.callLater(self._held[0][0] - now, self._release)
