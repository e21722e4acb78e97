"""Histories of PVs whose values are numbers."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import Any, Protocol

import attrs
import numpy as np

from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.values import SEVERITIES, Array, Reading

MAX_SAMPLES = 8192
"""Maximum number of samples of a PV, whatever the time."""
REFUSED = 256
"""Number of samples between two requests for memory that was refused."""
SAMPLES_PER_INTERVAL = 5
"""Maximum number of samples of an interval in a thinned history."""
SEVERITY_SHIFT = 30
_SAMPLE = Struct("=dII")
"""The value, UNIX seconds, and nanoseconds with the severity in the upper two bits."""
_HELD = 96
"""Bytes of a sample in a Python list."""
_LEAST = 16
_DTYPE = np.dtype([("value", "f8"), ("seconds", "u4"), ("rest", "u4")])


class Store(Protocol):
    """The newest samples of a PV: those of a number of seconds, and the last one before them."""

    def append(self, reading: Reading, /) -> None:
        """Add a number, or NaN for no value. Values of other types are ignored."""

    def samples(self) -> bytes:
        """Return all samples, oldest first: value (double), seconds and `rest` (uint32)."""

    def close(self) -> None:
        """Release the memory; further samples are ignored."""

    def __len__(self) -> int:
        """Return the number of samples."""


class DequeStore:
    """A store in Python; the one in C is in pycawamp.pv.ca._fast.

    Args:
        keep: Seconds.
        max_samples: Maximum number of samples.
        reserve: Called with a number of bytes to reserve, negative to release them; returns
            whether there is room.
    """

    __slots__ = ("_keep", "_max_samples", "_reserve", "_room", "_samples", "_until_request")

    def __init__(self, keep: int, max_samples: int, reserve: Callable[[int], bool], /) -> None:
        self._keep = keep
        self._max_samples = max_samples
        self._reserve: Callable[[int], bool] | None = reserve
        self._room = 0
        self._until_request = 0
        self._samples: deque[bytes] = deque()

    def append(self, reading: Reading, /) -> None:
        """Add a number, or NaN for no value. Values of other types are ignored."""
        _, severity, seconds, nanoseconds, value = reading
        if value is None:
            value = math.nan
        if self._reserve is None or not isinstance(value, float | int):
            return
        if not seconds:
            seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        seconds &= 0xFFFFFFFF
        if not 0 <= severity < len(SEVERITIES):
            severity = len(SEVERITIES) - 1
        self._expire(seconds)
        if self._make_room():
            rest = nanoseconds | severity << SEVERITY_SHIFT
            self._samples.append(_SAMPLE.pack(value, seconds, rest))

    def samples(self) -> bytes:
        """Return all samples, oldest first: value (double), seconds and `rest` (uint32)."""
        return b"".join(self._samples)

    def close(self) -> None:
        """Release the memory; further samples are ignored."""
        if self._reserve is not None:
            self._reserve(-self._room * _HELD)
            self._reserve = None
        self._room = 0
        self._samples.clear()

    def __len__(self) -> int:
        return len(self._samples)

    def _expire(self, now: int) -> None:
        samples = self._samples
        # The last one before the period is kept: it is the value at its start.
        while len(samples) > 1 and _SAMPLE.unpack(samples[1])[1] < now - self._keep:
            samples.popleft()

    def _make_room(self) -> bool:
        """Return whether there is room for a sample, replacing the oldest if necessary."""
        if len(self._samples) < self._room:
            return True
        if self._room < self._max_samples and not self._until_request:
            room = min(2 * self._room or _LEAST, self._max_samples)
            assert self._reserve is not None
            if self._reserve((room - self._room) * _HELD):
                self._room = room
                return True
            self._until_request = REFUSED
        self._until_request = max(0, self._until_request - 1)
        if self._samples:
            self._samples.popleft()
        return self._room > 0


@attrs.frozen
class Past:
    """How much of a PV's history a client requests."""

    seconds: float
    """Seconds before now."""
    points: int
    """Maximum number of samples."""


@attrs.frozen(eq=False)
class Samples:
    """Numbers over time, oldest first. NaN: there was no number, or no connection."""

    seconds: Array
    """UNIX seconds, without the fraction."""
    nanoseconds: Array
    values: Array
    severities: Array
    """Alarm severities as in alarm.h."""

    @classmethod
    def of(cls, raw: bytes) -> Samples:
        """Return what `Store.samples` returned."""
        found = np.frombuffer(raw, _DTYPE)
        nanoseconds = found["rest"] & ((1 << SEVERITY_SHIFT) - 1)
        return cls(found["seconds"], nanoseconds, found["value"], found["rest"] >> SEVERITY_SHIFT)

    @property
    def times(self) -> Array:
        """UNIX seconds, accurate to about 0.2 µs."""
        times: Array = self.seconds + self.nanoseconds * 1e-9
        return times

    def __len__(self) -> int:
        return len(self.seconds)

    def __getitem__(self, index: Any) -> Samples:
        """Return the samples selected by a slice or an array of indices."""
        return Samples(
            self.seconds[index], self.nanoseconds[index], self.values[index], self.severities[index]
        )

    def __add__(self, later: Samples) -> Samples:
        """Return these samples followed by `later`."""
        return Samples(
            *(
                np.concatenate([getattr(self, name), getattr(later, name)])
                for name in ("seconds", "nanoseconds", "values", "severities")
            )
        )

    def ends_with(self, reading: Reading) -> bool:
        """Return whether the last sample has the time of an update."""
        if not len(self):
            return False
        last = int(self.seconds[-1]), int(self.nanoseconds[-1])
        return last == (reading.seconds, reading.nanoseconds)

    def before(self, end: float) -> Samples:
        """Return the samples before a time."""
        return self[self.times < end]

    def between(self, start: float, end: float) -> Samples:
        """Return the samples of a period, and the last one before it, which is its first value."""
        times = self.times
        # The first value after a gap may be older than the gap.
        is_after_gap = np.isnan(self.values[:-1])
        times[1:][is_after_gap] = np.maximum(times[1:], times[:-1])[is_after_gap]
        before = np.flatnonzero(times < start)[-1:]
        return self[np.concatenate([before, np.flatnonzero((times >= start) & (times <= end))])]

    def thinned(self, max_samples: int) -> Samples:
        """Return at most `max_samples` samples.

        Of each interval, these are the first, the lowest, the highest and the last sample, and the
        first gap (NaN).
        """
        if len(self) <= max_samples:
            return self
        width = math.ceil(len(self) / max(1, max_samples // SAMPLES_PER_INTERVAL))
        first = np.arange(0, len(self), width)
        table = np.full(len(first) * width, np.nan)
        table[: len(self)] = self.values
        parts = table.reshape(-1, width)
        low = first + np.where(np.isnan(parts), np.inf, parts).argmin(axis=1)
        high = first + np.where(np.isnan(parts), -np.inf, parts).argmax(axis=1)
        last = np.minimum(first + width, len(self)) - 1
        # The last row may be padded with NaN, which is not a gap.
        gap = np.minimum(first + np.isnan(parts).argmax(axis=1), last)
        return self[np.unique(np.concatenate([first, low, high, gap, last]))]


NO_SAMPLES = Samples.of(b"")


class Histories:
    """Creates the stores of PVs, within the memory budget."""

    def __init__(
        self,
        budget: MemoryBudget,
        seconds: float,
        make: Callable[[int, int, Callable[[int], bool]], Store] | None = None,
    ) -> None:
        """Create an object without stores.

        Args:
            budget: The memory budget. Histories may use a quarter of it.
            seconds: Seconds of history to keep; 0: none.
            make: Creates a store; None: a `DequeStore`.
        """
        self._budget = budget
        self._seconds = math.ceil(seconds)
        self._make = make or DequeStore
        # One bound method for all stores.
        self._asked = self._reserve

    def open(self) -> Store | None:
        """Return the store of a new PV; None if no history is kept."""
        if not self._seconds:
            return None
        return self._make(self._seconds, MAX_SAMPLES, self._asked)

    def _reserve(self, size: int) -> bool:
        budget = self._budget
        if size > 0 and not budget.has_room_for_history(size):
            return False
        budget.history += size
        return True
