"""Run benchmark scenarios and print Markdown tables.

See bench/README.md. Progress is printed to stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench import (
    dialects,
    fanout,
    inbound,
    machine,
    memory,
    opening,
    processes,
    source,
    stress,
    tools,
    traffic,
    version2,
)
from bench.processes import ChildError
from bench.report import Table
from bench.settings import IN_PYTHON, NAIVE, OURS, Settings

SCENARIOS: dict[str, Callable[[Settings], list[Table]]] = {
    "fanout": fanout.fanout,
    "traffic": traffic.traffic,
    "dialects": dialects.dialects,
    "inbound": inbound.inbound,
    "source": source.source,
    "connect": inbound.connect,
    "opening": opening.opening,
    "memory": memory.memory,
    "overload": stress.overload,
    "slow": stress.slow,
    "crowd": stress.crowd,
    "version2": version2.version2,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the scenarios; return 1 if one failed."""
    arguments = _parser().parse_args(argv)
    # SIGTERM unwinds the stack like Ctrl-C, so that child processes are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    processes.allow_many_files()
    print("\n".join(f"- {line}" for line in machine.describe()), flush=True)
    with _folder(arguments.profile) as folder, contextlib.suppress(KeyboardInterrupt):
        settings = _settings(arguments, folder)
        failed = [name for name in _chosen(arguments) if not _run(name, settings)]
        return 1 if failed else 0
    return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m bench.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, for a smoke test")
    parser.add_argument("--only", metavar="A,B", help=f"run only some of {', '.join(SCENARIOS)}")
    parser.add_argument("--seconds", type=float, default=10, help="duration of each count")
    parser.add_argument("--no-naive", action="store_true", help="without the naive build")
    parser.add_argument(
        "--soak", type=float, default=0, metavar="MINUTES", help="also run a soak test"
    )
    parser.add_argument("--profile", action="store_true", help="profile the gateway with py-spy")
    return parser


def _chosen(arguments: argparse.Namespace) -> list[str]:
    chosen = arguments.only.split(",") if arguments.only else list(SCENARIOS)
    unknown = [name for name in chosen if name not in SCENARIOS]
    if unknown:
        sys.exit(f"no scenario {', '.join(unknown)}: there are {', '.join(SCENARIOS)}")
    return [*chosen, "soak"] if arguments.soak else chosen


def _settings(arguments: argparse.Namespace, folder: Path) -> Settings:
    return Settings(
        seconds=arguments.seconds,
        quick=arguments.quick,
        builds=(OURS, IN_PYTHON) if arguments.no_naive else (OURS, IN_PYTHON, NAIVE),
        soak_minutes=arguments.soak,
        profile=arguments.profile,
        folder=folder,
        tools=tools.build(folder),
    )


def _run(name: str, settings: Settings) -> bool:
    began = time.monotonic()
    print(f"{name} ...", file=sys.stderr, flush=True)
    try:
        tables = {**SCENARIOS, "soak": memory.soak}[name](settings)
    except (ChildError, OSError, subprocess.SubprocessError) as error:
        print(f"\n### {name}\n\nfailed: {error}", flush=True)
        return False
    print(*(f"\n{table.markdown()}" for table in tables), sep="\n", flush=True)
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return True


@contextlib.contextmanager
def _folder(keep: bool) -> Iterator[Path]:
    """A folder for databases, pages and logs; profiles in it outlive the run."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
