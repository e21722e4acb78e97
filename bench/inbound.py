"""Inbound: 10,000 PVs, their connection and their events."""

from __future__ import annotations

import statistics

from bench import loader, processes, records
from bench.loader import Load, Result
from bench.records import Records
from bench.report import Table, exact, mib, number, pair
from bench.settings import OURS, Settings

PVS = 10_000
SLOW_HERTZ = 0.1  # almost no updates arrive in this time, except for those of connecting
INBOUND_COLUMNS = (
    "client", "events/s", "cores", "µs CPU per event", "first values s", "p50 / p99 ms",
    "RSS MiB", "IOC cores",
)  # fmt: skip
CONNECT_COLUMNS = ("build", "PVs", "all PVs have values after s (each run)", "median s")


def inbound(settings: Settings) -> list[Table]:
    """10,000 PVs at 10 Hz to one client, and to a bare CA client before."""
    source = records.counters(settings.folder, settings.size(PVS, 500), 10)
    with processes.ioc(source.database) as server:
        rows = [_floor_row(settings, server, source)]
        for build in settings.builds:
            load = Load(source.page, seconds=settings.seconds)
            with processes.gateway(build, server, settings.folder) as gateway:
                rows.append(_row(build, loader.run(settings, gateway, server, load)))
    title = f"Inbound: {len(source.names):,} PVs x {source.hertz:g} Hz, one client"
    return [Table(title, INBOUND_COLUMNS, rows)]


def connect(settings: Settings) -> list[Table]:
    """Seconds from a client's TCP connect until it has a value of each of 10,000 PVs."""
    source = records.counters(settings.folder, settings.size(PVS, 500), SLOW_HERTZ)
    rows = []
    with processes.ioc(source.database) as server:
        for build in settings.builds:
            times = [
                _connect_once(settings, server, source, build)
                for _ in range(settings.size(3, 1) if build == OURS else 1)
            ]
            rows.append(_connect_row(build, source, times))
    note = (
        "The IOC is up and the gateway fresh: searching, connecting, units and first values are "
        f"in the figure. - is more than {loader.OPEN_S:.0f} s."
    )
    return [Table("Connecting", CONNECT_COLUMNS, rows, [note])]


def _connect_once(
    settings: Settings, server: processes.Ioc, source: Records, build: str
) -> float | None:
    with processes.gateway(build, server, settings.folder) as gateway:
        load = Load(source.page, settle=0, seconds=1)
        return loader.run(settings, gateway, server, load).first_values_s


def _connect_row(build: str, source: Records, times: list[float | None]) -> list[str]:
    known = [seconds for seconds in times if seconds is not None]
    median = statistics.median(known) if len(known) == len(times) else None
    listed = ", ".join(exact(seconds, 2) for seconds in times)
    return [build, f"{len(source.names):,}", listed, exact(median, 2)]


def _floor_row(settings: Settings, server: processes.Ioc, source: Records) -> list[str]:
    figures = loader.floor_alone(settings, server, source.names_file)
    latency = figures["latency_ms"] or {"p50": None, "p99": None}
    cost = 1e6 * figures["cpu_s"] / max(1, figures["events"])
    return [
        "bare libca (C)",
        number(figures["events"] / figures["seconds"]),
        exact(figures["cpu_s"] / figures["seconds"], 2),
        exact(cost, 2),
        "-",
        pair(latency["p50"], latency["p99"]),
        "-",
        "-",
    ]


def _row(build: str, result: Result) -> list[str]:
    return [
        build,
        number(result.per_second),
        exact(result.gateway_cores, 2),
        exact(1e6 * result.gateway_cores / max(1.0, result.per_second), 2),
        exact(result.first_values_s, 2),
        pair(result.latency("p50"), result.latency("p99")),
        mib(result.rss_peak_kib),
        exact(result.ioc_cores, 2),
    ]
