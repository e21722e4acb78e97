"""Updates that are lost by faults, and the time to recover.

Usage: `python -m bench.faults`. It prints a Markdown table. Everything runs on the loopback
interface, or in a network namespace of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from bench import machine, outages, processes, shortages, tools
from bench.fault import Case, Outcome, Skipped
from bench.processes import ChildError
from bench.report import Table, exact
from pycawamp.service.clock import use_monotonic_clock

FAULTS: dict[str, Callable[[Case], Awaitable[Outcome]]] = {
    "ioc-killed": outages.ioc_killed,
    "ioc-frozen": outages.ioc_frozen,
    "network-cut": outages.network_cut,
    "overload": shortages.overloaded,
    "crowd": shortages.crowd,
    "clock": shortages.clock_steps,
    "disk": shortages.full_disk,
    "descriptors": shortages.descriptors_out,
}
COLUMNS = (
    "fault",
    "lost",
    "counted",
    "by the IOC",
    "seen by clients",
    "median / longest s",
    "of what",
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the scenarios; return 1 if one failed."""
    parser = argparse.ArgumentParser("python -m bench.faults", description=__doc__)
    parser.add_argument("--only", metavar="A,B", help=f"run only some of {', '.join(FAULTS)}")
    parser.add_argument("--kills", type=int, default=10, help="how often the IOC is killed")
    parser.add_argument("--minutes", type=float, default=0.5, help="duration of the overload")
    parser.add_argument("--quick", action="store_true", help="a tenth of the PVs and clients")
    arguments = parser.parse_args(argv)
    chosen = arguments.only.split(",") if arguments.only else list(FAULTS)
    unknown = [name for name in chosen if name not in FAULTS]
    if unknown:
        parser.error(f"no fault {', '.join(unknown)}: there are {', '.join(FAULTS)}")
    # SIGTERM unwinds the stack like Ctrl-C, so that child processes are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    processes.allow_many_files()
    react(lambda reactor: Deferred.fromCoroutine(_run(reactor, arguments, chosen)))


async def _run(reactor: Any, arguments: argparse.Namespace, chosen: Sequence[str]) -> None:
    use_monotonic_clock(reactor)
    print("\n".join(f"- {line}" for line in machine.describe()), end="\n\n", flush=True)
    rows, notes = [], []
    failed = False
    for name in chosen:
        print(f"{name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            case = Case(
                reactor,
                Path(folder),
                tools.build(Path(folder)),
                arguments.kills,
                arguments.minutes,
                arguments.quick,
            )
            try:
                outcome = await FAULTS[name](case)
            except Skipped as reason:
                notes.append(f"{name}: not run: {reason}")
            except (ChildError, OSError, subprocess.SubprocessError) as error:
                failed = True
                notes.append(f"{name}: failed: {error}")
            else:
                rows.append(_row(outcome))
                print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
                failed = failed or outcome.lost > outcome.counted + outcome.upstream
    print(Table("Faults", COLUMNS, rows, notes).markdown() if rows else "\n".join(notes))
    if failed:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
        sys.exit(1)


def _row(outcome: Outcome) -> list[str]:
    return [
        outcome.fault,
        f"{outcome.lost:,}",
        f"{outcome.counted:,}",
        f"{outcome.upstream:,}",
        outcome.seen,
        f"{exact(outcome.median, 2)} / {exact(outcome.longest, 2)}",
        outcome.measured,
    ]


if __name__ == "__main__":
    main()
