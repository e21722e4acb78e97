"""The PVs of an ingest: each is packed once, for all edges that want it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

from twisted.logger import Logger
from zope.interface import implementer

from pycawamp.bus.messages import Kind, Record, bodies, metadata_record, other, reading_record
from pycawamp.bus.stream import EdgeStream
from pycawamp.pv.hub import PVHub, Subscription
from pycawamp.pv.interfaces import IHandle, ISubscriber, PVState
from pycawamp.pv.values import Metadata, Reading


class Group:
    """The edges that want the same PVs, and the records for them until the next flush."""

    __slots__ = ("_touch", "edges", "only_scalars", "records", "sources")

    def __init__(self, edges: frozenset[EdgeStream], touch: Callable[[Group], None]) -> None:
        self.edges = edges
        self.records: list[Record] = []
        self.only_scalars = True
        self.sources = 0
        """The PVs that these edges want, and no other."""
        self._touch = touch

    def add(self, record: Record) -> None:
        """Add a record."""
        if not self.records:
            self._touch(self)
        self.records.append(record)
        if not isinstance(record, bytes):
            self.only_scalars = False

    def flush(self) -> None:
        """Send the records to all edges of the group."""
        records, self.records = self.records, []
        only_scalars, self.only_scalars = self.only_scalars, True
        for part, body in bodies(records, only_scalars):
            for edge in self.edges:
                edge.send(part, body)


@implementer(ISubscriber)
class Source:
    """One PV, for the edges that want it."""

    __slots__ = ("group", "name", "numbers", "pid", "subscription")

    def __init__(self, pid: int, name: str) -> None:
        self.pid = pid
        """Its number on the bus, as long as this ingest runs."""
        self.name = name
        self.group: Group | None = None
        self.subscription: Subscription | None = None

    def metadata(self, pv: PVState, metadata: Metadata) -> None:
        """Pass on metadata."""
        if self.group is not None:
            self.group.add(metadata_record(self.pid, metadata))
            if pv.is_overloaded:
                self.group.add(other(self.pid, Kind.OVERLOADED, None))

    def connection(self, pv: PVState, connected: bool) -> None:
        """Pass on that the PV has connected or disconnected."""
        if self.group is not None:
            self.group.add(self._state(pv, connected))

    def reading(self, _pv: PVState, reading: Reading) -> None:
        """Pass on an update."""
        if self.group is not None:
            self.group.add(reading_record(self.pid, reading))

    def snapshot(self, number: int) -> Iterator[Record]:
        """The records of its present state, for an edge that calls it by a number of its own."""
        yield other(self.pid, Kind.OPENED, number)
        assert self.subscription is not None
        pv = self.subscription.pv
        if pv.described is not None:
            yield metadata_record(self.pid, pv.described)
        if pv.is_overloaded:
            yield other(self.pid, Kind.OVERLOADED, None)
        if pv.connected is not None:
            yield self._state(pv, pv.connected)
        latest = pv.latest
        if latest is not None:
            yield reading_record(self.pid, latest)

    def _state(self, pv: PVState, connected: bool) -> Record:
        if pv.refusal is not None:
            return other(self.pid, Kind.REFUSED, pv.refusal)
        return other(self.pid, Kind.CONNECTION, connected)


class Sources:
    """The PVs that edges want: each has one subscription to the hub.

    `soon` is called with a function that is to be called soon, once.
    """

    _log = Logger()

    def __init__(self, hub: PVHub, soon: Callable[[Callable[[], None]], object]) -> None:
        self._hub = hub
        self._soon = soon
        self._sources: dict[str, Source] = {}
        self._groups: dict[frozenset[EdgeStream], Group] = {}
        self._touched: list[Group] = []
        self._pids = count(1)

    def __len__(self) -> int:
        return len(self._sources)

    def __contains__(self, name: str) -> bool:
        return name in self._sources

    def handle(self, name: str) -> IHandle | None:
        """Return the backend's handle of a PV that an edge has open; else None."""
        return self._hub.handle(name) if name in self._sources else None

    def open(self, name: str, edge: EdgeStream, number: int) -> None:
        """Send a PV to an edge: its state, then all updates."""
        source = self._sources.get(name)
        if source is None:
            source = self._sources[name] = Source(next(self._pids), name)
            source.subscription = self._hub.subscribe(name, source)
        edges = source.group.edges if source.group is not None else frozenset()
        self._regroup(source, edges | {edge})
        alone = self._group(frozenset((edge,)))
        for record in source.snapshot(number):
            alone.add(record)

    def refuse(self, edge: EdgeStream, number: int, reason: str) -> None:
        """Tell an edge why it does not get a PV."""
        alone = self._group(frozenset((edge,)))
        pid = next(self._pids)
        alone.add(other(pid, Kind.OPENED, number))
        alone.add(other(pid, Kind.REFUSED, reason))

    def close(self, name: str, edge: EdgeStream) -> None:
        """Send a PV to an edge no more."""
        source = self._sources.get(name)
        if source is not None and source.group is not None:
            self._regroup(source, source.group.edges - {edge})

    def flush(self) -> None:
        """Send all that was collected: first to single edges, whose snapshots come before updates.

        Called at the end of each slice of updates.
        """
        if not self._touched:
            return
        touched, self._touched = self._touched, []
        for group in sorted(touched, key=lambda group: len(group.edges)):
            group.flush()
            self._drop_unused(group)

    def _regroup(self, source: Source, edges: frozenset[EdgeStream]) -> None:
        before = source.group
        if before is not None:
            # What was collected is for those who wanted it then, and before any snapshot.
            before.flush()
            if before.edges == edges:
                return
            before.sources -= 1
            self._drop_unused(before)
        source.group = None
        if edges:
            source.group = self._group(edges)
            source.group.sources += 1
            return
        del self._sources[source.name]
        if source.subscription is not None:
            source.subscription.close()

    def _group(self, edges: frozenset[EdgeStream]) -> Group:
        group = self._groups.get(edges)
        if group is None:
            group = self._groups[edges] = Group(edges, self._touch)
        return group

    def _drop_unused(self, group: Group) -> None:
        if not group.sources and not group.records and self._groups.get(group.edges) is group:
            del self._groups[group.edges]

    def _touch(self, group: Group) -> None:
        if not self._touched:
            self._soon(self.flush)
        self._touched.append(group)
