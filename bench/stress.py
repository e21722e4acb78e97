"""Overload, a client that never reads, and clients that connect and disconnect."""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import attrs

from bench import loader, processes, records
from bench.loader import Load, Result
from bench.processes import ChildError, Ioc
from bench.records import Records
from bench.report import Table, exact, mib, number, pair
from bench.settings import OURS, Settings

MAX_CLIENTS = (
    500  # maximum in the search; limits the kernel's socket memory and the time to connect
)
MAX_STEPS = 6
OVERLOAD_OPEN_S = 300.0  # seconds for a request for each PV of each client, at twice the load
READERS = 20
VANISHING = 2000
OVERLOAD_COLUMNS = (
    "build", "clients", "can do/s", "offered/s", "delivered/s", "cores", "median age ms", "p99 ms",
    "pings answered", "ping p50 / max ms", "RSS MiB start, end, peak", "closed",
)  # fmt: skip
SLOW_COLUMNS = (
    "build", "clients", "delivered/s", "p50 / p99 / max ms", "cores", "RSS MiB start, end, peak",
)  # fmt: skip
CROWD_COLUMNS = (
    "clients", "others connect/s", "delivered/s", "p50 / p99 / max ms", "cores",
    "RSS MiB start, end, peak",
)  # fmt: skip


def overload(settings: Settings) -> list[Table]:
    """Twice as many clients as the build can serve, each with a random half of the PVs."""
    source = records.counters(settings.folder, settings.size(2000, 200), 10)
    rows = []
    with processes.ioc(source.database) as server:
        for build in settings.builds:
            clients, capacity = _capacity(settings, server, source, build)
            result = _halves(settings, server, source, build, 2 * clients)
            rows.append(_overload_row(build, source, 2 * clients, capacity, result))
    note = (
        "“Can do” is what the build delivered to half as many clients, the first number that took "
        "0.9 of a core (a Python process uses one) or lost a tenth "
        f"(or {MAX_CLIENTS}, the limit of the search)."
    )
    return [Table("Overload", OVERLOAD_COLUMNS, rows, [note])]


def slow(settings: Settings) -> list[Table]:
    """20 clients that read, without and with one that never reads."""
    source = records.counters(settings.folder, settings.size(1000, 100), 10)
    rows = []
    with processes.ioc(source.database) as server:
        for build in settings.builds:
            for idlers in (0, 1):
                load = Load(
                    source.page, READERS + idlers, slow=idlers, settle=5, seconds=settings.seconds
                )
                with processes.gateway(build, server, settings.folder) as gateway:
                    result = loader.run(settings, gateway, server, load)
                rows.append(_slow_row(build, idlers, result))
    return [Table("A client that never reads", SLOW_COLUMNS, rows)]


def crowd(settings: Settings) -> list[Table]:
    """20 clients that read, without and with thousands that connect and disconnect."""
    source = records.counters(settings.folder, settings.size(1000, 100), 10)
    load = Load(source.page, READERS, settle=5, seconds=settings.seconds)
    rows = []
    with processes.ioc(source.database) as server:
        for beside in (_no_others, _vanishing):
            with (
                processes.gateway(OURS, server, settings.folder) as gateway,
                beside(gateway.port) as rounds,
            ):
                result = loader.run(settings, gateway, server, load)
            rows.append(_crowd_row(rounds, result))
    return [Table("Clients that connect and vanish", CROWD_COLUMNS, rows)]


@contextlib.contextmanager
def _no_others(_port: int) -> Iterator[list[float]]:
    """No other clients."""
    yield []


@contextlib.contextmanager
def _vanishing(port: int) -> Iterator[list[float]]:
    """Other clients that connect, subscribe and disconnect.

    Yields the seconds that each 2,000 of them took.
    """
    rounds: list[float] = []
    over = threading.Event()
    command = [sys.executable, "-m", "tests.support.attacker", "vanish", f"{port}", f"{VANISHING}"]

    def attack() -> None:
        while not over.is_set():
            began = time.monotonic()
            subprocess.run(command, cwd=processes.ROOT, check=False, timeout=60)
            rounds.append(time.monotonic() - began)

    thread = threading.Thread(target=attack)
    thread.start()
    try:
        yield rounds
    finally:
        over.set()
        thread.join()


def _capacity(settings: Settings, server: Ioc, source: Records, build: str) -> tuple[int, float]:
    """The number of clients that saturates the build, and what it then delivers per second."""
    brief = attrs.evolve(settings, seconds=min(5, settings.seconds))
    clients = settings.size(100, 20) if build == OURS else 2
    for _ in range(MAX_STEPS):
        result = _halves(brief, server, source, build, clients)
        if not result.per_second:
            raise ChildError(f"{build} delivered nothing to {clients} clients")
        short = result.per_second < 0.9 * clients * source.per_second(0.5)
        if short or result.gateway_cores > 0.9 or clients == MAX_CLIENTS:
            break
        growth = min(4.0, max(1.3, 1 / result.gateway_cores))
        clients = min(MAX_CLIENTS, math.ceil(growth * clients))
    return clients, result.per_second


def _halves(settings: Settings, server: Ioc, source: Records, build: str, clients: int) -> Result:
    page = records.write_halves(settings.folder, source.names, clients)
    load = Load(
        page, clients, settle=5, seconds=settings.seconds, pings=True, open_s=OVERLOAD_OPEN_S
    )
    with processes.gateway(build, server, settings.folder) as gateway:
        return loader.run(settings, gateway, server, load)


def _overload_row(
    build: str, source: Records, clients: int, capacity: float, result: Result
) -> list[str]:
    counts = result.counts
    ping = counts["ping_ms"] or {"p50": None, "max": None}
    return [
        build,
        f"{clients}",
        number(capacity),
        number(clients * source.per_second(0.5)),
        number(result.per_second),
        exact(result.gateway_cores, 2),
        number(result.latency("p50")),
        number(result.latency("p99")),
        f"{counts['pongs']} of {counts['pings']}",
        pair(ping["p50"], max(ping["max"] or 0, counts["ping_waits_ms"])),
        _memory(result),
        f"{counts['closed']}",
    ]


def _slow_row(build: str, idlers: int, result: Result) -> list[str]:
    latency = [number(result.latency(name)) for name in ("p50", "p99", "max")]
    return [
        build,
        f"{READERS}" + (f" + {idlers} that never reads" if idlers else ""),
        number(result.per_second),
        " / ".join(latency),
        exact(result.gateway_cores, 2),
        _memory(result),
    ]


def _crowd_row(rounds: list[float], result: Result) -> list[str]:
    latency = [number(result.latency(name)) for name in ("p50", "p99", "max")]
    return [
        f"{READERS}",
        number(VANISHING * len(rounds) / sum(rounds)) if rounds else "-",
        number(result.per_second),
        " / ".join(latency),
        exact(result.gateway_cores, 2),
        _memory(result),
    ]


def _memory(result: Result) -> str:
    parts = (result.rss_start_kib, result.rss_end_kib, result.rss_peak_kib)
    return ", ".join(mib(kib) for kib in parts)
