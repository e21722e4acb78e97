"""The flush cycle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from pycawamp.fanout.delays import DeliveryDelays
from pycawamp.pv.interfaces import PVState
from pycawamp.pv.routes import Buffer

SAMPLE_INTERVAL = 0.01
"""Seconds between two samples of the delay of updates."""


class Flushable(Protocol):
    """Collects messages until it is flushed."""

    def flush(self) -> None:
        """Pass on the collected messages."""


class Delayed(Protocol):
    """The part of a stream that is needed for a sample of the delay."""

    @property
    def pv(self) -> PVState:
        """The PV."""

    @property
    def is_prompt(self) -> bool:
        """Whether updates are sent without a pause."""


class FlushCycle:
    """The cohorts and outboxes with pending messages; flushed once per reactor iteration.

    `make_buffer` creates compiled buffers for cohorts, given the separator of frames; None:
    they collect frames in Python.
    """

    def __init__(
        self, clock: IReactorTime, make_buffer: Callable[[bytes], Buffer] | None = None
    ) -> None:
        self._clock = clock
        self.make_buffer = make_buffer
        self.flushed = clock.seconds()
        """The reactor's time when the last flush began."""
        self._scheduled = False
        self._cohorts: list[Flushable] = []
        self._outboxes: list[Flushable] = []
        self.messages = 0
        """Number of messages sent since the start, without replies and messages after a pause."""
        self.bytes = 0
        """Bytes written to clients since the start."""
        self.delays = DeliveryDelays()
        """Samples of the delay of updates."""
        self._sample: Delayed | None = None
        self._next_sample = self.flushed
        self._samples = 0

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
        sample, self._sample = self._sample, None
        if sample is not None:
            self.delays.take(sample.pv)

    def offer_sample(self, streams: Sequence[Delayed]) -> None:
        """If it is time, sample the delay of one of these streams, which are about to be sent."""
        if self.flushed < self._next_sample:
            return
        self._samples += 1
        stream = streams[self._samples % len(streams)]
        if stream.is_prompt:
            self._next_sample = self.flushed + SAMPLE_INTERVAL
            self._sample = stream

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
