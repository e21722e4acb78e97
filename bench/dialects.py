"""Fan-out in the protocols of other gateways, beside that in the gateway's own."""

from __future__ import annotations

from pathlib import Path

import attrs

from bench import loader, processes, records
from bench.loader import Load, Result
from bench.records import Records
from bench.report import Table, exact, number, pair
from bench.settings import OURS, Settings

LADDER = (1, 100, 500)
COLUMNS = (
    "clients", "protocol", "all first values s", "delivered/s", "MB/s", "cores", "of native",
    "p50 / p99 ms", "load cores",
)  # fmt: skip


@attrs.frozen
class Protocol:
    """What clients speak, and the options of their gateway."""

    name: str
    path: str
    page: Path
    options: tuple[str, ...] = ()


def dialects(settings: Settings) -> list[Table]:
    """The same PVs to the same number of clients, in each protocol."""
    source = records.counters(settings.folder, settings.size(1000, 100), 10)
    rows = []
    with processes.ioc(source.database) as server:
        for clients in LADDER[: settings.size(len(LADDER), 2)]:
            native: Result | None = None
            for protocol in _protocols(settings, source):
                result = _measure(settings, server, protocol, clients)
                native = native or result
                rows.append(_row(clients, protocol, result, native))
    title = f"Dialects: {len(source.names):,} PVs x {source.hertz:g} Hz"
    return [Table(title, COLUMNS, rows)]


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


def _measure(settings: Settings, server: processes.Ioc, protocol: Protocol, clients: int) -> Result:
    load = Load(protocol.page, clients, seconds=settings.seconds, path=protocol.path)
    with processes.gateway(OURS, server, settings.folder, *protocol.options) as gateway:
        return loader.run(settings, gateway, server, load)


def _row(clients: int, protocol: Protocol, result: Result, native: Result) -> list[str]:
    counts = result.counts
    first = result.first_values_s
    return [
        f"{clients}",
        protocol.name,
        "-" if first is None else exact(first, 2),
        number(result.per_second),
        exact(counts["bytes_per_s"] / 1e6, 1),
        exact(result.gateway_cores, 2),
        exact(result.gateway_cores / native.gateway_cores, 2),
        pair(result.latency("p50"), result.latency("p99")),
        exact(result.load_cores, 2),
    ]
