"""Updates at a fixed rate, higher than that of an IOC: how many arrive, and their cost."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from urllib.request import urlopen

import attrs

from bench import loader, processes, procfs, records
from bench.loader import Load, Result
from bench.processes import Gateway, Ioc
from bench.report import Table, exact, mib, number, pair
from bench.settings import NAIVE, Settings
from pycawamp.demo.process import free_ports

PVS = 10_000
RATES = (300_000, 600_000)
COLUMNS = (
    "updates/s", "client", "made/s", "skipped/s", "taken/s", "conflated/s", "delivered/s", "lost",
    "cores", "µs CPU per update", "p50 / p99 ms", "RSS MiB", "source cores", "load cores",
)  # fmt: skip
NOTE = (
    "Skipped: what the source could not send because the client's socket was full. Conflated: what "
    "the gateway replaced by newer updates, in its inbox or for the client."
)


@attrs.frozen
class Source:
    """The running program, as an IOC."""

    server: Ioc
    _process: subprocess.Popen[str]

    def figures(self) -> dict[str, float]:
        """Return the number of updates created, sent and skipped so far, and its clock."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return loader.read(self._process)


def source(settings: Settings) -> list[Table]:
    """10,000 PVs at fixed rates to one client, and to a bare CA client before."""
    names = tuple(f"SOURCE:{i:05d}" for i in range(settings.size(PVS, 500)))
    names_file = settings.folder / "source.names"
    names_file.write_text("".join(f"{name}\n" for name in names))
    page = records.write_page(settings.folder / "source.page", names)
    rows = []
    for rate in RATES:
        with _serving(settings, names_file, rate) as made_by:
            rows.append(_floor_row(settings, made_by, names_file, rate))
            # The naive build can handle a fiftieth of it.
            for build in settings.builds:
                if build != NAIVE:
                    rows.append(_gateway_row(settings, made_by, page, build, rate))
    title = f"A fixed rate of updates of {len(names):,} PVs, one client"
    return [Table(title, COLUMNS, rows, [NOTE])]


@contextlib.contextmanager
def _serving(settings: Settings, names: Path, rate: int) -> Iterator[Source]:
    ports = free_ports()
    command = [str(settings.tools.source), str(names), str(ports.server), str(rate)]
    with processes.repeater(ports), processes.child(command) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield Source(Ioc(process.pid, ports.client_environment()), process)


class _Counted:
    """Counters of the source, and of a gateway's metrics, over the time of a block."""

    def __init__(self, made_by: Source, gateway: Gateway | None) -> None:
        self._source = made_by
        self._gateway = gateway
        self._start: dict[str, float] = {}
        self.figures: dict[str, float] = {}
        """What was added to each counter, per second."""

    def __enter__(self) -> None:
        self._start = self._read()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            end = self._read()
            seconds = end["at"] - self._start["at"]
            self.figures = {key: (end[key] - self._start[key]) / seconds for key in end}

    def _read(self) -> dict[str, float]:
        figures = self._source.figures()
        return figures if self._gateway is None else figures | _metrics(self._gateway)


def _metrics(gateway: Gateway) -> dict[str, float]:
    """Return the number of updates that were handled, and replaced by newer ones."""
    with urlopen(f"http://127.0.0.1:{gateway.port}/metrics", timeout=10) as response:
        text: str = response.read().decode()
    values = {"taken": 0.0, "conflated": 0.0}
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        if name == "pycaserver_updates_total":
            values["taken"] = float(value)
        elif name.startswith("pycaserver_conflated_updates_total{"):
            values["conflated"] += float(value)
    return values


def _floor_row(settings: Settings, made_by: Source, names: Path, rate: int) -> list[str]:
    counted = _Counted(made_by, None)
    with loader.floor(settings, made_by.server, names) as floor:
        before = procfs.Moment.of(made_by.server.pid)
        with counted:
            time.sleep(settings.seconds)
        source_cores = procfs.Moment.of(made_by.server.pid).cores_since(before)
    latency = floor["latency_ms"] or {"p50": None, "p99": None}
    return [
        f"{rate:,}",
        "bare libca (C)",
        number(counted.figures["made"]),
        number(counted.figures["skipped"]),
        number(floor["events"] / floor["seconds"]),
        "-",
        "-",
        "-",
        exact(floor["cpu_s"] / floor["seconds"], 2),
        exact(1e6 * floor["cpu_s"] / max(1, floor["events"]), 2),
        pair(latency["p50"], latency["p99"]),
        mib(floor["rss_kib"]),
        exact(source_cores, 2),
        "-",
    ]


def _gateway_row(
    settings: Settings, made_by: Source, page: Path, build: str, rate: int
) -> list[str]:
    load = Load(page, seconds=settings.seconds, step=records.STEP)
    with processes.gateway(build, made_by.server, settings.folder) as gateway:
        counted = _Counted(made_by, gateway)
        result = loader.run(settings, gateway, made_by.server, load, during=counted)
    return _row(build, rate, result, counted.figures)


def _row(build: str, rate: int, result: Result, figures: dict[str, float]) -> list[str]:
    return [
        f"{rate:,}",
        build,
        number(figures["made"]),
        number(figures["skipped"]),
        number(figures["taken"]),
        number(figures["conflated"]),
        number(result.per_second),
        number(result.counts["gaps"]),
        exact(result.gateway_cores, 2),
        exact(1e6 * result.gateway_cores / max(1.0, result.per_second), 2),
        pair(result.latency("p50"), result.latency("p99")),
        mib(result.rss_peak_kib),
        exact(result.ioc_cores, 2),
        exact(result.load_cores, 2),
    ]
