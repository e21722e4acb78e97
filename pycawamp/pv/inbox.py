"""The queue from Channel Access's threads to the reactor."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sized
from threading import Lock
from typing import Any, Protocol, TypeAlias

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorFDSet, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from pycawamp.pv.direct import Form, Updates
from pycawamp.pv.routes import Planner, Route
from pycawamp.pv.values import Reading

Handler: TypeAlias = Callable[[Any], None]
Clock: TypeAlias = Callable[[], float]
Item: TypeAlias = tuple[Handler, Any, int]
"""A queued call: the handler, its argument, and the bytes that count for the limit."""

SHORTEST_SLICE = 0.002
"""Seconds, used while sending takes little time."""
SLICE_PER_SEND = 4.0
"""Length of a slice as a multiple of the time for sending: longer with more clients."""
SAMPLE_EVENTS = 100
"""Number of events over which the pace is measured."""
SAMPLE_SECONDS = 0.05
"""Seconds of work over which the pace is measured, if there are fewer events."""
LARGE = 4096
"""Bytes of an event that may take as long as many others, so the time is checked after it."""
FEWEST = 1000
"""Number of events that may be queued at any pace: a burst of a page."""
SHORT_REST = 0.001
"""Seconds; a shorter rest is not worth a timer, whose resolution is limited."""
MOST_SMALL = 3
"""Slices of few updates in a row, not `SHORT_REST` apart: from then on it rests after each."""


@attrs.frozen
class InboxLimits:
    """How much may be queued, and for how long the reactor may work on it at a time."""

    events: int = 20_000
    """Maximum number of events, however fast they are handled."""
    seconds: float = 0.4
    """Maximum time to handle all queued events; later, they would be out of date."""
    bytes: int = 256 * 2**20
    slice: float = 0.010
    """Maximum seconds of work in one reactor iteration."""


class Queue(Protocol):
    """The queued calls for the reactor, oldest first.

    Above its limits, it keeps only the newest update of each handler.
    """

    most: int
    """Maximum number of queued events."""

    @property
    def conflated(self) -> int:
        """Number of updates that were replaced by a newer one of the same handler."""

    @property
    def depth(self) -> int:
        """Number of queued events."""

    def attach(self, wake: Callable[[], None], failed: Callable[[Exception], None]) -> None:
        """Set the function that wakes the reactor, and the one for exceptions of handlers."""

    def post(self, handler: Handler, news: Any, size: int = 0, /) -> None:
        """Queue a call of handler(news), which takes `size` bytes; it is never dropped."""

    def post_update(self, handler: Handler, raw: Sized, /) -> None:
        """Queue a call of handler(raw); above the limits, only the newest `raw` is kept."""

    def work(self, clock: Clock, deadline: float, /) -> tuple[int, bool]:
        """Handle events until the deadline; return how many, and whether the queue is empty."""

    def sleep(self) -> bool:
        """Wake the reactor on the next event; return False, without effect, unless empty."""

    def close(self) -> None:
        """Drop all events, also future ones."""


class Listener(Protocol):
    """Receives the events of a subscription, or the answer to a get."""

    def receive(self, raw: bytes, /) -> None:
        """Handle the DBR data of an event, on the reactor."""


class Intake(Queue, Protocol):
    """A queue that libca's callback fills without Python (pv.ca._fast)."""

    callback: int
    """The address of the callback for events."""

    def open(self) -> int:
        """Return a file descriptor that is readable once an event arrives in a sleeping queue."""

    def acknowledge(self) -> None:
        """Make the file descriptor unreadable."""

    def route(
        self,
        field_type: int,
        planner: Planner,
        decode: Callable[[bytes], Reading],
        /,
    ) -> Route:
        """Return a route for the DBR_TIME events of a scalar."""

    def listen(  # noqa: PLR0913, PLR0917 (what it is told for each subscription)
        self,
        dbr_type: int,
        most: int,
        header: int,
        width: int,
        listener: Listener,
        refuse: Callable[[Any, int, int, int], None],
        route: Route | None,
        /,
    ) -> int:
        """Return the user data for the callback of a subscription or get.

        Events of `dbr_type` with at most `most` elements are passed along the `route` or to the
        `listener`, as `header` bytes and `width` bytes per element. For other events, `refuse` is
        called with the listener, the status, the type and the count.
        """

    def send_scalars(
        self,
        message: bytes,
        start: int,
        end: int,
        routes: dict[int, Route],
        take: Callable[..., bool],
        /,
    ) -> int:
        """Send the scalar readings of a burst of the bus, those of some PVs without Python.

        Args:
            message: Where they are, from `start` to `end`; see pycawamp.bus.messages.
            start: Their position.
            end: The position after them.
            routes: By the numbers of PVs.
            take: Called with the fields of the others; returns whether it was an update.

        Returns:
            How many updates there were.
        """

    def form(self, code: str, /) -> Form:
        """Return a form of updates by pvAccess, with the code (as in struct) of their values."""

    def updates(self) -> Updates:
        """Return what queues the updates of a connection by pvAccess."""

    def forget(self, number: int, /) -> None:
        """Ignore further events with this user data."""

    def forget_all(self) -> None:
        """Ignore all further events."""


class DequeQueue:
    """A queue in Python."""

    def __init__(self, limits: InboxLimits) -> None:
        self.most = limits.events
        self._most_bytes = limits.bytes
        self._queue: deque[Item] = deque()
        self._awake = False
        # Two counters, each written by one side only: no lock, and no count lost.
        self._bytes_in = 0
        self._bytes_out = 0
        self._overflowing = False
        self._overflow: dict[object, Item] = {}
        self._lock = Lock()
        self.conflated = 0

    def attach(self, wake: Callable[[], None], failed: Callable[[Exception], None]) -> None:
        """Set the function that wakes the reactor, and the one for exceptions of handlers."""
        self._wake_reactor = wake
        self._failed = failed

    @property
    def depth(self) -> int:
        """Number of queued events."""
        return len(self._queue) + len(self._overflow)

    # Any thread

    def post(self, handler: Handler, news: Any, size: int = 0, /) -> None:
        """Queue a call of handler(news) in the reactor; it is never dropped."""
        if size:
            self._bytes_in += size
        item = (handler, news, size)
        if self._overflowing:
            self._post_late(object(), item)
        else:
            self._queue.append(item)
        if not self._awake:
            self._wake()

    def post_update(self, handler: Handler, raw: Sized, /) -> None:
        """Queue a call of handler(raw); above the limits, only the newest `raw` is kept."""
        size = len(raw)
        self._bytes_in += size
        item = (handler, raw, size)
        if self._overflowing or self._is_full():
            self._post_late(handler, item)
        else:
            self._queue.append(item)
        if not self._awake:
            self._wake()

    def _is_full(self) -> bool:
        return len(self._queue) >= self.most or self._bytes_in - self._bytes_out > self._most_bytes

    def _post_late(self, key: object, item: Item) -> None:
        with self._lock:
            replaced = self._overflow.pop(key, None)
            if replaced is not None:
                self.conflated += 1
                self._bytes_in -= replaced[2]
            self._overflow[key] = item
            self._overflowing = True

    def _wake(self) -> None:
        # Two threads may both find it asleep: the second drain finds nothing, no harm.
        self._awake = True
        self._wake_reactor()

    # The reactor

    def sleep(self) -> bool:
        """Wake the reactor on the next event; return False, without effect, unless empty."""
        # Asleep first, then the last look: a thread that posts after the look sees
        # it asleep and wakes it.
        self._awake = False
        if self._queue or self._overflowing:
            self._awake = True
            return False
        return True

    def work(self, clock: Clock, deadline: float, /) -> tuple[int, bool]:
        """Handle events until the deadline; return how many, and whether the queue is empty."""
        handled = 0
        while clock() < deadline:
            items = self._next_items()
            if not items:
                return handled, True
            handled += len(items)
            rest = iter(items)
            for handler, news, size in rest:
                self._bytes_out += size
                try:
                    handler(news)
                except Exception as error:
                    self._failed(error)
                if size > LARGE and clock() >= deadline:
                    left = list(rest)
                    handled -= len(left)
                    self._queue.extendleft(reversed(left))
                    break
        return handled, not self._queue and not self._overflowing

    def _next_items(self, most: int = 32) -> list[Item]:
        """Return the oldest events, few enough to check the time after them."""
        if not self._queue and self._overflowing:
            with self._lock:
                self._queue.extendleft(reversed(self._overflow.values()))
                self._overflow = {}
                self._overflowing = False
        take = self._queue.popleft
        return [take() for _ in range(min(most, len(self._queue)))]

    def close(self) -> None:
        """Drop all events, also future ones."""
        self._queue.clear()
        self._overflow = {}


class Inbox:
    """A first-in, first-out queue from any thread to handlers on the reactor.

    The reactor is woken once per burst. It works in slices, between which sockets are served. The
    slices are short while sending takes little time, so that no client waits for the end of a
    burst, and longer with many clients. When the queue is empty, it rests for as long as sending
    took (at most the longest slice), so that the next updates accumulate and share the cost per
    client. With few clients it does not rest, so a single update is sent at once. If few updates at
    a time keep arriving, it rests for a millisecond after each slice, until none has arrived,
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
        """Queue a call of handler(news) in the reactor, from any thread; it is never dropped.

        With the size of the news in bytes, the time is checked after a large one. Then the rule of
        `post_update` holds: only one thread at a time.
        """
        self.post_update = self._queue.post_update
        """Queue a call of handler(raw) in the reactor; above the limits, only the newest is kept.

        Only one thread at a time may call it. That holds for Channel Access: libca holds its
        callback lock around every event.
        """
        self._descriptor: _WakeDescriptor | None = None
        self._slice = SHORTEST_SLICE
        # Of these the pace has not been told yet.
        self._sampled_events = 0
        self._sampled_seconds = 0.0
        self._pace = self._limits.events / self._limits.seconds
        """Events handled per second of work, including sending."""
        self._resting: IDelayedCall | None = None
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
            self._descriptor = _WakeDescriptor(self.intake, self._drain)
            self._reactor.addReader(self._descriptor)

    def close(self) -> None:
        """Handle no more events."""
        self._closed = True
        if self._resting is not None and self._resting.active():
            self._resting.cancel()
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
        # A burst tells what sending costs, not an update that comes alone.
        if not finished or handled >= SAMPLE_EVENTS:
            self._adjust(handled, worked - started + sending)
        self._slice = min(max(SLICE_PER_SEND * sending, SHORTEST_SLICE), self._limits.slice)
        if self._closed:
            return
        rest = self._rest(sending) if finished else 0.0
        if finished and not rest and self._queue.sleep():
            return
        self._resting = self._reactor.callLater(rest, self._drain)

    def _count_small(self, handled: int, started: float) -> None:
        """Count the slices of few updates in a row; until there are none, once it rests."""
        if not handled:
            self._small_slices = 0
        elif self._small_slices < MOST_SMALL:
            is_small = handled < SAMPLE_EVENTS and started - self._ended < SHORT_REST
            self._small_slices = self._small_slices + 1 if is_small else 0

    def _rest(self, sending: float) -> float:
        """Return how long to rest when all is handled; 0: until something comes."""
        rest = min(sending, self._limits.slice)
        if rest > SHORT_REST:
            return rest
        return SHORT_REST if self._small_slices == MOST_SMALL else 0.0

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


def has_descriptors(reactor: Any) -> bool:
    """Return whether a reactor can watch an intake's file descriptor."""
    return IReactorFDSet.providedBy(reactor)


@implementer(IReadDescriptor)
class _WakeDescriptor:
    """Calls `drain` when an intake's file descriptor is readable."""

    def __init__(self, intake: Intake, drain: Callable[[], None]) -> None:
        self._intake = intake
        self._descriptor = intake.open()
        self._drain = drain

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._descriptor

    def logPrefix(self) -> str:
        """Return the prefix of log lines about it."""
        return "inbox"

    def doRead(self) -> None:
        """Handle that an event has arrived."""
        self._intake.acknowledge()
        self._drain()

    def connectionLost(self, reason: Failure) -> None:
        """Handle the end of the reactor."""
