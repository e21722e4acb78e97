"""What many clients send, taken in slices: a page that opens stalls nobody else."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

SMALL = 512
"""Bytes that are handled at once: a few requests, a pong, what a person does."""
PIECE = 4096
"""Bytes between two looks at the clock: some sixty requests of one PV each."""
SLICE = 0.010
"""Seconds of work between two rounds of the event loop, where these have little else to do."""
LONGEST_SLICE = 0.200
"""Seconds; a slice may take as long as the rest of the round, so that pages open under load."""


class Reader(Protocol):
    """A connection, as far as the intake needs it."""

    transport: Any

    @property
    def is_busy(self) -> bool:
        """Whether there is more to do about what it took."""

    def handle(self, data: bytes) -> None:
        """Go on with what it is busy with, and take more bytes from the socket, if any.

        It looks at `is_over` after each message: a message may take long.
        """


class ReadScheduler:
    """Hands what sockets bring to their connections, so that none of them keeps the reactor.

    A little is handled at once. More than that, a page that opens, is handled a piece at a
    time, the connections in turn; its socket is not read meanwhile, so the client is slowed
    down, and what waits is bounded.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: dict[Reader, deque[bytes]] = {}
        """What is still to be handled, the connection whose turn it is first."""
        self._rested = 0.0
        """When the last slice ended."""
        self._deadline = 0.0
        """When the present slice ends."""

    @property
    def is_over(self) -> bool:
        """Whether the time is over for what is being handled."""
        return self._clock.seconds() >= self._deadline

    def take(self, reader: Reader, data: bytes) -> None:
        """Have data handled: now, or after what waits already."""
        pieces = self._waiting.get(reader)
        if pieces is None and len(data) <= SMALL:
            self._deadline = self._clock.seconds() + SLICE
            reader.handle(data)
            if reader.is_busy:
                self._wait(reader)
            return
        if pieces is None:
            pieces = self._wait(reader)
        pieces.extend(data[at : at + PIECE] for at in range(0, len(data), PIECE))

    def drop(self, reader: Reader) -> None:
        """Forget what a connection sent: it is gone."""
        self._waiting.pop(reader, None)

    def _wait(self, reader: Reader) -> deque[bytes]:
        reader.transport.pauseProducing()
        if not self._waiting:
            self._rested = self._clock.seconds()
            self._clock.callLater(0, self._work)
        pieces = self._waiting[reader] = deque()
        return pieces

    def _work(self) -> None:
        now = self._clock.seconds
        begun = now()
        self._deadline = begun + min(max(begun - self._rested, SLICE), LONGEST_SLICE)
        while self._waiting and not self.is_over:
            self._handle_piece(next(iter(self._waiting)))
        self._rested = now()
        if self._waiting:
            self._clock.callLater(0, self._work)

    def _handle_piece(self, reader: Reader) -> None:
        pieces = self._waiting.pop(reader)
        # Among those that wait while it is handled: what TLS still brings comes after it.
        self._waiting[reader] = pieces
        try:
            reader.handle(pieces.popleft() if pieces and not reader.is_busy else b"")
        except Exception:
            self._log.failure("A connection failed on what its client sent")
            reader.transport.abortConnection()
            self.drop(reader)
        if not pieces and not reader.is_busy and reader in self._waiting:
            del self._waiting[reader]
            reader.transport.resumeProducing()
