"""Memory per client and per PV, and a soak test."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import attrs

from bench import loader, processes, procfs, records
from bench.loader import Load
from bench.processes import ChildError, Gateway, Ioc
from bench.records import Records
from bench.report import Table, exact, mib
from bench.settings import OURS, Settings

COLUMNS = ("build", "at rest MiB", "per idle client KiB", "per scalar PV KiB")
SOAK_COLUMNS = ("minute", "RSS MiB")
ROUND_S = 5.0  # seconds for which the clients of one round of the soak test stay connected


def memory(settings: Settings) -> list[Table]:
    """RSS grown by 1,000 idle clients, and by 10,000 PVs at a slow rate with one client."""
    source = records.counters(settings.folder, settings.size(10_000, 500), 0.1)
    clients = settings.size(1000, 100)
    idle = records.write_page(settings.folder / "idle.page", [])
    rows = []
    with processes.ioc(source.database) as server:
        for build in settings.builds:
            client = _growth(settings, server, build, Load(idle, clients)) / clients
            pv = _growth(settings, server, build, Load(source.page)) / len(source.names)
            rest = _rest(settings, server, build)
            rows.append([build, mib(rest), exact(client), exact(pv)])
        rows.append(["bare libca (C)", *_floor(settings, server, source)])
    note = (
        f"From {clients:,} idle clients, and {len(source.names):,} counters seen by one client; "
        "each from a fresh gateway that has served one client before, without PVs."
    )
    return [Table("Memory", COLUMNS, rows, [note])]


def soak(settings: Settings) -> list[Table]:
    """Clients connect and disconnect for minutes; RSS after each round."""
    source = records.counters(settings.folder, settings.size(1000, 100), 10)
    with (
        processes.ioc(source.database) as server,
        processes.gateway(OURS, server, settings.folder) as gateway,
    ):
        series = _rounds(settings, server, gateway, source)
    return [Table("Soak", SOAK_COLUMNS, _each_minute(series), [_verdict(series)])]


def _rest(settings: Settings, server: Ioc, build: str) -> int:
    with processes.gateway(build, server, settings.folder) as gateway:
        return _warm(settings, server, gateway)


def _floor(settings: Settings, server: Ioc, source: Records) -> list[str]:
    """Memory of libca for a channel with one subscription."""
    none = settings.folder / "none.names"
    none.write_text("")
    with loader.floor(settings, server, none) as bare:
        pass
    with loader.floor(settings, server, source.names_file) as loaded:
        pass
    per_pv = (loaded["rss_kib"] - bare["rss_kib"]) / len(source.names)
    return [mib(bare["rss_kib"]), "-", exact(per_pv)]


def _growth(settings: Settings, server: Ioc, build: str, load: Load) -> float:
    """Growth of the gateway in KiB with these clients."""
    with processes.gateway(build, server, settings.folder) as gateway:
        before = _warm(settings, server, gateway)
        load = attrs.evolve(load, settle=2, seconds=1)
        result = loader.run(settings, gateway, server, load)
        if result.opened < load.clients:
            raise ChildError(f"{build} took {result.opened} of {load.clients} clients")
        return result.rss_start_kib - before


def _warm(settings: Settings, server: Ioc, gateway: Gateway) -> int:
    """KiB after serving a first client, which loads code."""
    idle = records.write_page(settings.folder / "idle.page", [])
    loader.run(settings, gateway, server, Load(idle, settle=0, seconds=0.5))
    return procfs.rss_kib(gateway.pid)


@attrs.frozen
class Sample:
    """RSS at a time since the soak began."""

    minute: float
    kib: int


def _rounds(settings: Settings, server: Ioc, gateway: Gateway, source: Records) -> list[Sample]:
    """Rounds of 20 clients on one page, then of 20 with random halves, in turn."""
    clients = settings.size(20, 5)
    pages: Sequence[Path] = (
        source.page,
        records.write_halves(settings.folder, source.names, clients),
    )
    began, series = time.monotonic(), list[Sample]()
    while time.monotonic() < began + 60 * settings.soak_minutes:
        page = pages[len(series) % 2]
        load = Load(page, clients, settle=0, seconds=ROUND_S, open_s=10)
        loader.run(settings, gateway, server, load)
        series.append(Sample((time.monotonic() - began) / 60, procfs.rss_kib(gateway.pid)))
        print(f"  {series[-1].minute:5.1f} min {series[-1].kib:,} KiB", file=sys.stderr, flush=True)
    return series


def _each_minute(series: Sequence[Sample]) -> list[list[str]]:
    last = {int(sample.minute): sample for sample in series}
    return [[exact(sample.minute), exact(sample.kib / 1024)] for sample in last.values()]


def _verdict(series: Sequence[Sample]) -> str:
    """The slope of the second half; during the first, caches and pools are filled."""
    late = series[len(series) // 2 :]
    if len(late) < 2:
        return "Too short for a slope."
    fit = statistics.linear_regression([s.minute for s in late], [s.kib for s in late])
    return (
        f"{len(series)} rounds of clients that come, subscribe and go; "
        f"slope of the second half: {fit.slope:+,.0f} KiB a minute."
    )
