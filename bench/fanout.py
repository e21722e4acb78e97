"""Fan-out: 1,000 PVs at 10 Hz to an increasing number of clients."""

from __future__ import annotations

import attrs

from bench import loader, processes, records
from bench.loader import Load, Result
from bench.records import Records
from bench.report import Table, exact, mib, number, pair
from bench.settings import Settings

LADDER = (1, 10, 50, 100, 300, 500)
GAP_CLIENTS = 10  # up to this number, each frame is parsed: more would slow the load client
COLUMNS = (
    "clients", "build", "offered/s", "delivered/s", "lost", "cores", "per core-s", "p50 / p99 ms",
    "bare libca p50 / p99 ms", "RSS MiB", "IOC cores", "load cores",
)  # fmt: skip


@attrs.frozen
class Rung:
    """A number of clients, of one page or with random halves."""

    clients: int
    halves: bool = False

    @property
    def name(self) -> str:
        return f"{self.clients} own halves" if self.halves else f"{self.clients}"


def fanout(settings: Settings) -> list[Table]:
    """Measure each build with increasing numbers of clients, until it has collapsed."""
    source = records.counters(settings.folder, settings.size(1000, 100), 10)
    ladder = [Rung(n) for n in LADDER[: settings.size(len(LADDER), 3)]]
    collapsed: dict[str, str] = {}
    rows = []
    with processes.ioc(source.database) as server:
        for rung in [*ladder, Rung(settings.size(100, 20), halves=True)]:
            for build in settings.builds:
                if build in collapsed:
                    rows.append(_skipped(rung, build, collapsed[build]))
                    continue
                result = measure(settings, server, source, build, rung)
                rows.append(_row(rung, build, source, result))
                if _has_collapsed(result, _offered(rung, source)):
                    collapsed[build] = rung.name
    title = f"Fan-out: {len(source.names):,} PVs x {source.hertz:g} Hz"
    return [Table(title, COLUMNS, rows)]


def measure(
    settings: Settings, server: processes.Ioc, source: Records, build: str, rung: Rung
) -> Result:
    """Measure a number of clients with a new gateway, and a bare CA client for the IOC's part."""
    page = source.page
    if rung.halves:
        page = records.write_halves(settings.folder, source.names, rung.clients)
    step = records.STEP if rung.clients <= GAP_CLIENTS else 0.0
    load = Load(page, rung.clients, seconds=settings.seconds, step=step)
    with (
        processes.gateway(build, server, settings.folder) as gateway,
        loader.floor(settings, server, source.names_file) as floor,
    ):
        result = loader.run(settings, gateway, server, load)
    return attrs.evolve(result, floor=floor)


def _offered(rung: Rung, source: Records) -> float:
    return rung.clients * source.per_second(0.5 if rung.halves else 1.0)


def _has_collapsed(result: Result, offered: float) -> bool:
    """Whether a tenth of the messages is missing, or half of them are older than a second."""
    return result.per_second < 0.9 * offered or (result.latency("p50") or 0) > 1000


def _row(rung: Rung, build: str, source: Records, result: Result) -> list[str]:
    counts = result.counts
    return [
        rung.name,
        build,
        number(_offered(rung, source)),
        number(result.per_second),
        f"{counts['gaps']}" if rung.clients <= GAP_CLIENTS else "-",
        exact(result.gateway_cores, 2),
        number(result.per_core_second),
        pair(result.latency("p50"), result.latency("p99")),
        pair(result.floor_latency("p50"), result.floor_latency("p99")),
        mib(result.rss_peak_kib),
        exact(result.ioc_cores, 2),
        exact(result.load_cores, 2),
    ]


def _skipped(rung: Rung, build: str, where: str) -> list[str]:
    return [rung.name, build, f"not run: collapsed at {where}", *["-"] * (len(COLUMNS) - 3)]
