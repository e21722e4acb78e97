"""Run the load client, and measure CPU and memory of the processes."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from bench import procfs, pyspy
from bench.processes import ChildError, Gateway, Ioc, child
from bench.settings import OURS, Settings

OPEN_S = 45.0  # seconds within which every client must have every first value


@attrs.frozen
class Load:
    """What the clients do: `slow` of them never read; `step` makes them search for gaps."""

    page: Path
    clients: int = 1
    slow: int = 0
    settle: float = 2.0
    seconds: float = 10.0
    step: float = 0.0
    pings: bool = False
    open_s: float = OPEN_S
    path: str = "/monitor"
    deflate: bool = False
    tls: bool = False

    def arguments(self, port: int) -> list[str]:
        """The command line of the load client."""
        pairs = {"-p": port, "-s": self.page, "-n": self.clients, "-S": self.slow}
        pairs |= {"-o": self.open_s, "-w": self.settle, "-t": self.seconds, "-g": self.step}
        pairs |= {"-u": self.path}
        flags = [
            flag
            for flag, is_set in (("-P", self.pings), ("-z", self.deflate), ("-T", self.tls))
            if is_set
        ]
        return [str(word) for pair in pairs.items() for word in pair] + flags


@attrs.frozen
class Result:
    """The result of a load: the clients' figures, and CPU and memory."""

    counts: dict[str, Any]
    opened: int
    first_values_s: float | None
    gateway_cores: float
    ioc_cores: float
    rss_start_kib: int
    rss_end_kib: int
    rss_peak_kib: int
    floor: dict[str, Any] | None = None
    others: tuple[float, ...] = ()
    """Cores that other processes used, in the order in which they were given."""

    @property
    def per_second(self) -> float:
        """Messages delivered per second, to all clients together."""
        return float(self.counts["frames_per_s"])

    @property
    def per_core_second(self) -> float:
        """Messages delivered per second of the gateway's CPU time."""
        return self.per_second / self.gateway_cores if self.gateway_cores else 0.0

    @property
    def load_cores(self) -> float:
        """Cores that the load client itself used."""
        return float(self.counts["cpu_s"] / self.counts["seconds"])

    def latency(self, percentile: str) -> float | None:
        """IOC stamp to receipt, in milliseconds; ``p50``, ``p95``, ``p99`` or ``max``."""
        return _milliseconds(self.counts["latency_ms"], percentile)

    def floor_latency(self, percentile: str) -> float | None:
        """IOC stamp to the callback of a bare libca client beside the gateway, in ms."""
        return _milliseconds((self.floor or {}).get("latency_ms"), percentile)


def run(  # noqa: PLR0913 (the processes to measure)
    settings: Settings,
    gateway: Gateway,
    server: Ioc,
    load: Load,
    others: Sequence[int] = (),
    *,
    during: contextlib.AbstractContextManager[object] | None = None,
) -> Result:
    """Connect the clients, wait until they have settled, and count for `load.seconds`.

    `others` are the pids of further processes whose CPU time is measured; `during` is entered while
    the clients count.
    """
    command = [str(settings.tools.load), *load.arguments(gateway.port)]
    with child(command) as process:
        opening = read(process)
        pids = (gateway.pid, server.pid, *others)
        before = [procfs.Moment.of(pid) for pid in pids]
        rss_start = procfs.rss_kib(gateway.pid)
        with _profile(settings, gateway, load), during or contextlib.nullcontext():
            counts = read(process)
            after = [procfs.Moment.of(pid) for pid in pids]
        cores = [end.cores_since(start) for start, end in zip(before, after, strict=True)]
        return Result(
            counts=counts,
            opened=opening["opened"],
            first_values_s=opening["first_values_s"],
            gateway_cores=cores[0],
            ioc_cores=cores[1],
            rss_start_kib=rss_start,
            rss_end_kib=procfs.rss_kib(gateway.pid),
            rss_peak_kib=procfs.peak_rss_kib(gateway.pid),
            others=tuple(cores[2:]),
        )


@contextlib.contextmanager
def floor(settings: Settings, server: Ioc, names: Path) -> Iterator[dict[str, Any]]:
    """Run a bare CA client during the block: its RSS is known then, its counts afterwards."""
    command = [str(settings.tools.calat), str(names), "20", "900"]
    with child(command, server.environment) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        process.stdin.write("\n")
        process.stdin.flush()
        figures: dict[str, Any] = {"rss_kib": procfs.rss_kib(process.pid)}
        yield figures
        process.stdin.close()
        figures.update(read(process))


def floor_alone(settings: Settings, server: Ioc, names: Path) -> dict[str, Any]:
    """The figures of a bare CA client while nothing else runs."""
    with floor(settings, server, names) as figures:
        time.sleep(settings.seconds)
    return figures


def read(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the next line of figures that a program prints."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise ChildError(f"{process.args!r} ended without a result")
    figures: dict[str, Any] = json.loads(line)
    return figures


def _milliseconds(figures: dict[str, float] | None, percentile: str) -> float | None:
    return figures[percentile] if figures else None


def _profile(
    settings: Settings, gateway: Gateway, load: Load
) -> contextlib.AbstractContextManager[None]:
    if settings.profile and gateway.build == OURS:
        what = f"{load.clients} clients of {load.page.name}"
        return pyspy.recorded(settings, gateway.pid, load.seconds, what)
    return contextlib.nullcontext()
