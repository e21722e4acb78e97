"""Two processes on one port, compared with one.

Usage: `python -m bench.workers`. It prints a Markdown table.

Each client shows a different half of the PVs, so that most of the work is for clients. The rate of
delivered messages is divided by the CPU time: on a machine with too few cores, the processes
share the cores with the IOC and the load client.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import attrs

from bench import loader, machine, processes, procfs, records, tools
from bench.loader import Load
from bench.report import Table, exact, number

OPEN_S = 300.0
COLUMNS = (
    "processes", "clients", "offered/s", "delivered/s", "cores of each", "per core-s", "of one",
)  # fmt: skip


@attrs.frozen
class Result:
    """The messages that some processes delivered together."""

    per_second: float
    cores: tuple[float, ...]

    @property
    def per_core_second(self) -> float:
        """Messages per second of CPU time, of all processes."""
        return self.per_second / sum(self.cores)

    @property
    def capacity(self) -> float:
        """Messages per second if each process had a core, and used all of it."""
        return self.per_core_second * len(self.cores)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure one process and two, several times in turn, and print the best of each."""
    parser = argparse.ArgumentParser("python -m bench.workers", description=main.__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10, help="duration of each count")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args(argv)
    print("\n".join(f"- {line}" for line in machine.describe()), end="\n\n")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        source = records.counters(folder, 1000, 10)
        page = records.write_halves(folder, source.names, arguments.clients)
        load = Load(page, arguments.clients, settle=5, seconds=arguments.seconds, open_s=OPEN_S)
        found: dict[int, list[Result]] = {1: [], 2: []}
        with processes.ioc(source.database) as server:
            for _ in range(arguments.rounds):
                for number_of, results in found.items():
                    results.append(_measure(folder, server, load, number_of))
    best = [max(results, key=lambda each: each.per_core_second) for results in found.values()]
    rows = [
        _row(each, best[0], arguments.clients, arguments.clients * source.per_second(0.5))
        for each in best
    ]
    note = (
        "“Of one” is what the processes deliver when each uses all of a core of its own, "
        f"as a multiple of what one delivers so. Best of {arguments.rounds} rounds."
    )
    print(Table("Workers at one port", COLUMNS, rows, [note]).markdown())


def _measure(folder: Path, server: processes.Ioc, load: Load, number_of: int) -> Result:
    program = str(tools.build(folder).load)
    with (
        processes.workers(number_of, server, folder) as (port, pids),
        processes.child([program, *load.arguments(port)]) as process,
    ):
        if loader.read(process)["first_values_s"] is None:
            raise processes.ChildError(f"not all clients had all values within {OPEN_S:g} s")
        before = [procfs.Moment.of(pid) for pid in pids]
        counts = loader.read(process)
        cores = tuple(
            procfs.Moment.of(pid).cores_since(earlier)
            for pid, earlier in zip(pids, before, strict=True)
        )
    return Result(float(counts["frames_per_s"]), cores)


def _row(result: Result, one: Result, clients: int, offered: float) -> list[str]:
    return [
        f"{len(result.cores)}",
        f"{clients}",
        number(offered),
        number(result.per_second),
        " + ".join(exact(cores, 2) for cores in result.cores),
        number(result.per_core_second),
        exact(result.capacity / one.capacity, 2),
    ]


if __name__ == "__main__":
    main()
