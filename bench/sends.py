"""The cost of a burst of updates: reactor iterations, sends, and switches between threads.

Usage: `python -m bench.sends`. It needs `perf` and the rights to count system calls, and prints a
Markdown table. 1,000 PVs change at 10 Hz; the same page is shown by 1 to 500 clients.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import loader, machine, processes, records, tools
from bench.loader import Load, Result
from bench.report import Table, exact, number, pair
from bench.settings import IN_PYTHON, OURS, Settings

LADDER = (1, 10, 100, 500)
HERTZ = 10
EVENTS = {
    "sends": "syscalls:sys_enter_sendto",
    "iterations": "syscalls:sys_enter_epoll_wait",
    "futexes": "syscalls:sys_enter_futex",
    "switches": "context-switches",
}
COLUMNS = (
    "clients", "build", "sends per client and burst", "reactor iterations per burst",
    "futex calls per burst", "context switches per burst", "µs CPU per burst", "p50 / p99 ms",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Measure both ways of updates, several times in turn; print the medians by CPU time."""
    parser = argparse.ArgumentParser("python -m bench.sends", description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="duration of each count")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, nargs="*", default=LADDER)
    arguments = parser.parse_args(argv)
    processes.allow_many_files()
    print("\n".join(f"- {line}" for line in machine.describe()), end="\n\n")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        settings = Settings(arguments.seconds, False, (), 0, False, folder, tools.build(folder))
        source = records.counters(folder, 1000, HERTZ)
        rows = []
        with processes.ioc(source.database) as server:
            for clients in arguments.clients:
                load = Load(source.page, clients, seconds=settings.seconds)
                for build in (OURS, IN_PYTHON):
                    found = [
                        _measure(settings, server, build, load) for _ in range(arguments.rounds)
                    ]
                    found.sort(key=lambda each: each[0].gateway_cores)
                    rows.append(_row(build, load, *found[len(found) // 2]))
    print(Table(f"A burst of {len(source.names):,} updates", COLUMNS, rows).markdown())


def _measure(
    settings: Settings, server: processes.Ioc, build: str, load: Load
) -> tuple[Result, dict[str, float]]:
    counts: dict[str, float] = {}
    with processes.gateway(build, server, settings.folder) as gateway:
        during = _counted(gateway.pid, settings.folder / "perf.csv", counts)
        result = loader.run(settings, gateway, server, load, during=during)
    bursts = HERTZ * result.counts["seconds"]
    return result, {name: count / bursts for name, count in counts.items()}


@contextlib.contextmanager
def _counted(pid: int, output: Path, counts: dict[str, float]) -> Iterator[None]:
    """Count the events of a process during the block."""
    command = ["perf", "stat", "-x", ",", "-o", str(output), "-p", str(pid)]
    for event in EVENTS.values():
        command += ["-e", event]
    with processes.child(command) as process:
        yield
        process.send_signal(signal.SIGINT)
        process.wait(processes.STOP_S)
    found = {}
    for line in output.read_text().splitlines():
        value, *rest = line.split(",")
        if len(rest) > 1:
            found[rest[1]] = float(value)
    counts.update({name: found[event] for name, event in EVENTS.items()})


def _row(build: str, load: Load, result: Result, per_burst: dict[str, float]) -> list[str]:
    return [
        f"{load.clients}",
        build,
        exact(per_burst["sends"] / load.clients, 2),
        exact(per_burst["iterations"]),
        exact(per_burst["futexes"]),
        exact(per_burst["switches"]),
        number(1e6 * result.gateway_cores / HERTZ),
        pair(result.latency("p50"), result.latency("p99")),
    ]


if __name__ == "__main__":
    main()
