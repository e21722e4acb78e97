"""Reading of requests in slices, so that a page that opens does not delay others."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

SMALL = 512
"""Bytes that are handled immediately: a few requests, a pong."""
PIECE = 4096
"""Bytes that are handled between two checks of the time: about sixty requests."""
SLICE = 0.010
"""Seconds of work in a reactor iteration."""
LONGEST_SLICE = 0.200
"""Seconds; a slice may take as long as the rest of the iteration, so pages open under load too."""


class ScheduledReader(Protocol):
    """The part of a connection that the scheduler uses."""

    transport: Any

    @property
    def is_busy(self) -> bool:
        """Whether it has pending work with data that it has received."""

    def handle(self, data: bytes) -> None:
        """Continue with pending work, then handle more data, if any.

        It checks `is_over` after each message.
        """


class ReadScheduler:
    """Passes received data to connections in pieces, so that none of them blocks the reactor.

    Small amounts are handled immediately. Larger ones are handled one piece at a time, with the
    connections in turn. Meanwhile the socket is not read, so the client is slowed down by TCP, and
    pending data is limited.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self._waiting: dict[ScheduledReader, deque[bytes]] = {}
        """The pending data by connection, in turn."""
        self._rested = 0.0
        """The reactor's time when the last slice ended."""
        self.received = 0
        """Bytes received since the start."""
        self._deadline = 0.0
        """The reactor's time when the current slice ends."""

    @property
    def is_over(self) -> bool:
        """Whether the time of this slice is over."""
        return self.clock.seconds() >= self._deadline

    def take(self, reader: ScheduledReader, data: bytes) -> None:
        """Handle data now, or after pending data."""
        self.received += len(data)
        pieces = self._waiting.get(reader)
        if pieces is None and len(data) <= SMALL:
            self._deadline = self.clock.seconds() + SLICE
            reader.handle(data)
            if reader.is_busy:
                self._wait(reader)
            return
        if pieces is None:
            pieces = self._wait(reader)
        pieces.extend(data[at : at + PIECE] for at in range(0, len(data), PIECE))

    def __contains__(self, reader: ScheduledReader) -> bool:
        """Return whether a connection has pending data; meanwhile its socket is not read."""
        return reader in self._waiting

    def drop(self, reader: ScheduledReader) -> None:
        """Drop the data of a closed connection."""
        self._waiting.pop(reader, None)

    def _wait(self, reader: ScheduledReader) -> deque[bytes]:
        reader.transport.pauseProducing()
        if not self._waiting:
            self._rested = self.clock.seconds()
            self.clock.callLater(0, self._work)
        pieces = self._waiting[reader] = deque()
        return pieces

    def _work(self) -> None:
        now = self.clock.seconds
        begun = now()
        self._deadline = begun + min(max(begun - self._rested, SLICE), LONGEST_SLICE)
        while self._waiting and not self.is_over:
            self._handle_piece(next(iter(self._waiting)))
        self._rested = now()
        if self._waiting:
            self.clock.callLater(0, self._work)

    def _handle_piece(self, reader: ScheduledReader) -> None:
        pieces = self._waiting.pop(reader)
        # It stays in the queue meanwhile, so that further data from TLS is handled after it.
        self._waiting[reader] = pieces
        try:
            reader.handle(pieces.popleft() if pieces and not reader.is_busy else b"")
        except Exception:
            self._log.failure("Handling the data of a client failed")
            reader.transport.abortConnection()
            self.drop(reader)
        if not pieces and not reader.is_busy and reader in self._waiting:
            del self._waiting[reader]
            reader.transport.resumeProducing()
