"""The order of writes to a channel, for all protocols."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Generic, TypeVar

P = TypeVar("P")


class PutQueue(ABC, Generic[P]):
    """Writes with completion: only one is under way at a time, the others wait.

    They do not wait behind a write without completion (`write_waiting` is called before it), nor
    behind one that nobody waits for any more, which may never finish. In these cases, they are
    written early, and finish together with the one under way.
    """

    def __init__(self) -> None:
        self.under_way: P | None = None
        self._waiting: deque[P] = deque()
        self._is_abandoned = False

    @abstractmethod
    def begin(self, put: P) -> None:
        """Write with completion; called when no other write is under way."""

    @abstractmethod
    def write_early(self, put: P) -> None:
        """Write while another write is under way."""

    def add(self, put: P) -> None:
        """Write in turn."""
        self._waiting.append(put)
        self.send_next()

    def abandon(self, put: P) -> None:
        """Cancel a write, unless it was sent."""
        if put in self._waiting:
            self._waiting.remove(put)
        elif put is self.under_way:
            self._is_abandoned = True
            self.send_next()

    def send_next(self) -> None:
        """Send the next writes, as far as the limit allows."""
        if self.under_way is not None and self._is_abandoned:
            self.write_waiting()
        elif self.under_way is None and self._waiting:
            self._is_abandoned = False
            self.under_way = self._waiting.popleft()
            self.begin(self.under_way)

    def write_waiting(self) -> None:
        """Send all waiting writes."""
        while self._waiting:
            self.write_early(self._waiting.popleft())

    def take_all(self) -> tuple[P | None, deque[P]]:
        """Remove and return the write under way, and the waiting writes."""
        under_way, self.under_way = self.under_way, None
        waiting, self._waiting = self._waiting, deque()
        return under_way, waiting
