"""The protocols of other gateways compared with the gateway's own: fan-out, and opening pages."""

from __future__ import annotations

from pathlib import Path

import attrs

from bench import loader, processes, records
from bench.loader import Load, Result
from bench.opening import Opened, open_pages
from bench.records import Records
from bench.report import Table, exact, mib, number, pair
from bench.settings import NAIVE, Settings

LADDER = (1, 100, 500)
PAGES = 500
PVS_A_PAGE = 200
KEEP_ALIVE = "sim://flipflop(29.929)"
"""What cs-web-lib subscribes to before all else."""
COLUMNS = (
    "clients", "protocol", "build", "delivered/s", "bytes per message", "cores", "of native",
    "p50 / p99 ms", "load cores",
)  # fmt: skip
OPENING_COLUMNS = (
    "pages", "protocol", "build", "PVs are shown", "all first values s", "CPU s",
    "µs CPU per subscription", "RSS MiB",
)  # fmt: skip


@attrs.frozen
class Protocol:
    """The protocol of the clients, and the options of their gateway."""

    name: str
    path: str
    page: Path
    options: tuple[str, ...] = ()


def dialects(settings: Settings) -> list[Table]:
    """The same PVs to the same number of clients in each protocol; then pages of cs-web-lib."""
    source = records.counters(settings.folder, settings.size(1000, 100), 10)
    rows = []
    with processes.ioc(source.database) as server:
        for clients in LADDER[: settings.size(len(LADDER), 2)]:
            for build in _builds(settings):
                native: Result | None = None
                for protocol in _protocols(settings, source):
                    result = _measure(settings, server, build, protocol, clients)
                    native = native or result
                    rows.append(_row(clients, build, protocol, result, native))
    title = f"Dialects: {len(source.names):,} PVs x {source.hertz:g} Hz"
    return [Table(title, COLUMNS, rows), _opening(settings)]


def _builds(settings: Settings) -> list[str]:
    return [build for build in settings.builds if build != NAIVE]


def _protocols(settings: Settings, source: Records) -> list[Protocol]:
    def page(kind: str) -> Path:
        path = settings.folder / f"{kind}.page"
        return records.write_dialect_page(path, source.names, kind)

    unthrottled = ("--pvws-throttle", "0", "--pvws-array-throttle", "0")
    return [
        Protocol("native", "/monitor", source.page),
        Protocol("PVWS, every update", "/pvws/pv", page("subscribe"), unthrottled),
        Protocol("PVWS, once a second", "/pvws/pv", page("subscribe")),
        Protocol("epics2web", "/epics2web/monitor", page("monitor")),
    ]


def _measure(
    settings: Settings, server: processes.Ioc, build: str, protocol: Protocol, clients: int
) -> Result:
    load = Load(protocol.page, clients, seconds=settings.seconds, path=protocol.path)
    with processes.gateway(build, server, settings.folder, *protocol.options) as gateway:
        return loader.run(settings, gateway, server, load)


def _row(clients: int, build: str, protocol: Protocol, result: Result, native: Result) -> list[str]:
    counts = result.counts
    return [
        f"{clients}",
        protocol.name,
        build,
        number(result.per_second),
        exact(counts["bytes_per_s"] / max(1.0, result.per_second)),
        exact(result.gateway_cores, 4),
        exact(result.gateway_cores / native.gateway_cores, 2),
        pair(result.latency("p50"), result.latency("p99")),
        exact(result.load_cores, 2),
    ]


@attrs.frozen
class Pages:
    """Pages that open at once."""

    number: int
    protocol: Protocol
    build: str
    is_viewed: bool
    """Whether another client shows their PVs already."""


def _opening(settings: Settings) -> Table:
    """Open many pages at once, with a message for each PV: live PVs, and PVs after a restart."""
    source = records.counters(settings.folder, settings.size(PVS_A_PAGE, 50), 10)
    names = (KEEP_ALIVE, *(f"ca://{name}" for name in source.names))
    page = records.write_dialect_page(settings.folder / "cs-web-lib.page", names, "subscribe")
    protocols = (Protocol("native", "/monitor", source.page), Protocol("PVWS", "/pvws/pv", page))
    number = settings.size(PAGES, 20)
    rows = []
    with processes.ioc(source.database) as server:
        for build in _builds(settings):
            for is_viewed in (True, False):
                for protocol in protocols:
                    pages = Pages(number, protocol, build, is_viewed)
                    rows.append(_opening_row(pages, _open(settings, server, source, pages), source))
    title = f"Dialects: pages of {len(source.names):,} PVs at {source.hertz:g} Hz that open at once"
    return Table(title, OPENING_COLUMNS, rows)


def _open(settings: Settings, server: processes.Ioc, source: Records, pages: Pages) -> Opened:
    protocol = pages.protocol
    load = Load(protocol.page, pages.number, settle=0, seconds=0.1, path=protocol.path)
    return open_pages(settings, server, source, pages.build, load, is_viewed=pages.is_viewed)


def _opening_row(pages: Pages, opened: Opened, source: Records) -> list[str]:
    return [
        f"{pages.number}",
        pages.protocol.name,
        pages.build,
        "by another client" if pages.is_viewed else "by nobody",
        exact(opened.seconds, 2),
        exact(opened.cpu, 2),
        exact(1e6 * opened.cpu / pages.number / len(source.names)),
        mib(opened.peak_kib),
    ]
