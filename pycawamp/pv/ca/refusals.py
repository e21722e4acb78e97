"""Errors of IOCs: how often they are logged, and when they are reported."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pycawamp.pv.delay import DelayLine

PAUSE = 60.0
"""Seconds between two log lines for one IOC and reason."""
MAX_KINDS = 1000
"""Maximum number of pairs of IOC and reason that are counted separately."""
RIGHTS_DELAY = 0.5
"""Seconds within which access rights follow an event that was refused because of them."""


class RefusalLog:
    """Logs the first refusal of an IOC for a reason in each minute, with their number so far."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        # The number of refusals so far, and when one was logged; the least recent first.
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
        if len(self._kinds) > MAX_KINDS:
            self._kinds.popitem(last=False)


class HeldRefusals(DelayLine[Callable[[], None]]):
    """Holds refusals for lack of read access until the new access rights must have arrived.

    When an IOC withdraws read access, it sends a refused event and the new rights, in either order.
    The rights are sufficient. The event is reported only if a server does not send them.
    """

    def __init__(self, clock: IReactorTime) -> None:
        super().__init__(clock, RIGHTS_DELAY, lambda believe: believe())
