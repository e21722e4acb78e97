"""The order of the writes to one channel, whatever the protocol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Generic, TypeVar

P = TypeVar("P")


class PutQueue(ABC, Generic[P]):
    """Writes with completion: one is under way at a time, the others wait.

    They do not wait behind a write without completion (`write_waiting` is called before it), nor
    behind one that nobody waits for any more, which may never finish: then they are written
    early, and finish together with the one under way.
    """

    def __init__(self) -> None:
        self.under_way: P | None = None
        self._waiting: deque[P] = deque()
        self._is_abandoned = False

    @abstractmethod
    def begin(self, put: P) -> None:
        """Write with completion: it is the one under way."""

    @abstractmethod
    def write_early(self, put: P) -> None:
        """Write while another is under way."""

    def add(self, put: P) -> None:
        """Write when it is its turn."""
        self._waiting.append(put)
        self.go_on()

    def abandon(self, put: P) -> None:
        """Forget a write that nobody waits for, unless it was sent."""
        if put in self._waiting:
            self._waiting.remove(put)
        elif put is self.under_way:
            self._is_abandoned = True
            self.go_on()

    def go_on(self) -> None:
        """Write what need not wait, or wait any longer."""
        if self.under_way is not None and self._is_abandoned:
            self.write_waiting()
        elif self.under_way is None and self._waiting:
            self._is_abandoned = False
            self.under_way = self._waiting.popleft()
            self.begin(self.under_way)

    def write_waiting(self) -> None:
        """Write all that wait."""
        while self._waiting:
            self.write_early(self._waiting.popleft())

    def take_all(self) -> tuple[P | None, deque[P]]:
        """Remove and return the write under way, and those that wait."""
        under_way, self.under_way = self.under_way, None
        waiting, self._waiting = self._waiting, deque()
        return under_way, waiting
