"""Profiles with py-spy, if it is installed."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench.processes import child
from bench.settings import Settings

SHOWN = 20
_numbers = itertools.count(1)


@contextlib.contextmanager
def recorded(settings: Settings, pid: int, seconds: float, what: str) -> Iterator[None]:
    """Profile a process during the block, and print the most expensive functions.

    The folded stacks stay in the run's folder; speedscope and flamegraph.pl open them.
    """
    program = find()
    if program is None:
        print("py-spy is not installed: no profile", file=sys.stderr)
        yield
        return
    stacks = settings.folder / f"profile-{next(_numbers)}.folded"
    command = [program, "record", "--pid", str(pid), "--duration", str(round(seconds))]
    command += ["--rate", "200", "--format", "raw", "--output", str(stacks)]
    with child(command, log=stacks.with_suffix(".log")) as process:
        yield
        process.wait(60)
    if stacks.exists():
        print(f"\n{what}: {stacks}\n{_dearest(stacks)}", file=sys.stderr)


def find() -> str | None:
    """Return the path of py-spy, of this environment or of the system."""
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


def _dearest(stacks: Path) -> str:
    """Return the share of the samples for each function, by the sum of its lines."""
    own: Counter[str] = Counter()
    for line in stacks.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        function = stack.split(";")[-1]
        own[function.rpartition(":")[0] or function] += int(count)
    total = own.total() or 1
    return "\n".join(f"{100 * n / total:5.1f} %  {name})" for name, n in own.most_common(SHOWN))
