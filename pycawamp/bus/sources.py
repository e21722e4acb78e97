"""The PVs of an ingest: each is packed once, for all edges that want it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import TypeAlias
from weakref import WeakValueDictionary

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pycawamp.bus.messages import Kind, Record, bodies, metadata_record, other, reading_record
from pycawamp.bus.stream import EdgeStream
from pycawamp.pv.delay import DelayLine
from pycawamp.pv.hub import PVHub, Subscription
from pycawamp.pv.interfaces import IHandle, ISubscriber, PVState
from pycawamp.pv.values import Metadata, Reading

LOWEST_RATE, HIGHEST_RATE = 0.1, 1000.0
"""Updates per second between which rates are kept: edges leave out more if they want fewer."""

Wanted: TypeAlias = Mapping[EdgeStream, "float | None"]
"""The edges that want a PV, and how many updates per second each wants at most; None: all."""


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


class Limited:
    """The edges that want a PV at most at a rate.

    The first update is sent at once, then the newest of each pause.
    """

    __slots__ = ("_newest", "_pause", "_pauses", "group")

    def __init__(self, group: Group, pauses: Pauses) -> None:
        self.group = group
        self._pauses = pauses
        self._newest: Record | None = None
        # The one that is not over.
        self._pause: object | None = None

    @property
    def rate(self) -> float:
        """Updates per second."""
        return self._pauses.rate

    def update(self, record: Record) -> None:
        """Pass on an update now, or keep it until the pause is over."""
        if self._pause is not None:
            self._newest = record
            return
        self.group.add(record)
        self._pause = object()
        self._pauses.put((self, self._pause))

    def state(self, record: Record) -> None:
        """Pass on what is no update, and before it what was kept."""
        self.release()
        self.group.add(record)

    def release(self) -> None:
        """Pass on what was kept, and end the pause."""
        newest, self._newest, self._pause = self._newest, None, None
        if newest is not None:
            self.group.add(newest)

    def pause_over(self, pause: object) -> None:
        """Pass on what was kept and pause again, or wait for the next update."""
        if pause is not self._pause:
            return
        newest, self._newest, self._pause = self._newest, None, None
        if newest is not None:
            self.update(newest)


class Pauses(DelayLine[tuple[Limited, object]]):
    """The pauses of one rate (updates per second)."""

    def __init__(self, clock: IReactorTime, rate: float) -> None:
        super().__init__(clock, 1 / rate, lambda each: each[0].pause_over(each[1]))
        self.rate = rate


@implementer(ISubscriber)
class Source:
    """One PV, for the edges that want it."""

    __slots__ = ("group", "limited", "name", "pid", "subscription")

    def __init__(self, pid: int, name: str) -> None:
        self.pid = pid
        """Its number on the bus, as long as this ingest runs."""
        self.name = name
        self.group: Group | None = None
        """The edges that want all updates."""
        self.limited: tuple[Limited, ...] = ()
        """The others, by rate."""
        self.subscription: Subscription | None = None

    @property
    def wanted(self) -> Wanted:
        """The edges that want it."""
        found: dict[EdgeStream, float | None] = {}
        if self.group is not None:
            found |= dict.fromkeys(self.group.edges)
        for each in self.limited:
            found |= dict.fromkeys(each.group.edges, each.rate)
        return found

    @property
    def groups(self) -> list[Group]:
        """All groups of edges."""
        alone = [self.group] if self.group is not None else []
        return [*alone, *(each.group for each in self.limited)]

    def metadata(self, pv: PVState, metadata: Metadata) -> None:
        """Pass on metadata."""
        self._tell(metadata_record(self.pid, metadata))
        if pv.is_overloaded:
            self._tell(other(self.pid, Kind.OVERLOADED, None))

    def connection(self, pv: PVState, connected: bool) -> None:
        """Pass on that the PV has connected or disconnected."""
        self._tell(self._state(pv, connected))

    def reading(self, _pv: PVState, reading: Reading) -> None:
        """Pass on an update."""
        record = reading_record(self.pid, reading)
        if self.group is not None:
            self.group.add(record)
        for each in self.limited:
            each.update(record)

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

    def _tell(self, record: Record) -> None:
        if self.group is not None:
            self.group.add(record)
        for each in self.limited:
            each.state(record)

    def _state(self, pv: PVState, connected: bool) -> Record:
        if pv.refusal is not None:
            return other(self.pid, Kind.REFUSED, pv.refusal)
        return other(self.pid, Kind.CONNECTION, connected)


class Sources:
    """The PVs that edges want: each has one subscription to the hub.

    `soon` is called with a function that is to be called soon, once.
    """

    def __init__(
        self, clock: IReactorTime, hub: PVHub, soon: Callable[[Callable[[], None]], object]
    ) -> None:
        self._clock = clock
        self._hub = hub
        self._soon = soon
        self._sources: dict[str, Source] = {}
        self._groups: dict[frozenset[EdgeStream], Group] = {}
        self._touched: list[Group] = []
        self._pids = count(1)
        self._pauses: WeakValueDictionary[float, Pauses] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._sources)

    def __contains__(self, name: str) -> bool:
        return name in self._sources

    def handle(self, name: str) -> IHandle | None:
        """Return the backend's handle of a PV that an edge has open; else None."""
        return self._hub.handle(name) if name in self._sources else None

    def open(self, name: str, edge: EdgeStream, number: int, rate: float | None = None) -> None:
        """Send a PV to an edge: its state, then all updates, or so many per second."""
        source = self._sources.get(name)
        if source is None:
            source = self._sources[name] = Source(next(self._pids), name)
            source.subscription = self._hub.subscribe(name, source)
        self._regroup(source, {**source.wanted, edge: _kept(rate)})
        alone = self._group(frozenset((edge,)))
        for record in source.snapshot(number):
            alone.add(record)

    def limit(self, name: str, edge: EdgeStream, rate: float | None) -> None:
        """Send so many updates of a PV per second to an edge that has it open."""
        source = self._sources.get(name)
        if source is not None and edge in source.wanted:
            self._regroup(source, {**source.wanted, edge: _kept(rate)})

    def refuse(self, edge: EdgeStream, number: int, reason: str) -> None:
        """Tell an edge why it does not get a PV."""
        alone = self._group(frozenset((edge,)))
        pid = next(self._pids)
        alone.add(other(pid, Kind.OPENED, number))
        alone.add(other(pid, Kind.REFUSED, reason))

    def close(self, name: str, edge: EdgeStream) -> None:
        """Send a PV to an edge no more."""
        source = self._sources.get(name)
        if source is not None:
            wanted = {each: rate for each, rate in source.wanted.items() if each is not edge}
            self._regroup(source, wanted)

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

    def _regroup(self, source: Source, wanted: Wanted) -> None:
        for each in source.limited:
            each.release()
        before = source.groups
        for group in before:
            # What was collected is for those who wanted it then, and before any snapshot.
            group.flush()
        by_rate: dict[float | None, set[EdgeStream]] = {}
        for edge, rate in wanted.items():
            by_rate.setdefault(rate, set()).add(edge)
        everything = by_rate.pop(None, None)
        source.group = self._group(frozenset(everything)) if everything else None
        source.limited = tuple(
            Limited(self._group(frozenset(edges)), self._pauses_of(rate))
            for rate, edges in by_rate.items()
            if rate is not None
        )
        for group in source.groups:
            group.sources += 1
        for group in before:
            group.sources -= 1
            self._drop_unused(group)
        if not wanted:
            del self._sources[source.name]
            if source.subscription is not None:
                source.subscription.close()

    def _pauses_of(self, rate: float) -> Pauses:
        pauses = self._pauses.get(rate)
        if pauses is None:
            pauses = self._pauses[rate] = Pauses(self._clock, rate)
        return pauses

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


def _kept(rate: float | None) -> float | None:
    return None if rate is None else min(max(rate, LOWEST_RATE), HIGHEST_RATE)
