"""Streams of connected PVs that clients may join without an access decision for each."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple, TypeAlias

from pycawamp.fanout.stream import EncodedStream

MAX_TABLES = 64


class Named(NamedTuple):
    """A stream, and its name, which all clients share."""

    name: str
    stream: EncodedStream


Table: TypeAlias = dict[str, Named]
"""The streams by the names that clients use."""


class LiveStreams:
    """A table of streams for each kind of clients, which get the same stream for a name.

    If there are too many tables, the oldest is dropped: its clients need decisions again.
    """

    def __init__(self) -> None:
        self._tables: dict[Hashable, Table] = {}

    def __len__(self) -> int:
        """The number of names, in all tables."""
        return sum(map(len, self._tables.values()))

    def table(self, kind: Hashable) -> Table:
        """Return the table of a kind of clients."""
        table = self._tables.get(kind)
        if table is None:
            if len(self._tables) >= MAX_TABLES:
                del self._tables[next(iter(self._tables))]
            table = self._tables[kind] = {}
        return table

    def forget(self, stream: EncodedStream) -> None:
        """Remove a closed stream."""
        name = stream.name
        for table in self._tables.values():
            named = table.get(name)
            if named is not None and named.stream is stream:
                del table[name]

    def clear(self) -> None:
        """Remove all streams: decisions may have changed."""
        self._tables.clear()
