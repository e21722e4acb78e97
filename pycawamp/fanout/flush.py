"""The end of a reactor turn: when what was gathered goes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from pycawamp.fanout.framebuffer import Buffer, FrameBuffer


class Flushable(Protocol):
    """Something that gathers messages until it is flushed."""

    def flush(self) -> None:
        """Pass on what was gathered."""


class FlushCycle:
    """What was touched since the last flush: cohorts first, then outboxes.

    `make_buffer` makes the buffers of cohorts, for what stands between two frames.
    """

    def __init__(
        self, clock: IReactorTime, make_buffer: Callable[[bytes], Buffer] = FrameBuffer
    ) -> None:
        self._clock = clock
        self.make_buffer = make_buffer
        self._scheduled = False
        self._cohorts: list[Flushable] = []
        self._outboxes: list[Flushable] = []

    def touch_cohort(self, cohort: Flushable) -> None:
        """Have a cohort hand its frames to its members at the end of the turn."""
        self._cohorts.append(cohort)
        self._schedule()

    def touch_outbox(self, outbox: Flushable) -> None:
        """Have an outbox write at the end of the turn."""
        self._outboxes.append(outbox)
        self._schedule()

    def flush(self) -> None:
        """Send all that was gathered: one write for each client."""
        self.settle()
        outboxes, self._outboxes = self._outboxes, []
        for outbox in outboxes:
            outbox.flush()

    def settle(self) -> None:
        """Have the cohorts hand over now what they gathered."""
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
