"""The queued messages of a connection."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from twisted.internet.interfaces import IDelayedCall

from pycawamp.pv.delay import SLICE
from pycawamp.pv.pva.interfaces import IMonitor, IOperation, Update
from pycawamp.pv.pva.messages import Command, Message

MESSAGES_PER_CHECK = 16
"""Number of messages between two checks of the time."""
LARGE = 4096
"""Bytes of a message after which the time is checked immediately."""
BEHIND = 0.25
"""Seconds of continuous backlog after which updates are replaced by newer ones."""
SHORTEST_UPDATE = 7
"""Bytes of an update without values."""
_MONITOR = int(Command.MONITOR)


class Backlog:
    """Handles messages in slices of a few milliseconds.

    If a backlog lasts, only the newest update of each PV is passed on.

    Args:
        reactor: Twisted's reactor.
        operations: The pending operations of the connection, by their numbers.
        handle: Called with each message that is not an update which `updates` handles.
        worked: Called after each slice.
        conflates: Whether updates are replaced by newer ones.
    """

    def __init__(
        self,
        reactor: Any,
        operations: Mapping[int, IOperation],
        handle: Callable[[Message], None],
        worked: Callable[[], None],
        conflates: bool,
    ) -> None:
        self.updates: dict[int, Update] = {}
        """Handles an update of a monitor quickly; returns False if it cannot."""
        self.behind_at = 0.0
        """The last time at which there was more than could be handled in a slice."""
        self.conflated = 0
        """Number of updates that were replaced by newer ones."""
        self._reactor = reactor
        self._operations = operations
        self._handle = handle
        self._worked = worked
        self._conflates = conflates
        self._waiting: deque[Message] = deque()
        self._busy_since: float | None = None
        """The time since which there has been a backlog."""
        self._late: dict[int, IMonitor] = {}
        """Monitors with a stored update that was not passed on."""
        self._working: IDelayedCall | None = None
        self._closed = False

    @property
    def is_busy(self) -> bool:
        """Whether messages are queued."""
        return self._working is not None

    def add(self, received: Iterable[Message]) -> None:
        """Handle messages after the queued ones."""
        self._waiting += received
        if self._working is None:
            self._work()

    def forget(self, number: int) -> None:
        """Ignore further updates of an operation."""
        self.updates.pop(number, None)
        self._late.pop(number, None)

    def close(self) -> None:
        """Ignore all further messages."""
        self._closed = True
        self.updates.clear()
        self._waiting.clear()
        self._late.clear()
        if self._working is not None:
            self._working.cancel()
            self._working = None

    def _work(self) -> None:
        """Handle messages for a slice, and go on later while there are more."""
        self._working = None
        clock, waiting = self._reactor.seconds, self._waiting
        now = clock()
        is_behind = self._busy_since is not None and now - self._busy_since > BEHIND
        if is_behind and self._conflates:
            self._catch_up(now)
        else:
            self._handle_each(now + SLICE)
        if self._closed:
            return
        is_busy = bool(waiting or self._late)
        self._busy_since = (self._busy_since or now) if is_busy else None
        if is_busy:
            self.behind_at = now
            self._working = self._reactor.callLater(0, self._work)
        self._worked()

    def _handle_each(self, deadline: float) -> None:
        clock, waiting = self._reactor.seconds, self._waiting
        since = 0
        take, updates = waiting.popleft, self.updates
        while waiting:
            message = take()
            command, order, buffer, start, end = message
            is_done = False
            if command == _MONITOR and end - start > SHORTEST_UPDATE:
                number, subcommand = order.operation.unpack_from(buffer, start)
                update = updates.get(number)
                if update is not None and not subcommand:
                    is_done = update(order, buffer, start + 5, end)
            if not is_done:
                self._handle(message)
            since += 1
            if since >= MESSAGES_PER_CHECK or end - start > LARGE:
                since = 0
                if clock() >= deadline:
                    break

    def _catch_up(self, now: float) -> None:
        """Store pending updates, then pass on the newest of each PV: half a slice each."""
        clock, waiting = self._reactor.seconds, self._waiting
        while waiting and clock() < now + SLICE / 2:
            for _ in range(min(MESSAGES_PER_CHECK, len(waiting))):
                message = waiting.popleft()
                if not self._absorb(message):
                    # Updates must not be older than a message that was handled before them.
                    self._report_late(math.inf)
                    self._handle(message)
                if not waiting:
                    # All, if the connection was ended.
                    break
        self._report_late(now + SLICE)

    def _absorb(self, message: Message) -> bool:
        command, order, buffer, start, end = message
        if command != _MONITOR or end - start <= SHORTEST_UPDATE:
            return False
        number, subcommand = order.operation.unpack_from(buffer, start)
        if subcommand or number not in self.updates:
            return False
        monitor = cast(IMonitor, self._operations[number])
        if not monitor.absorb(order, buffer, start + 5, end):
            return False
        self.conflated += number in self._late
        self._late[number] = monitor
        return True

    def _report_late(self, deadline: float) -> None:
        clock, late = self._reactor.seconds, self._late
        reported = 0
        while late:
            late.pop(next(iter(late))).report_newest()
            reported += 1
            if not reported % MESSAGES_PER_CHECK and clock() >= deadline:
                break
