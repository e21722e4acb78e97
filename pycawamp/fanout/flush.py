"""The flush cycle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime


class Buffer(Protocol):
    """Collects frames, and the stream of each, for members that are paused."""

    joint: bytes
    """Separates frames. To be changed only while there are none."""

    def append(self, stream: Any, frame: bytes, /) -> bool:
        """Add a frame of a stream, and return whether it is the first frame."""

    def take(self) -> tuple[bytes, list[Any]]:
        """Remove all frames; return them joined, and their streams."""

    def __len__(self) -> int:
        """Return the number of frames."""


class Flushable(Protocol):
    """Collects messages until it is flushed."""

    def flush(self) -> None:
        """Pass on the collected messages."""


class FlushCycle:
    """The cohorts and outboxes with pending messages; flushed once per reactor iteration.

    `make_buffer` creates compiled buffers for cohorts, from what separates two frames; None:
    they collect frames in Python.
    """

    def __init__(
        self, clock: IReactorTime, make_buffer: Callable[[bytes], Buffer] | None = None
    ) -> None:
        self._clock = clock
        self.make_buffer = make_buffer
        self.flushed = clock.seconds()
        """When the last flush began, by the reactor's clock."""
        self._scheduled = False
        self._cohorts: list[Flushable] = []
        self._outboxes: list[Flushable] = []
        self.messages = 0
        """What was handed to clients since the start, without replies and what follows a pause."""
        self.bytes = 0
        """What was written to clients since the start."""

    def touch_cohort(self, cohort: Flushable) -> None:
        """Flush a cohort at the end of the cycle."""
        self._cohorts.append(cohort)
        self._schedule()

    def touch_outbox(self, outbox: Flushable) -> None:
        """Flush an outbox at the end of the cycle."""
        self._outboxes.append(outbox)
        self._schedule()

    def flush(self) -> None:
        """Write all pending messages: one write for each client."""
        self.flushed = self._clock.seconds()
        self.settle()
        outboxes, self._outboxes = self._outboxes, []
        for outbox in outboxes:
            outbox.flush()

    def settle(self) -> None:
        """Flush the cohorts, so that their frames are in the outboxes."""
        cohorts, self._cohorts = self._cohorts, []
        for cohort in cohorts:
            cohort.flush()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._clock.callLater(0, self._end)

    def _end(self) -> None:
        self._scheduled = False
        self.flush()
