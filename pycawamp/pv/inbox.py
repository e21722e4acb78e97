"""The one way from Channel Access's threads to the reactor."""

from __future__ import annotations

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
"""What waits: the handler, its argument, and the bytes that count against the bound."""

SHORTEST_SLICE = 0.002
"""Seconds; for few clients, who are served within it."""
SLICE_PER_SEND = 4.0
"""How long a slice is, in terms of what sending it takes: the more clients, the longer."""
SAMPLE_EVENTS = 100
"""Events over which the pace is measured."""
SAMPLE_SECONDS = 0.05
"""Seconds of work over which the pace is measured, however few events it was."""
LARGE = 4096
"""Bytes of an event that may take as long as many others: the clock is looked at after it."""
FEWEST = 1000
"""Events that may wait at any pace: a burst of a page."""
SHORT_REST = 0.001
"""Seconds; below the resolution of the reactor's timers a rest is not worth a timer."""


@attrs.frozen
class InboxLimits:
    """How much may wait, and how long the reactor works on it at a stretch."""

    events: int = 20_000
    """The most, however fast they are handled."""
    seconds: float = 0.4
    """How long what waits may take to handle: what waits longer would be stale."""
    bytes: int = 256 * 2**20
    slice: float = 0.010
    """Seconds of work between two rounds of the event loop, at most."""


class Queue(Protocol):
    """What waits for the reactor, oldest first.

    Over its bounds it keeps only the newest update of each handler.
    """

    most: int
    """Events that may wait."""

    @property
    def conflated(self) -> int:
        """Updates that were replaced by a newer one of the same handler."""

    @property
    def depth(self) -> int:
        """How much waits to be handled."""

    def attach(self, wake: Callable[[], None], failed: Callable[[Exception], None]) -> None:
        """Set what wakes the reactor, and what is called with exceptions of handlers."""

    def post(self, handler: Handler, news: Any, /) -> None:
        """Queue a call of handler(news); it is never dropped."""

    def post_update(self, handler: Handler, raw: Sized, /) -> None:
        """Queue a call of handler(raw); over the bounds, only the newest raw is kept."""

    def work(self, clock: Clock, deadline: float, /) -> tuple[int, bool]:
        """Handle what waits until the deadline; how many, and whether all."""

    def sleep(self) -> bool:
        """Wake the reactor when something comes; False, and nothing done, if something waits."""

    def close(self) -> None:
        """Keep nothing."""


class Listener(Protocol):
    """Who hears of the events of a subscription, or of the answer to a get."""

    def receive(self, raw: bytes, /) -> None:
        """Take the DBR bytes of one event, on the reactor."""


class Intake(Queue, Protocol):
    """A queue that libca's callback fills without Python (pv.ca._fast)."""

    callback: int
    """The address of the callback for events."""

    def open(self) -> int:
        """Return a file descriptor that is readable when an event has come to a sleeping queue."""

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
        """Return the number to give libca for a subscription or a get.

        Events of `dbr_type` with at most `most` elements go where the `route` leads or to the
        `listener`, as `header` bytes and `width` for each element. Of others `refuse` is called
        with the listener, the status, the type and the count.
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
        """Ignore what libca still tells of a number."""

    def forget_all(self) -> None:
        """Ignore all numbers."""


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
        """Set what wakes the reactor, and what is called with exceptions of handlers."""
        self._wake_reactor = wake
        self._failed = failed

    @property
    def depth(self) -> int:
        """How much waits to be handled."""
        return len(self._queue) + len(self._overflow)

    # Any thread

    def post(self, handler: Handler, news: Any, /) -> None:
        """Queue a call of handler(news) in the reactor; it is never dropped."""
        item = (handler, news, 0)
        if self._overflowing:
            self._post_late(object(), item)
        else:
            self._queue.append(item)
        if not self._awake:
            self._wake()

    def post_update(self, handler: Handler, raw: Sized, /) -> None:
        """Queue a call of handler(raw) in the reactor; over the bounds, only the newest is kept."""
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
        """Wake the reactor when something comes; False, and nothing done, if something waits."""
        # Asleep first, then the last look: a thread that posts after the look sees
        # it asleep and wakes it.
        self._awake = False
        if self._queue or self._overflowing:
            self._awake = True
            return False
        return True

    def work(self, clock: Clock, deadline: float, /) -> tuple[int, bool]:
        """Handle what waits until the deadline; how many, and whether all."""
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
        """Some of what waits, oldest first; few enough for the clock to be looked at."""
        if not self._queue and self._overflowing:
            with self._lock:
                self._queue.extendleft(reversed(self._overflow.values()))
                self._overflow = {}
                self._overflowing = False
        take = self._queue.popleft
        return [take() for _ in range(min(most, len(self._queue)))]

    def close(self) -> None:
        """Keep nothing."""
        self._queue.clear()
        self._overflow = {}


class Inbox:
    """A first-in, first-out queue from any thread to handlers on the reactor.

    The reactor is woken once per burst. It works in slices, so that sockets are served
    between them under any load: short ones while sending costs little, so that nobody
    waits for the end of a burst, longer ones with many clients. Once the queue is empty
    it rests as long as sending took (the longest slice at most): the next updates gather
    meanwhile, and share the costs per client. With few clients it does not rest, so a
    lone update goes out at once.

    Over its bounds the inbox keeps only the newest update of each channel. `intake` takes
    the place of the queue in Python, where there is one.
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
        """What libca's callback fills without Python, if that is how events come."""
        self._queue: Queue = DequeQueue(self._limits) if intake is None else intake
        self._queue.attach(self._wake, self._failed)
        # Not methods of this class: they are called for each event.
        self.post = self._queue.post
        """Queue a call of handler(news) in the reactor, from any thread; it is never dropped."""
        self.post_update = self._queue.post_update
        """Queue a call of handler(raw) in the reactor; over the bounds, only the newest is kept.

        One thread at a time may be in here. That holds for Channel Access: libca
        holds its callback lock around every event.
        """
        self._descriptor: _WakeDescriptor | None = None
        self._slice = SHORTEST_SLICE
        # Of these the pace has not been told yet.
        self._sampled_events = 0
        self._sampled_seconds = 0.0
        self._pace = self._limits.events / self._limits.seconds
        """Events per second that are handled while there are any, sending included."""
        self._resting: IDelayedCall | None = None
        self._closed = False
        self.handled = 0
        """What was handled since the start."""

    @property
    def conflated(self) -> int:
        """Updates that were replaced by a newer one of the same channel."""
        return self._queue.conflated

    @property
    def depth(self) -> int:
        """How much waits to be handled."""
        return self._queue.depth

    def count(self, updates: int) -> None:
        """Count updates that were handled without it."""
        self.handled += updates

    def open(self) -> None:
        """Watch for the intake's events; to be called after a fork, before the first event."""
        if self.intake is not None and self._descriptor is None:
            self._descriptor = _WakeDescriptor(self.intake, self._drain)
            self._reactor.addReader(self._descriptor)

    def close(self) -> None:
        """Work no more, whatever still comes."""
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
        sending = clock() - worked
        # A burst tells what sending costs, not an update that comes alone.
        if not finished or handled >= SAMPLE_EVENTS:
            self._adjust(handled, worked - started + sending)
        self._slice = min(max(SLICE_PER_SEND * sending, SHORTEST_SLICE), self._limits.slice)
        if self._closed:
            return
        rest = min(sending, self._limits.slice) if finished else 0.0
        if finished and rest <= SHORT_REST and self._queue.sleep():
            return
        self._resting = self._reactor.callLater(rest if rest > SHORT_REST else 0, self._drain)

    def _adjust(self, handled: int, seconds: float) -> None:
        """Limit what may wait to what can be handled in time, at the recent pace."""
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
    """Whether a reactor can wait for an intake's file descriptor."""
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
        """Return what log lines of it begin with."""
        return "inbox"

    def doRead(self) -> None:
        """Handle that something waits."""
        self._intake.acknowledge()
        self._drain()

    def connectionLost(self, reason: Failure) -> None:
        """Handle the end of the reactor."""
