"""Measure a cluster (an ingest, a NATS server, edges), and one process with the same viewers.

Usage: `python -m bench.cluster [--seconds 10] [--quick]`. It needs nats-server. CPU time is that of
each process during the count; ratios are relative to the single process of the same row.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event, Thread
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
from pycawamp.bus.channel import Channel, Timeouts
from pycawamp.bus.client import NATSClient
from pycawamp.bus.control import Heartbeat
from pycawamp.bus.link import Link, LinkContext
from pycawamp.bus.messages import (
    HEADER,
    VERSION,
    Record,
    RecordKind,
    bodies,
    burst,
    other,
    reading_record,
)
from pycawamp.bus.published_pvs import PublishedPVs
from pycawamp.bus.requests import NATSRequests
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
    """The messages that edges delivered, and the CPU time of the processes."""

    results: list[Result]
    ingest: float
    nats: float
    edges: list[float]

    @property
    def per_second(self) -> float:
        """Messages per second that all edges delivered."""
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
            for measure in (viewers, more_edges, slow_edge, puts):
                print(f"\n{measure(settings, server, source).markdown()}", flush=True)
    return 0


def viewers(settings: Settings, server: Ioc, source: Records) -> Table:
    """Measure one process, and an ingest with two edges, with the same viewers of one page."""
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
    """Measure the cost of each further edge for the ingest; all edges show the same page.

    Takes the minimum of some counts, in turns, because a machine is never quite idle.
    """
    numbers = (1, 2, 4)
    rows = []
    for build in settings.builds:
        per_event = dict.fromkeys(numbers, math.inf)
        nats = dict.fromkeys(numbers, math.inf)
        for _ in range(settings.size(TURNS, 1)):
            for edges in numbers:
                found = _cluster(settings, server, source, build, [1] * edges)
                # Each edge has one viewer, who gets all events.
                ingest = 1e6 * found.ingest / (found.per_second / edges)
                per_event[edges] = min(per_event[edges], ingest)
                nats[edges] = min(nats[edges], found.nats)
        for edges in numbers:
            more = 100 * (per_event[edges] / per_event[1] - 1)
            further = f"{more / (edges - 1):+.1f} %" if edges > 1 else "-"
            rows.append(
                [f"{edges}", build, exact(per_event[edges]), exact(nats[edges], 3), further]
            )
    columns = ("edges", "build", "ingest, µs per event", "nats-server, cores", "per further edge")
    return Table("The same page on several edges, one viewer each", columns, rows)


TURNS = 3
"""Counts of each number of edges."""


def slow_edge(settings: Settings, server: Ioc, source: Records) -> Table:
    """Measure viewers of two edges while a third edge hangs, or gets too little CPU time."""
    viewers = settings.size(20, 1)
    rows = []
    states: dict[str, Callable[[int], contextlib.AbstractContextManager[object]]] = {
        "is well": contextlib.nullcontext,
        "hangs": _stopped,
        "runs a sixth of the time": _slow,
    }
    for state, disturbed in states.items():
        with _edges(settings, server, OURS, 3) as cluster:
            *others, third = cluster.edges
            with ThreadPoolExecutor() as pool:
                load = Load(source.page, 1, seconds=settings.seconds + SPARE_S, settle=4.0)
                own = pool.submit(_count, settings, server, third, load)
                seen = _load(
                    settings, server, source, cluster, others, [viewers] * 2, disturbed(third.pid)
                )
                latency = pair(own.result().latency("p50"), own.result().latency("p99"))
        found = [f"{pair(each.latency('p50'), each.latency('p99'))}" for each in seen.results]
        rows.append([state, *found, "-" if disturbed is _stopped else latency])
    columns = ("the third edge", "one edge", "another edge", "the third edge itself")
    return Table("Two edges beside a third one: p50 / p99, ms", columns, rows)


SPARE_S = 6.0
"""Seconds for which the third edge is counted longer: the others start later, and it is freed."""
STOPPED_S, RUNNING_S = 0.25, 0.05


@contextlib.contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def _slow(pid: int) -> Iterator[None]:
    """Let a process run only for a part of the time."""
    over = Event()

    def hold_up() -> None:
        while not over.wait(RUNNING_S):
            with _stopped(pid):
                over.wait(STOPPED_S)

    thread = Thread(target=hold_up)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def puts(settings: Settings, _server: Ioc, _source: Records) -> Table:
    """Measure puts through one process and through an edge, with the same IOC, in turns."""
    database = settings.folder / "puts.db"
    database.write_text('record(ao, "put:AO") {}\n')
    anyone, rate = "--allow-put=anyone", "--max-put-rate=1000000"
    with (
        processes.ioc(database) as server,
        processes.gateway(OURS, server, settings.folder, anyone, rate) as one,
        _edges(settings, server, OURS, 1, [anyone], [anyone, rate]) as cluster,
    ):
        ports = one.port, cluster.edges[0].port
        words = settings.size(2000, 100), "put:AO", *ports
        command = [sys.executable, "-m", "bench.puts", *map(str, words)]
        with processes.child(command) as client:
            found = loader.read(client)
    milliseconds = [found[str(port)] for port in ports]
    rows = [
        [where, exact(each["p50"], 2), exact(each["p99"], 2)]
        for where, each in zip(("one process", "an edge"), milliseconds, strict=True)
    ]
    more = [exact(milliseconds[1][each] - milliseconds[0][each], 2) for each in ("p50", "p99")]
    rows.append(["difference", *more])
    return Table("A put, until the record was processed", ("at", "p50, ms", "p99, ms"), rows)


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
    """Measure the cost of an update between the hub and NATS, and between NATS and the hub."""
    rows = [[f"ingest, {edges} edges", exact(_packed(edges), 2)] for edges in (1, 2, 4, 8)]
    rows.append(["edge", exact(_taken(), 2)])
    return Table("In one process, bursts of 1,000 updates", ("what", "µs per update"), rows)


BURST = 1000
ROUNDS = 100


def _packed(edges: int) -> float:
    backend, clock, sink = MemoryBackend(), Clock(), Nowhere()
    sources = PublishedPVs(clock, PVHub(clock, backend))
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
        LinkContext(
            client=cast("NATSClient", Nowhere()),
            requests=cast("NATSRequests", None),
            name="e1",
            session="1",
            next_epoch=lambda: 1,
            soon=lambda _function: None,
            intake=None,
            lost=lambda _link, _is_silent: None,
        ),
        "A",
        Heartbeat(1, 0.0, is_leaving=False),
    )
    link.start()
    hub = PVHub(Clock(), MemoryBackend())
    opened: list[Record] = []
    for index in range(1, BURST + 1):
        pv = hub.subscribe(f"X{index}", Ignorant()).pv
        timeouts = cast("Timeouts", None)
        channel = Channel(f"X{index}", index, 0, pv, timeouts, lambda _channel: None, {})
        channel.move_to(link)
        opened.append(other(index, RecordKind.OPENED, index))
        opened.append(other(index, RecordKind.CONNECTION, True))
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
    """Return the minimum time of many rounds, in microseconds per update."""
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
    with _edges(settings, server, build, len(counts)) as cluster:
        return _load(settings, server, source, cluster, cluster.edges, counts)


@contextlib.contextmanager
def _edges(  # noqa: PLR0913, PLR0917 (the processes, and their options)
    settings: Settings,
    server: Ioc,
    build: str,
    number: int,
    of_ingest: Sequence[str] = (),
    of_edges: Sequence[str] = (),
) -> Iterator[Cluster]:
    """Run a NATS server, an ingest and edges, with options."""
    folder = Path(tempfile.mkdtemp(dir=settings.folder))
    fast = {"PYCASERVER_FAST": "0" if build == IN_PYTHON else "1"}
    cluster = Cluster(folder, {**server.environment, **fast})
    try:
        cluster.add_nodes(1)
        cluster.add_ingests("A", options=of_ingest)
        cluster.edges = [cluster.edge(f"e{index}", *of_edges) for index in range(number)]
        for edge in cluster.edges:
            edge.environment = {**edge.environment, **fast}
            edge.start()
        yield cluster
    finally:
        cluster.stop()


def _load(  # noqa: PLR0913, PLR0917 (the processes to measure)
    settings: Settings,
    server: Ioc,
    source: Records,
    cluster: Cluster,
    edges: Sequence[Member],
    counts: Sequence[int],
    during: contextlib.AbstractContextManager[object] | None = None,
) -> Measured:
    watched = cluster.ingests[0].pid, cluster.nodes[0].pid

    def run(index: int) -> Result:
        load = Load(source.page, counts[index], seconds=settings.seconds, settle=4.0)
        beside = during if not index else None
        return _count(settings, server, edges[index], load, watched, beside)

    with ThreadPoolExecutor() as pool:
        results = list(pool.map(run, range(len(edges))))
    ingest, nats = results[0].others
    return Measured(results, ingest, nats, [each.gateway_cores for each in results])


def _count(  # noqa: PLR0913, PLR0917 (as above)
    settings: Settings,
    server: Ioc,
    edge: Member,
    load: Load,
    others: Sequence[int] = (),
    during: contextlib.AbstractContextManager[object] | None = None,
) -> Result:
    gateway = Gateway(OURS, edge.pid, edge.port)
    return loader.run(settings, gateway, server, load, others, during=during)


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
