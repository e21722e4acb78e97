"""Draining: on SIGTERM, clients are disconnected gradually."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger


class Drainable(Protocol):
    """A service with clients."""

    def drain(self, seconds: float) -> Deferred[None]:
        """Close the connections within a number of seconds; fires when all are closed."""


class Leaver(Protocol):
    """A port whose socket is shared with other processes."""

    def stopService(self) -> Deferred[Any]:
        """Stop listening."""


class DrainingService(MultiService):
    """A service that drains its clients before it stops; with `seconds` 0, it stops immediately.

    `stopping` is called first.
    """

    _log = Logger()

    def __init__(
        self,
        clients: Drainable,
        seconds: float,
        shared_ports: Sequence[Leaver] = (),
        stopping: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._clients = clients
        self._seconds = seconds
        self._shared_ports = shared_ports
        self._stopping = stopping

    def stopService(self) -> Deferred[Any]:
        """Refuse new clients, disconnect the others gradually, then stop."""
        self._stopping()
        if not self._seconds:
            return super().stopService()  # type: ignore[no-any-return,no-untyped-call]
        self._log.info("Draining for {seconds:g} s", seconds=self._seconds)
        for port in self._shared_ports:
            # The other processes accept new clients; this one would disconnect them.
            port.stopService()
        return self._drain_and_stop()

    @inlineCallbacks
    def _drain_and_stop(self) -> Generator[Deferred[Any], None, None]:
        yield self._clients.drain(self._seconds)
        yield super().stopService()  # type: ignore[no-untyped-call]
