"""The queue from the threads of Channel Access to the reactor."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from pycawamp.pv.event_queue import DequeQueue, InboxLimits, Queue
from pycawamp.pv.intake import Intake, WakeDescriptor

SHORTEST_SLICE = 0.002
"""Seconds, used while sending takes little time."""
SLICE_PER_SEND = 4.0
"""Length of a slice as a multiple of the time for sending: longer with more clients."""
SAMPLE_EVENTS = 100
"""Number of events over which the pace is measured."""
SAMPLE_SECONDS = 0.05
"""Seconds of work over which the pace is measured, if there are fewer events."""
FEWEST = 1000
"""Number of events that may be queued at any pace: a burst of a page."""
SHORT_PAUSE = 0.001
"""Seconds; a shorter pause is not worth a timer, whose resolution is limited."""
MAX_SMALL = 3
"""Slices of few updates in a row, less than `SHORT_PAUSE` apart; after these, each has a pause."""


class Inbox:
    """A first-in, first-out queue from any thread to handlers on the reactor.

    The reactor is woken once per burst. It works in slices, between which sockets are served. The
    slices are short while sending takes little time, so that no client waits for the end of a
    burst, and longer with many clients. When the queue is empty, it pauses for as long as sending
    took (at most the longest slice), so that the next updates accumulate and share the cost per
    client. With few clients it does not pause: a single update is sent immediately. If few updates
    at a time keep arriving, it pauses for a millisecond after each slice until none has arrived,
    because each slice has a cost too.

    Above its limits, the inbox keeps only the newest update of each channel. `intake` replaces the
    queue in Python, if there is one.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        after_slice: Callable[[], None],
        limits: InboxLimits | None = None,
        intake: Intake | None = None,
    ) -> None:
        self._reactor = reactor
        self._after_slice = after_slice
        self._limits = limits or InboxLimits()
        self.intake = intake
        """The queue that libca's callback fills without Python; None: events are posted."""
        self._queue: Queue = DequeQueue(self._limits) if intake is None else intake
        self._queue.attach(self._wake, self._failed)
        # Not methods of this class: they are called for each event.
        self.post = self._queue.post
        """Queue a call of handler(event) in the reactor, from any thread; it is never dropped.

        If the size of the event in bytes is given, the time is checked after a large one. As for
        `post_update`, only one thread at a time may then call it.
        """
        self.post_update = self._queue.post_update
        """Queue a call of handler(raw) in the reactor; above the limits, only the newest is kept.

        Only one thread at a time may call it. Channel Access meets this condition, because libca
        holds its callback lock around every event.
        """
        self._descriptor: WakeDescriptor | None = None
        self._slice = SHORTEST_SLICE
        # Events and work since the pace was updated.
        self._sampled_events = 0
        self._sampled_seconds = 0.0
        self._pace = self._limits.events / self._limits.seconds
        """Events handled per second of work, including sending."""
        self._pausing: IDelayedCall | None = None
        self._small_slices = 0
        self._ended = -math.inf
        """When the last slice ended."""
        self._closed = False
        self.handled = 0
        """Number of events handled since the start."""

    @property
    def conflated(self) -> int:
        """Number of updates that were replaced by a newer one of the same channel."""
        return self._queue.conflated

    @property
    def depth(self) -> int:
        """Number of queued events."""
        return self._queue.depth

    def count(self, updates: int) -> None:
        """Count updates that were handled elsewhere."""
        self.handled += updates

    def open(self) -> None:
        """Start watching the intake. Call it after a fork, before the first event."""
        if self.intake is not None and self._descriptor is None:
            self._descriptor = WakeDescriptor(self.intake, self._drain)
            self._reactor.addReader(self._descriptor)

    def close(self) -> None:
        """Ignore further events."""
        self._closed = True
        if self._pausing is not None and self._pausing.active():
            self._pausing.cancel()
        if self._descriptor is not None:
            self._reactor.removeReader(self._descriptor)
            self._descriptor = None
        self._queue.close()

    def _wake(self) -> None:
        self._reactor.callFromThread(self._drain)

    def _failed(self, error: Exception) -> None:
        self._log.failure("An update could not be handled", Failure(error))

    def _drain(self) -> None:
        if self._closed:
            return
        clock = self._reactor.seconds
        started = clock()
        handled, finished = self._queue.work(clock, started + self._slice)
        self.handled += handled
        worked = clock()
        self._after_slice()
        self._count_small(handled, started)
        self._ended = clock()
        sending = self._ended - worked
        # The pace is measured with bursts, not with single updates.
        if not finished or handled >= SAMPLE_EVENTS:
            self._adjust(handled, worked - started + sending)
        self._slice = min(max(SLICE_PER_SEND * sending, SHORTEST_SLICE), self._limits.slice)
        if self._closed:
            return
        pause = self._pause(sending) if finished else 0.0
        if finished and not pause and self._queue.sleep():
            return
        self._pausing = self._reactor.callLater(pause, self._drain)

    def _count_small(self, handled: int, started: float) -> None:
        """Count the slices of few updates in a row; once it pauses, until a slice has none."""
        if not handled:
            self._small_slices = 0
        elif self._small_slices < MAX_SMALL:
            is_small = handled < SAMPLE_EVENTS and started - self._ended < SHORT_PAUSE
            self._small_slices = self._small_slices + 1 if is_small else 0

    def _pause(self, sending: float) -> float:
        """Return the seconds to pause after the queue was emptied; 0: until the next event."""
        pause = min(sending, self._limits.slice)
        if pause > SHORT_PAUSE:
            return pause
        return SHORT_PAUSE if self._small_slices == MAX_SMALL else 0.0

    def _adjust(self, handled: int, seconds: float) -> None:
        """Limit the queue to what can be handled in time at the recent pace."""
        self._sampled_events += handled
        self._sampled_seconds += seconds
        enough = self._sampled_events >= SAMPLE_EVENTS or self._sampled_seconds >= SAMPLE_SECONDS
        if not enough or not self._sampled_events or self._sampled_seconds <= 0:
            return
        self._pace += (self._sampled_events / self._sampled_seconds - self._pace) / 8
        most = max(int(self._pace * self._limits.seconds), FEWEST)
        self._queue.most = min(most, self._limits.events)
        self._sampled_events, self._sampled_seconds = 0, 0.0
