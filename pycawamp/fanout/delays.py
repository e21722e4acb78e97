"""Samples of how late updates are: from the IOC's time stamp to the sockets."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from time import time
from types import MappingProxyType

import attrs

from pycawamp.pv.interfaces import PVState

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
"""The upper bounds of the histogram's buckets, in seconds; a last one has what is above."""
WEIGHT = 1 / 8
"""What a sample counts in the mean of an IOC."""
MOST_IOCS = 10_000
"""IOCs whose mean is kept."""


@attrs.frozen
class DelayStatistics:
    """A histogram of delays, since the start."""

    counts: tuple[int, ...]
    """Samples in each bucket of `BOUNDS`, and above."""
    seconds: float
    """The sum of all samples. An IOC's clock that is ahead counts as 0."""
    by_ioc: Mapping[str, float]
    """The weighted mean of the last samples of each IOC; negative where its clock is ahead."""


class DeliveryDelays:
    """Collects samples. `now` returns UNIX seconds."""

    def __init__(self, now: Callable[[], float] = time) -> None:
        self._now = now
        self._counts = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0
        self._by_ioc: dict[str, float] = {}

    def take(self, pv: PVState) -> None:
        """Take the newest update of a PV, which was written to sockets just now."""
        latest = pv.latest
        # The first one is as old as the record's last processing.
        if latest is None or not latest.seconds or pv.updates_of_connection < 2:
            return
        delay = self._now() - latest.timestamp
        counted = max(delay, 0.0)
        self._counts[bisect_left(BOUNDS, counted)] += 1
        self._seconds += counted
        if pv.described is not None and pv.described.host:
            self._take_of_ioc(pv.described.host, delay)

    def _take_of_ioc(self, host: str, delay: float) -> None:
        mean = self._by_ioc.get(host)
        if mean is not None:
            self._by_ioc[host] = mean + (delay - mean) * WEIGHT
        elif len(self._by_ioc) < MOST_IOCS:
            self._by_ioc[host] = delay

    def statistics(self) -> DelayStatistics:
        """Return what was collected."""
        by_ioc = MappingProxyType(dict(self._by_ioc))
        return DelayStatistics(tuple(self._counts), self._seconds, by_ioc)
