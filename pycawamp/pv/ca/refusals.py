"""What IOCs refuse, in the log: however often they do, a few lines."""

from __future__ import annotations

from collections import OrderedDict

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

PAUSE = 60.0
"""Seconds between two lines for one reason of one IOC."""
MOST_KINDS = 1000
"""Pairs of IOC and reason that are told apart at the same time."""


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
