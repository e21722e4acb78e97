"""The stream of bursts from an ingest to one edge, and the acknowledgements of the edge."""

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
"""Seconds after which an edge that has not acknowledged a burst gets no more."""
MAX_UNHANDLED = 2**24
"""Maximum bytes of bursts that are not acknowledged, besides a single larger one."""
MARGIN = 200
"""Bytes of a message besides its body."""


class EdgeStream:
    """Bursts for one run of an edge, numbered from 1.

    For an edge that falls behind, the newest record of each PV is held until it has caught up.
    """

    def __init__(self, clock: IReactorTime, client: NATSClient, run: int, subject: str) -> None:
        self._clock = clock
        self._client = client
        self._run = run
        self._subject = subject
        self._version = VERSION
        self.epoch = 0
        self.number = 0
        """The number of the last burst."""
        self._held: dict[object, Record] = {}
        self._unhandled: deque[tuple[int, float, int]] = deque()
        self._unhandled_bytes = 0
        self.conflated = 0
        """Updates that were replaced by newer ones."""

    def start(self, epoch: int, version: int = VERSION) -> None:
        """Start a new stream, in a version of the format: all previous bursts are void."""
        self.epoch = epoch
        self._version = version
        self.number = 0
        self._held.clear()
        self._unhandled.clear()
        self._unhandled_bytes = 0

    def send(self, pieces: Sequence[Piece], body: bytes) -> None:
        """Send a burst, or hold its records."""
        if self._held or not self._may_send:
            self._hold(pieces)
        elif len(body) + MARGIN > self._client.max_payload:
            self._send_refusals(pieces)
        else:
            self._publish(body)

    def handled(self, number: int) -> None:
        """Handle the acknowledgement of all bursts up to one: send held records."""
        while self._unhandled and self._unhandled[0][0] <= number:
            self._unhandled_bytes -= self._unhandled.popleft()[2]
        self.send_held()

    def send_held(self) -> None:
        """Send held records, as far as possible."""
        if not self._held or not self._may_send:
            return
        held, self._held = list(self._held.values()), {}
        for pieces, body in bodies(held):
            self.send(pieces, body)

    @property
    def _may_send(self) -> bool:
        if self._client.is_congested or self._unhandled_bytes > MAX_UNHANDLED:
            return False
        return not self._unhandled or self._clock.seconds() - self._unhandled[0][1] < BEHIND

    def _publish(self, body: bytes) -> None:
        self.number += 1
        header = HEADER.pack(self._version, self._run, self.epoch, self.number)
        self._client.publish(self._subject, header, body)
        self._unhandled.append((self.number, self._clock.seconds(), len(body)))
        self._unhandled_bytes += len(body)

    def _hold(self, pieces: Sequence[Piece]) -> None:
        for record in each_record(pieces):
            replaced = self._held.pop(key(record), None)
            self.conflated += replaced is not None
            self._held[key(record)] = record

    def _send_refusals(self, pieces: Sequence[Piece]) -> None:
        """Report which values are too large for the bus: bodies with several records never are."""
        for record in pieces:
            if not isinstance(record, bytes):
                text = (
                    f"the value takes {len(record.payload)} bytes, more than the bus lets through "
                    f"(max_payload, {self._client.max_payload})"
                )
                refusal = [other(record.pid, RecordKind.REFUSED, text)]
                for refusals, body in bodies(refusal):
                    self.send(refusals, body)
