"""A backend in memory whose gets finish when a test says so."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from pycawamp.pv.errors import NotConnectedError
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.values import Reading


class Pending(MemoryBackend):
    """PVs with pending gets."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: list[tuple[str, Deferred[Reading]]] = []

    def get(self, name: str) -> Deferred[Reading]:
        """Add a pending get."""
        answer: Deferred[Reading] = Deferred()
        self.pending.append((name, answer))
        return answer

    def answer(self) -> None:
        """Finish the oldest pending get."""
        name, answer = self.pending.pop(0)
        super().get(name).chainDeferred(answer)

    def remove(self, name: str) -> None:
        """Remove a PV: its pending gets fail."""
        super().remove(name)
        pending, self.pending = self.pending, []
        for _, answer in pending:
            answer.errback(NotConnectedError("the IOC was lost"))
