"""One edge, as an ingest sees it: the stream of bursts for it, and how much it has handled."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from twisted.internet.interfaces import IReactorTime

from pycawamp.bus.client import NATSClient
from pycawamp.bus.messages import (
    HEADER,
    VERSION,
    Piece,
    Record,
    RecordKind,
    bodies,
    each_record,
    key,
    other,
)

BEHIND = 0.6
"""Seconds after which an edge that has not told that it has handled a burst gets no more."""
MOST_UNHANDLED = 2**24
"""Bytes of bursts that it may not have handled, besides a single larger one."""
MARGIN = 200
"""Bytes of a message besides its body."""


class EdgeStream:
    """Bursts for one run of an edge, numbered from 1.

    An edge that falls behind is owed the newest of each PV, and gets that once it has caught up.
    """

    def __init__(self, clock: IReactorTime, client: NATSClient, run: int, subject: str) -> None:
        self._clock = clock
        self._client = client
        self._run = run
        self._subject = subject
        self._version = VERSION
        self.epoch = 0
        self.number = 0
        """Of the last burst."""
        self._owed: dict[object, Record] = {}
        self._unhandled: deque[tuple[int, float, int]] = deque()
        self._unhandled_bytes = 0
        self.conflated = 0
        """Updates that were replaced by newer ones."""

    def start(self, epoch: int, version: int = VERSION) -> None:
        """Begin anew, in a version of the format: nothing of what was sent before counts."""
        self.epoch = epoch
        self._version = version
        self.number = 0
        self._owed.clear()
        self._unhandled.clear()
        self._unhandled_bytes = 0

    def send(self, pieces: Sequence[Piece], body: bytes) -> None:
        """Send a burst, or keep the records in it for later."""
        if self._owed or not self._may_send:
            self._owe(pieces)
        elif len(body) + MARGIN > self._client.max_payload:
            self._send_refusals(pieces)
        else:
            self._publish(body)

    def handled(self, number: int) -> None:
        """Handle that the edge has handled all bursts up to one: send what it is owed."""
        while self._unhandled and self._unhandled[0][0] <= number:
            self._unhandled_bytes -= self._unhandled.popleft()[2]
        self.send_owed()

    def send_owed(self) -> None:
        """Send what was kept, as far as may be."""
        if not self._owed or not self._may_send:
            return
        owed, self._owed = list(self._owed.values()), {}
        for pieces, body in bodies(owed):
            self.send(pieces, body)

    @property
    def _may_send(self) -> bool:
        if self._client.is_congested or self._unhandled_bytes > MOST_UNHANDLED:
            return False
        return not self._unhandled or self._clock.seconds() - self._unhandled[0][1] < BEHIND

    def _publish(self, body: bytes) -> None:
        self.number += 1
        header = HEADER.pack(self._version, self._run, self.epoch, self.number)
        self._client.publish(self._subject, header, body)
        self._unhandled.append((self.number, self._clock.seconds(), len(body)))
        self._unhandled_bytes += len(body)

    def _owe(self, pieces: Sequence[Piece]) -> None:
        for record in each_record(pieces):
            replaced = self._owed.pop(key(record), None)
            self.conflated += replaced is not None
            self._owed[key(record)] = record

    def _send_refusals(self, pieces: Sequence[Piece]) -> None:
        """Tell which values are too large for the bus: bodies with several records never are."""
        for record in pieces:
            if not isinstance(record, bytes):
                text = (
                    f"the value takes {len(record.payload)} bytes, more than the bus lets through "
                    f"(max_payload, {self._client.max_payload})"
                )
                refusal = [other(record.pid, RecordKind.REFUSED, text)]
                for told, body in bodies(refusal):
                    self.send(told, body)
