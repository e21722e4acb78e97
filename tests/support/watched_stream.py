"""A stream whose output tests can wait for."""

from __future__ import annotations

import io

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from tests.support.timing import TIMEOUT


class Watched(io.StringIO):
    """A stream that reports writes."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[tuple[str, Deferred[None]]] = []

    def until(self, text: str) -> Deferred[None]:
        """Fires when this text has been written."""
        found: Deferred[None] = Deferred()
        self._waiting.append((text, found))
        self.flush()
        return found.addTimeout(TIMEOUT, reactor)

    def flush(self) -> None:
        """Check the written text."""
        for waiting in list(self._waiting):
            if waiting[0] in self.getvalue():
                self._waiting.remove(waiting)
                waiting[1].callback(None)
