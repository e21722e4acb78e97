"""Measure a cluster: an ingest, a NATS server and edges, beside one process with the same viewers.

Usage: `python -m bench.cluster [--seconds 10] [--quick]`. It needs nats-server. CPU time is that of
each process during the count; ratios are to the one process of the same row.
"""

from __future__ import annotations

import argparse
import math
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import cast

import attrs
from twisted.internet.task import Clock
from zope.interface import implementer

from bench import loader, machine, processes, records, tools
from bench.loader import Load, Result
from bench.processes import Gateway, Ioc, allow_many_files
from bench.records import Records
from bench.report import Table, exact, number, pair
from bench.settings import IN_PYTHON, OURS, Settings
from harness.cluster import Cluster, Member
from pycawamp.bus.channel import Channel, Waits
from pycawamp.bus.client import NATSClient
from pycawamp.bus.control import Beat
from pycawamp.bus.link import Link, Self
from pycawamp.bus.messages import (
    HEADER,
    VERSION,
    Kind,
    Record,
    bodies,
    burst,
    other,
    reading_record,
)
from pycawamp.bus.requests import Requests
from pycawamp.bus.sources import Sources
from pycawamp.bus.stream import EdgeStream
from pycawamp.pv.hub import PVHub
from pycawamp.pv.interfaces import ISubscriber, PVState
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.values import Metadata, Reading

COLUMNS = (
    "viewers", "build", "what", "delivered/s", "cores", "µs per event", "ratio", "p50 / p99 ms",
)  # fmt: skip


@attrs.frozen
class Measured:
    """What some edges delivered, and what the processes needed for it."""

    results: list[Result]
    ingest: float
    nats: float
    edges: list[float]

    @property
    def per_second(self) -> float:
        """Messages delivered, by all edges together."""
        return sum(result.per_second for result in self.results)


def main(argv: Sequence[str] | None = None) -> int:
    """Print Markdown tables."""
    parser = argparse.ArgumentParser("python -m bench.cluster", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="duration of each count")
    parser.add_argument("--quick", action="store_true", help="small sizes, for a smoke test")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    allow_many_files()
    print("\n".join(f"- {line}" for line in machine.describe()), flush=True)
    print(f"\n{packing().markdown()}", flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        settings = Settings(
            seconds=arguments.seconds,
            quick=arguments.quick,
            builds=(OURS, IN_PYTHON),
            soak_minutes=0,
            profile=False,
            folder=folder,
            tools=tools.build(folder),
        )
        source = records.counters(folder, settings.size(1000, 100), 10)
        with processes.ioc(source.database) as server:
            for table in (viewers(settings, server, source), more_edges(settings, server, source)):
                print(f"\n{table.markdown()}", flush=True)
    return 0


def viewers(settings: Settings, server: Ioc, source: Records) -> Table:
    """One process, and an ingest with two edges, with the same viewers of one page."""
    rows = []
    for clients in (10, 200) if not settings.quick else (2,):
        for build in settings.builds:
            one = _one_process(settings, server, source, build, clients)
            two = _cluster(settings, server, source, build, [clients // 2, clients // 2])
            rows += _rows(clients, build, source, one, two)
            print(*rows[-6:], sep="\n", file=sys.stderr, flush=True)
    title = f"One process, and a cluster: {len(source.names):,} PVs x {source.hertz:g} Hz"
    return Table(title, COLUMNS, rows)


def more_edges(settings: Settings, server: Ioc, source: Records) -> Table:
    """What each further edge costs the ingest: all edges show the same page.

    The least of some counts, in turns: a machine is never quite idle.
    """
    numbers = (1, 2, 4)
    per_event = dict.fromkeys(numbers, math.inf)
    nats = dict.fromkeys(numbers, math.inf)
    for _ in range(settings.size(TURNS, 1)):
        for edges in numbers:
            found = _cluster(settings, server, source, OURS, [1] * edges)
            # Each edge has one viewer, who gets all events.
            ingest = 1e6 * found.ingest / (found.per_second / edges)
            per_event[edges] = min(per_event[edges], ingest)
            nats[edges] = min(nats[edges], found.nats)
    rows = []
    for edges in numbers:
        more = 100 * (per_event[edges] / per_event[1] - 1)
        further = f"{more / (edges - 1):+.1f} %" if edges > 1 else "-"
        rows.append([f"{edges}", exact(per_event[edges]), exact(nats[edges], 3), further])
    columns = ("edges", "ingest, µs per event", "nats-server, cores", "per further edge")
    return Table("The same page on several edges, one viewer each", columns, rows)


TURNS = 4
"""Counts of each number of edges."""


class Nowhere:
    """Takes the place of a NATS client, and sends nothing."""

    is_congested = False
    max_payload = 2**24

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    def publish(self, _subject: str, *parts: bytes, reply: str = "") -> bool:
        """Keep a message."""
        self.messages.append(b"".join(parts))
        return True


def packing() -> Table:
    """What an update costs between the hub and NATS, and between NATS and the hub."""
    rows = [[f"ingest, {edges} edges", exact(_packed(edges), 2)] for edges in (1, 2, 4, 8)]
    rows.append(["edge", exact(_taken(), 2)])
    return Table("In one process, bursts of 1,000 updates", ("what", "µs per update"), rows)


BURST = 1000
ROUNDS = 100


def _packed(edges: int) -> float:
    backend, clock, sink = MemoryBackend(), Clock(), Nowhere()
    sources = Sources(clock, PVHub(clock, backend), lambda _flush: None)
    streams = [EdgeStream(clock, cast("NATSClient", sink), 1, f"e{n}") for n in range(edges)]
    for index in range(BURST):
        backend.add(f"X{index}", 0.0)
        for stream in streams:
            sources.open(f"X{index}", stream, index)
    sources.flush()
    pvs = [handle.sink for handle in backend.handles]
    reading = Reading(0, 0, 1795394257, 5, 0.5)

    def once() -> None:
        for pv in pvs:
            pv.reading(reading)
        sources.flush()
        for stream in streams:
            stream.handled(stream.number)
        sink.messages.clear()

    return _fastest(once)


def _taken() -> float:
    link = Link(
        Self(
            client=cast("NATSClient", Nowhere()),
            requests=cast("Requests", None),
            name="e1",
            session="1",
            next_epoch=lambda: 1,
            soon=lambda _function: None,
            intake=None,
            lost=lambda _link, _is_silent: None,
        ),
        "A",
        Beat(1, 0.0, is_leaving=False),
    )
    link.start()
    hub = PVHub(Clock(), MemoryBackend())
    opened: list[Record] = []
    for index in range(1, BURST + 1):
        pv = hub.subscribe(f"X{index}", Ignorant()).pv
        channel = Channel(f"X{index}", index, 0, pv, cast("Waits", None), lambda _channel: None)
        channel.go_to(link)
        opened.append(other(index, Kind.OPENED, index))
        opened.append(other(index, Kind.CONNECTION, True))
    bursts = count(1)

    def take(records: Sequence[Record]) -> None:
        for _, body in bodies(records):
            message = HEADER.pack(VERSION, 1, 1, next(bursts)) + body
            assert link.arrived(burst(message))
            assert link.handle(burst(message), message) in (0, BURST)

    take(opened)
    stamps = count(1)

    def once() -> None:
        reading = Reading(0, 0, 1795394257, next(stamps), 0.5)
        records = [reading_record(index, reading) for index in range(1, BURST + 1)]
        (body,) = (body for _, body in bodies(records))
        message = HEADER.pack(VERSION, 1, 1, next(bursts)) + body
        started = time.perf_counter()
        assert link.arrived(burst(message))
        assert link.handle(burst(message), message) == BURST
        times.append(time.perf_counter() - started)

    times: list[float] = []
    for _ in range(ROUNDS):
        once()
    return 1e6 * min(times) / BURST


@implementer(ISubscriber)
class Ignorant:
    """A subscriber that does nothing."""

    def metadata(self, pv: PVState, metadata: Metadata) -> None:
        """Do nothing."""

    def connection(self, pv: PVState, connected: bool) -> None:
        """Do nothing."""

    def reading(self, pv: PVState, reading: Reading) -> None:
        """Do nothing."""


def _fastest(once: Callable[[], None]) -> float:
    """The least time of many rounds, in microseconds per update."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        once()
        times.append(time.perf_counter() - started)
    return 1e6 * min(times) / BURST


def _one_process(
    settings: Settings, server: Ioc, source: Records, build: str, count: int
) -> Result:
    load = Load(source.page, count, seconds=settings.seconds)
    with processes.gateway(build, server, settings.folder) as gateway:
        return loader.run(settings, gateway, server, load)


def _cluster(
    settings: Settings, server: Ioc, source: Records, build: str, counts: Sequence[int]
) -> Measured:
    folder = Path(tempfile.mkdtemp(dir=settings.folder))
    fast = {"PYCASERVER_FAST": "0" if build == IN_PYTHON else "1"}
    cluster = Cluster(folder, {**server.environment, **fast})
    try:
        cluster.add_nodes(1)
        cluster.add_ingests("A")
        cluster.edges = [cluster.edge(f"e{index}") for index in range(len(counts))]
        for edge in cluster.edges:
            edge.environment = {**edge.environment, **fast}
            edge.start()
        return _load(settings, server, source, cluster, counts)
    finally:
        cluster.stop()


def _load(
    settings: Settings, server: Ioc, source: Records, cluster: Cluster, counts: Sequence[int]
) -> Measured:
    def run(edge: Member, count: int) -> Result:
        gateway = Gateway(OURS, edge.pid, edge.port)
        load = Load(source.page, count, seconds=settings.seconds, settle=4.0)
        watched = cluster.ingests[0].pid, cluster.nodes[0].pid
        return loader.run(settings, gateway, server, load, watched)

    with ThreadPoolExecutor() as pool:
        results = list(pool.map(run, cluster.edges, counts))
    ingest, nats = results[0].others
    return Measured(results, ingest, nats, [each.gateway_cores for each in results])


def _rows(count: int, build: str, source: Records, one: Result, two: Measured) -> list[list[str]]:
    events = source.per_second()

    def row(what: str, delivered: float, cores: float, latency: str) -> list[str]:
        per_event, ratio = 1e6 * cores / events, cores / one.gateway_cores
        figures = [exact(cores, 3), exact(per_event), exact(ratio, 2), latency]
        return [f"{count}", build, what, number(delivered) if delivered else "", *figures]

    latency = pair(one.latency("p50"), one.latency("p99"))
    rows = [row("one process", one.per_second, one.gateway_cores, latency)]
    rows.append(row("ingest", 0, two.ingest, ""))
    rows.append(row("nats-server", 0, two.nats, ""))
    for result, cores in zip(two.results, two.edges, strict=True):
        latency = pair(result.latency("p50"), result.latency("p99"))
        rows.append(row("edge", result.per_second, cores, latency))
    rows.append(row("cluster", two.per_second, two.ingest + two.nats + sum(two.edges), ""))
    return rows


if __name__ == "__main__":
    sys.exit(main())
