"""The PVs of an ingest: each update is packed once, for all edges that subscribe to the PV."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import TypeAlias
from weakref import WeakValueDictionary

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from pycawamp.bus.edge_group import EdgeGroup, RecordBuffer
from pycawamp.bus.limited_edges import LimitedEdges, Pauses
from pycawamp.bus.messages import Record, RecordKind, metadata_record, other, reading_record
from pycawamp.bus.stream import EdgeStream
from pycawamp.pv.hub import PVHub, Subscription
from pycawamp.pv.interfaces import IHandle, IStreaming, PVState
from pycawamp.pv.routes import Buffer, DirectStream
from pycawamp.pv.values import Metadata, Reading

GATHER = 0.003
"""Seconds between two bursts, at least: each has a cost for the ingest, the bus and the edges.

A single update is sent immediately.
"""
LOWEST_RATE, HIGHEST_RATE = 0.1, 1000.0
"""Limits of rates, in updates per second: edges leave out more updates themselves."""

Subscribers: TypeAlias = Mapping[EdgeStream, "float | None"]
"""The edges that subscribe to a PV, and the maximum updates per second for each; None: all."""


@implementer(IStreaming)
class PublishedPV:
    """One PV, for the edges that subscribe to it."""

    __slots__ = ("group", "limited", "name", "pid", "subscription")

    def __init__(self, pid: int, name: str) -> None:
        self.pid = pid
        """Its number on the bus, as long as this ingest runs."""
        self.name = name
        self.group: EdgeGroup | None = None
        """The edges that get all updates."""
        self.limited: tuple[LimitedEdges, ...] = ()
        """The others, by rate."""
        self.subscription: Subscription | None = None

    @property
    def pv(self) -> PVState:
        """The PV in the hub."""
        assert self.subscription is not None
        return self.subscription.pv

    @property
    def subscribers(self) -> Subscribers:
        """The edges that subscribe to it."""
        found: dict[EdgeStream, float | None] = {}
        if self.group is not None:
            found |= dict.fromkeys(self.group.edges)
        for each in self.limited:
            found |= dict.fromkeys(each.group.edges, each.rate)
        return found

    @property
    def groups(self) -> list[EdgeGroup]:
        """All groups of edges."""
        alone = [self.group] if self.group is not None else []
        return [*alone, *(each.group for each in self.limited)]

    def metadata(self, pv: PVState, metadata: Metadata) -> None:
        """Pass on metadata."""
        self._add(metadata_record(self.pid, metadata))
        if pv.is_overloaded:
            self._add(other(self.pid, RecordKind.OVERLOADED, None))

    def connection(self, pv: PVState, connected: bool) -> None:
        """Pass on that the PV has connected or disconnected."""
        self._add(self._state(pv, connected))

    def reading(self, _pv: PVState, reading: Reading) -> None:
        """Pass on an update."""
        if self.group is not None:
            self.group.add(reading_record(self.pid, reading))
        for each in self.limited:
            if not each.is_paused:
                each.send(reading)

    def direct_streams(self) -> list[DirectStream] | None:
        """Return how to write its updates; None if the next one must be passed to `reading`."""
        if not all(each.is_paused for each in self.limited):
            return None
        return [self.group.direct_stream(self.pid)] if self.group is not None else []

    def highest_rate(self) -> float | None:
        """Return how many updates per second the edges need; None: all."""
        rates = (each.rate for each in self.limited)
        return None if self.group is not None else max(rates, default=None)

    def snapshot(self, number: int) -> Iterator[Record]:
        """Return the records of its current state, for an edge with its own number for the PV."""
        yield other(self.pid, RecordKind.OPENED, number)
        pv = self.pv
        if pv.described is not None:
            yield metadata_record(self.pid, pv.described)
        if pv.is_overloaded:
            yield other(self.pid, RecordKind.OVERLOADED, None)
        if pv.connected is not None:
            yield self._state(pv, pv.connected)
        latest = pv.latest
        if latest is not None:
            yield reading_record(self.pid, latest)

    def _add(self, record: Record) -> None:
        if self.group is not None:
            self.group.add(record)
        for each in self.limited:
            each.release()
            each.group.add(record)
        if self.limited:
            self.pv.reroute()

    def _state(self, pv: PVState, connected: bool) -> Record:
        if pv.refusal is not None:
            return other(self.pid, RecordKind.REFUSED, pv.refusal)
        return other(self.pid, RecordKind.CONNECTION, connected)


class PublishedPVs:
    """The PVs that edges subscribe to: each has one subscription to the hub.

    Args:
        clock: The reactor.
        hub: Where the PVs are.
        make_buffer: Creates compiled buffers; None: updates are packed in Python.
    """

    def __init__(
        self,
        clock: IReactorTime,
        hub: PVHub,
        make_buffer: Callable[[bytes], Buffer] | None = None,
    ) -> None:
        self._clock = clock
        self._hub = hub
        self._make_buffer = make_buffer
        self._flushed = -math.inf
        self._next_flush: IDelayedCall | None = None
        self._published: dict[str, PublishedPV] = {}
        self._groups: dict[frozenset[EdgeStream], EdgeGroup] = {}
        self._touched: list[EdgeGroup] = []
        self._pids = count(1)
        self._pauses: WeakValueDictionary[float, Pauses] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._published)

    def __contains__(self, name: str) -> bool:
        return name in self._published

    def handle(self, name: str) -> IHandle | None:
        """Return the backend's handle of a PV that an edge has open; otherwise None."""
        return self._hub.handle(name) if name in self._published else None

    def open(self, name: str, edge: EdgeStream, number: int, rate: float | None = None) -> None:
        """Send a PV to an edge: its state, then all updates, or at most `rate` per second."""
        published = self._published.get(name)
        if published is None:
            published = self._published[name] = PublishedPV(next(self._pids), name)
            published.subscription = self._hub.subscribe(name, published)
        self._regroup(published, {**published.subscribers, edge: _kept(rate)})
        alone = self._group(frozenset((edge,)))
        for record in published.snapshot(number):
            alone.add(record)

    def limit(self, name: str, edge: EdgeStream, rate: float | None) -> None:
        """Change the rate of a PV for an edge that has it open."""
        published = self._published.get(name)
        if published is not None and edge in published.subscribers:
            self._regroup(published, {**published.subscribers, edge: _kept(rate)})

    def refuse(self, edge: EdgeStream, number: int, reason: str) -> None:
        """Report to an edge why it does not get a PV."""
        alone = self._group(frozenset((edge,)))
        pid = next(self._pids)
        alone.add(other(pid, RecordKind.OPENED, number))
        alone.add(other(pid, RecordKind.REFUSED, reason))

    def close(self, name: str, edge: EdgeStream) -> None:
        """Stop sending a PV to an edge."""
        published = self._published.get(name)
        if published is not None:
            subscribers = {
                each: rate for each, rate in published.subscribers.items() if each is not edge
            }
            self._regroup(published, subscribers)

    def stop(self) -> None:
        """Cancel the next flush."""
        if self._next_flush is not None:
            self._next_flush.cancel()
            self._next_flush = None

    def flush(self) -> None:
        """Send collected records: first to single edges, whose snapshots precede updates."""
        self._flushed = self._clock.seconds()
        touched, self._touched = self._touched, []
        for group in sorted(touched, key=lambda group: len(group.edges)):
            group.flush()
            self._drop_unused(group)

    def _regroup(self, published: PublishedPV, subscribers: Subscribers) -> None:
        for each in published.limited:
            each.release()
        before = published.groups
        for group in before:
            # Collected records are for the previous subscribers, and precede any new snapshot.
            self._flush_early(group)
        by_rate: dict[float | None, set[EdgeStream]] = {}
        for edge, rate in subscribers.items():
            by_rate.setdefault(rate, set()).add(edge)
        everything = by_rate.pop(None, None)
        published.group = self._group(frozenset(everything)) if everything else None
        published.limited = tuple(
            LimitedEdges(published, self._group(frozenset(edges)), self._pauses_of(rate))
            for rate, edges in by_rate.items()
            if rate is not None
        )
        for group in published.groups:
            group.pvs += 1
        for group in before:
            group.pvs -= 1
            self._drop_unused(group)
        if not subscribers:
            del self._published[published.name]
            if published.subscription is not None:
                published.subscription.close()
        else:
            published.pv.reroute()

    def _flush_early(self, group: EdgeGroup) -> None:
        """Send the records of a group, after the snapshots for its edges."""
        if group.is_empty:
            return
        for edge in group.edges:
            alone = self._groups.get(frozenset((edge,)))
            if alone is not None:
                alone.flush()
        group.flush()

    def _pauses_of(self, rate: float) -> Pauses:
        pauses = self._pauses.get(rate)
        if pauses is None:
            pauses = self._pauses[rate] = Pauses(self._clock, rate)
        return pauses

    def _group(self, edges: frozenset[EdgeStream]) -> EdgeGroup:
        group = self._groups.get(edges)
        if group is None:
            make = self._make_buffer
            buffer = make(b"") if make is not None else RecordBuffer()
            group = self._groups[edges] = EdgeGroup(edges, buffer, self._touch)
        return group

    def _drop_unused(self, group: EdgeGroup) -> None:
        if not group.pvs and group.is_empty and self._groups.get(group.edges) is group:
            del self._groups[group.edges]

    def _touch(self, group: EdgeGroup) -> None:
        self._touched.append(group)
        if self._next_flush is None:
            left = self._flushed + GATHER - self._clock.seconds()
            self._next_flush = self._clock.callLater(max(left, 0), self._flush_now)

    def _flush_now(self) -> None:
        self._next_flush = None
        self.flush()


def _kept(rate: float | None) -> float | None:
    return None if rate is None else min(max(rate, LOWEST_RATE), HIGHEST_RATE)
