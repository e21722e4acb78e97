"""Stress: more than the gateway can do, and a client that never reads."""

from __future__ import annotations

import math

from bench import loader, processes, records
from bench.loader import Load, Result
from bench.processes import Ioc
from bench.records import Records
from bench.report import Table, exact, mib, number, pair
from bench.settings import OURS, Settings

MOST_CLIENTS = 1500  # bounds the kernel's socket memory and the time to open them
READERS = 20
OVERLOAD_COLUMNS = (
    "build", "clients", "can do/s", "offered/s", "delivered/s", "cores", "median age ms", "p99 ms",
    "pings answered", "ping p50 / max ms", "RSS MiB start, end, peak", "closed",
)  # fmt: skip
SLOW_COLUMNS = (
    "build", "clients", "delivered/s", "p50 / p99 / max ms", "cores", "RSS MiB start, end, peak",
)  # fmt: skip


def overload(settings: Settings) -> list[Table]:
    """Twice as many clients as one core can serve, each with its own random half of the PVs."""
    source = records.counters(settings.folder, settings.size(1000, 200), 10)
    rows = []
    with processes.ioc(source.database) as server:
        for build in settings.builds:
            capacity = _capacity(settings, server, source, build)
            clients = math.ceil(2 * capacity / source.per_second(0.5))
            clients = min(max(2, clients), MOST_CLIENTS)
            result = _halves(settings, server, source, build, clients)
            rows.append(_overload_row(build, source, clients, capacity, result))
    note = (
        "“Can do” is what the build delivered per core-second with fewer clients "
        "(ours 100, naive 1): one Python process has one core."
    )
    return [Table("Overload", OVERLOAD_COLUMNS, rows, [note])]


def slow(settings: Settings) -> list[Table]:
    """20 clients that read, without and with one beside them that never does."""
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


def _capacity(settings: Settings, server: Ioc, source: Records, build: str) -> float:
    """Messages per second that the build delivers with one core, from a load it can carry."""
    clients = settings.size(100, 10) if build == OURS else 1
    return _halves(settings, server, source, build, clients).per_core_second


def _halves(settings: Settings, server: Ioc, source: Records, build: str, clients: int) -> Result:
    page = records.write_halves(settings.folder, source.names, clients)
    load = Load(page, clients, settle=5, seconds=settings.seconds, pings=True)
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


def _memory(result: Result) -> str:
    parts = (result.rss_start_kib, result.rss_end_kib, result.rss_peak_kib)
    return ", ".join(mib(kib) for kib in parts)
