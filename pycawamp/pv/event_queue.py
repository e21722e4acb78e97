"""The queue of an inbox, and its limits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sized
from threading import Lock
from typing import Any, Protocol, TypeAlias

import attrs

Handler: TypeAlias = Callable[[Any], None]
Clock: TypeAlias = Callable[[], float]
Item: TypeAlias = tuple[Handler, Any, int]
"""A queued call: the handler, its argument, and the bytes that count for the limit."""

LARGE = 4096
"""Bytes of an event that may take as long as many others, so the time is checked after it."""


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

    def post(self, handler: Handler, event: Any, size: int = 0, /) -> None:
        """Queue a call of handler(event), which takes `size` bytes; it is never dropped."""

    def post_update(self, handler: Handler, raw: Sized, /) -> None:
        """Queue a call of handler(raw); above the limits, only the newest `raw` is kept."""

    def work(self, clock: Clock, deadline: float, /) -> tuple[int, bool]:
        """Handle events until the deadline; return how many, and whether the queue is empty."""

    def sleep(self) -> bool:
        """Wake the reactor on the next event; return False, without effect, unless empty."""

    def close(self) -> None:
        """Drop all events, also future ones."""


class DequeQueue:
    """A queue in Python."""

    def __init__(self, limits: InboxLimits) -> None:
        self.most = limits.events
        self._max_bytes = limits.bytes
        self._queue: deque[Item] = deque()
        self._awake = False
        # Two counters, each written by one side only, so that no lock is needed.
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

    def post(self, handler: Handler, event: Any, size: int = 0, /) -> None:
        """Queue a call of handler(event) in the reactor; it is never dropped."""
        if size:
            self._bytes_in += size
        item = (handler, event, size)
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
        return len(self._queue) >= self.most or self._bytes_in - self._bytes_out > self._max_bytes

    def _post_late(self, key: object, item: Item) -> None:
        with self._lock:
            replaced = self._overflow.pop(key, None)
            if replaced is not None:
                self.conflated += 1
                self._bytes_in -= replaced[2]
            self._overflow[key] = item
            self._overflowing = True

    def _wake(self) -> None:
        # Two threads may both find it asleep; the second drain then finds an empty queue.
        self._awake = True
        self._wake_reactor()

    # The reactor

    def sleep(self) -> bool:
        """Wake the reactor on the next event; return False, without effect, unless empty."""
        # Set before the queue is checked: a thread that posts after the check sees that
        # it is asleep, and wakes it.
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
            for handler, event, size in rest:
                self._bytes_out += size
                try:
                    handler(event)
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
