"""Edges that subscribe to the same PVs: records for them are packed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pycawamp.bus.messages import SCALAR_HEAD, Piece, Record, bodies
from pycawamp.bus.stream import EdgeStream
from pycawamp.pv.routes import Buffer, DirectStream, Field


class RecordBuffer:
    """Collects scalar readings where there is no compiled buffer."""

    joint = b""

    def __init__(self) -> None:
        self._records: list[bytes] = []

    def append(self, _stream: Any, record: bytes, /) -> bool:
        """Add a record, and return whether it is the first one."""
        self._records.append(record)
        return len(self._records) == 1

    def take(self) -> tuple[bytes, list[Any]]:
        """Remove all records; return them joined."""
        records, self._records = self._records, []
        return b"".join(records), []

    def __len__(self) -> int:
        return len(self._records)


class EdgeGroup:
    """The edges that subscribe to the same PVs, and the records for them until the next flush.

    Scalar readings are collected in the buffer, where C code can add some too.
    """

    __slots__ = ("_pieces", "_touch", "buffer", "edges", "pvs")

    def __init__(
        self, edges: frozenset[EdgeStream], buffer: Buffer, touch: Callable[[EdgeGroup], None]
    ) -> None:
        self.edges = edges
        self.buffer = buffer
        self.pvs = 0
        """The number of PVs to which exactly these edges subscribe."""
        self._pieces: list[Piece] = []
        self._touch = touch

    @property
    def is_empty(self) -> bool:
        """Whether there are no records."""
        return not self._pieces and not self.buffer

    def add(self, record: Record) -> None:
        """Add a record."""
        if isinstance(record, bytes):
            if self.buffer.append(self, record):
                self._touch(self)
            return
        self._settle()
        self._pieces.append(record)
        self._touch(self)

    def flush(self) -> None:
        """Send the records to all edges of the group."""
        self._settle()
        pieces, self._pieces = self._pieces, []
        for part, body in bodies(pieces):
            for edge in self.edges:
                edge.send(part, body)

    def direct_stream(self, pid: int) -> DirectStream:
        """Return how to write the updates of a PV, given its number on the bus."""
        parts = SCALAR_HEAD.pack(pid), Field.SCALAR
        return DirectStream(self, self.buffer, self, self._touch, False, parts, None)

    def _settle(self) -> None:
        if self.buffer:
            self._pieces.append(self.buffer.take()[0])
