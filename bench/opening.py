"""Opening: many pages at once, with PVs that another client already shows."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from bench import processes, procfs, records
from bench.loader import Load
from bench.processes import Gateway, Ioc
from bench.records import Records
from bench.report import Table, exact, mib, number, pair
from bench.settings import NAIVE, Settings

PAGES = (300, 500)
CONNECTIONS = 2000
"""Clients of one address, without PVs."""
LIST = 200
"""Names in a list."""
VIEWED_S = 600.0
PAGES_COLUMNS = (
    "pages", "request", "PVs", "build", "all first values s", "CPU s", "µs CPU per subscription",
    "RSS MiB", "other client: p50 / p99 / max ms",
)  # fmt: skip
CONNECTIONS_COLUMNS = ("connections", "build", "all open s", "µs CPU per connection")


@attrs.frozen
class Opened:
    """The cost of opening all pages."""

    seconds: float | None
    cpu: float
    peak_kib: int
    viewer: dict[str, Any]


def opening(settings: Settings) -> list[Table]:
    """Pages of 1,000 PVs, requested one by one and in lists; then connections without PVs."""
    builds = [build for build in settings.builds if build != NAIVE]
    rows = []
    # Almost no updates, to measure a subscription; then the rate of the other scenarios.
    for hertz in (0.1, 10.0):
        source = records.counters(settings.folder, settings.size(1000, 100), hertz)
        lists = records.write_lists(settings.folder / f"{hertz:g}hz.lists", source.names, LIST)
        with processes.ioc(source.database) as server:
            for pages in PAGES if hertz == 10 else PAGES[:1]:
                for requests, page in (("connect", source.page), (f"lists of {LIST}", lists)):
                    for build in builds:
                        load = Load(page, settings.size(pages, 10), settle=0, seconds=0.1)
                        opened = open_pages(settings, server, source, build, load)
                        rows.append(_pages_row(load, requests, source, build, opened))
    empty = records.write_page(settings.folder / "empty.page", [])
    connections = []
    with processes.ioc(source.database) as server:
        for build in builds:
            connections.append(_connections_row(settings, server, source, build, empty))
    return [
        Table("Opening: pages of live PVs", PAGES_COLUMNS, rows),
        Table("Opening: connections", CONNECTIONS_COLUMNS, connections),
    ]


def open_pages(  # noqa: PLR0913 (the options of a load)
    settings: Settings,
    server: Ioc,
    source: Records,
    build: str,
    load: Load,
    *options: str,
    is_viewed: bool = True,
) -> Opened:
    """Open all clients of a load at a new gateway, with or without a client that shows the PVs."""
    with processes.gateway(build, server, settings.folder, *options) as gateway:
        viewing: contextlib.AbstractContextManager[dict[str, Any]] = contextlib.nullcontext({})
        if is_viewed:
            viewing = _viewer(settings, gateway, source)
        with viewing as viewer:
            before = procfs.cpu_seconds(gateway.pid)
            command = [str(settings.tools.load), *load.arguments(gateway.port)]
            with processes.child(command) as process:
                assert process.stdout is not None
                began = json.loads(process.stdout.readline())
                cpu = procfs.cpu_seconds(gateway.pid) - before
                peak = procfs.peak_rss_kib(gateway.pid)
        return Opened(began["first_values_s"], cpu, peak, viewer)


@contextlib.contextmanager
def _viewer(settings: Settings, gateway: Gateway, source: Records) -> Iterator[dict[str, Any]]:
    """Run a client that shows all PVs during the block; its counts are known afterwards."""
    load = Load(source.page, settle=1.0, seconds=VIEWED_S)
    command = [str(settings.tools.load), *load.arguments(gateway.port), "-e", "-k", "1"]
    with processes.child(command) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        figures: dict[str, Any] = {}
        yield figures
        process.stdin.close()
        figures.update(json.loads(process.stdout.readline()))


def _pages_row(load: Load, requests: str, source: Records, build: str, opened: Opened) -> list[str]:
    # With slow PVs, the viewer may have received no update in that time.
    latency = opened.viewer["latency_ms"]
    delays = (
        f"{pair(latency['p50'], latency['p99'])} / {number(latency['max'])}" if latency else "-"
    )
    return [
        f"{load.clients}",
        requests,
        f"{len(source.names):,} at {source.hertz:g} Hz",
        build,
        exact(opened.seconds, 1),
        exact(opened.cpu, 1),
        exact(1e6 * opened.cpu / load.clients / len(source.names)),
        mib(opened.peak_kib),
        delays,
    ]


def _connections_row(
    settings: Settings, server: Ioc, source: Records, build: str, page: Path
) -> list[str]:
    load = Load(page, settings.size(CONNECTIONS, 50), settle=0, seconds=0.1)
    limits = ("--max-clients-per-address=5000", "--max-connections-per-address=5000")
    opened = open_pages(settings, server, source, build, load, *limits)
    cost = exact(1e6 * opened.cpu / load.clients, 0)
    return [f"{load.clients:,}", build, exact(opened.seconds, 1), cost]
