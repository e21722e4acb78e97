"""Errors of IOCs: how often they are logged, and when they are reported."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

PAUSE = 60.0
"""Seconds between two log lines for one IOC and reason."""
MOST_KINDS = 1000
"""Maximum number of pairs of IOC and reason that are counted separately."""
RIGHTS_DELAY = 0.5
"""Seconds within which access rights follow an event that was refused because of them."""


class RefusalLog:
    """Logs the first refusal of an IOC for a reason in each minute, with their number so far."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        # Their number so far, and when one was logged; the least recent first.
        self._kinds: OrderedDict[tuple[str, int], tuple[int, float]] = OrderedDict()

    def write(self, host: str, status: int, line: str) -> None:
        """Log a refusal with an ECA status, unless one of its kind was logged recently."""
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
    """Holds refusals for lack of read access until the new access rights must have arrived.

    When an IOC withdraws read access, it sends a refused event and the new rights, in either order.
    The rights are sufficient. The event is reported only if a server does not send them.

    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._held: deque[tuple[float, Callable[[], Any]]] = deque()
        self._timer: IDelayedCall | None = None

    def hold(self, believe: Callable[[], Any]) -> None:
        """Call `believe` after RIGHTS_DELAY seconds."""
        self._held.append((self._clock.seconds() + RIGHTS_DELAY, believe))
        if self._timer is None:
            self._timer = self._clock.callLater(RIGHTS_DELAY, self._release)

    def close(self) -> None:
        """Drop held refusals."""
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
