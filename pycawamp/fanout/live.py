"""Streams of PVs that were found, for clients that may join them without being judged each."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple, TypeAlias

from pycawamp.fanout.stream import EncodedStream

MOST_TABLES = 64


class Named(NamedTuple):
    """A stream, and its name as all clients share it."""

    name: str
    stream: EncodedStream


Table: TypeAlias = dict[str, Named]
"""The streams by the names that clients use."""


class LiveStreams:
    """A table of streams for each kind of client: those who get the same stream for a name.

    The oldest table is dropped if there are too many: its clients are judged one by one again.
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
            if len(self._tables) >= MOST_TABLES:
                del self._tables[next(iter(self._tables))]
            table = self._tables[kind] = {}
        return table

    def forget(self, stream: EncodedStream) -> None:
        """Drop a stream that is closed."""
        name = stream.name
        for table in self._tables.values():
            named = table.get(name)
            if named is not None and named.stream is stream:
                del table[name]

    def clear(self) -> None:
        """Drop all: clients may be judged differently from now on."""
        self._tables.clear()
