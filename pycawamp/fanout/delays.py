"""Samples of the delay of updates, from the IOC's time stamp to the write to the sockets."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from time import time
from types import MappingProxyType

import attrs

from pycawamp.pv.interfaces import PVState

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
"""The upper bounds of the histogram's buckets, in seconds; the last bucket has no upper bound."""
WEIGHT = 1 / 8
"""The weight of a sample in the mean of an IOC."""
MAX_IOCS = 10_000
"""Maximum number of IOCs whose mean is kept."""


@attrs.frozen
class DelayStatistics:
    """A histogram of delays, since the start."""

    counts: tuple[int, ...]
    """Number of samples in each bucket of `BOUNDS`, and above."""
    seconds: float
    """The sum of all samples; negative ones, if an IOC's clock is ahead, count as 0."""
    by_ioc: Mapping[str, float]
    """The weighted mean of recent samples of each IOC; negative if its clock is ahead."""


class DeliveryDelays:
    """Collects samples. `now` returns UNIX seconds."""

    def __init__(self, now: Callable[[], float] = time) -> None:
        self._now = now
        self._counts = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0
        self._by_ioc: dict[str, float] = {}

    def take(self, pv: PVState) -> None:
        """Take a sample from the newest update of a PV, which has just been written."""
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
        elif len(self._by_ioc) < MAX_IOCS:
            self._by_ioc[host] = delay

    def statistics(self) -> DelayStatistics:
        """Return the statistics."""
        by_ioc = MappingProxyType(dict(self._by_ioc))
        return DelayStatistics(tuple(self._counts), self._seconds, by_ioc)
