"""Run the tests in several processes: `python -m tests`.

`trial -j` distributes single tests, so each of its workers starts the programs that the tests of a
module share: IOCs, gateways, a browser. Here a worker, which also is trial, takes whole modules.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any
from unittest import TestResult, TestSuite

from attrs import define, field
from twisted.python.failure import Failure
from twisted.trial.reporter import VerboseTextReporter
from twisted.trial.runner import ErrorHolder, TestLoader, TrialRunner

from tests.support.process_state import changes, process_state

TESTS = Path(__file__).parent
BROWSER = "tests.console."
"""Modules with a browser, which takes seconds to start: a third of the workers begin with them."""
SLOW = tuple(f"tests.{name}." for name in ("bus", "epics2web", "pv", "pvws", "service", "web"))
"""Packages with modules that take half a minute."""
IMPORTED = ("hypothesis", "pycawamp.service.app")
"""Modules that most tests import."""
NAME_BYTES = 128
"""Size of a name in a queue."""


def main() -> int:
    """Run tests in several processes, module by module."""
    parser = argparse.ArgumentParser(prog="python -m tests", description=main.__doc__)
    parser.add_argument("-j", "--jobs", type=int, default=6, help="number of processes (6)")
    parser.add_argument("--temp-directory", type=Path, default=Path("_trial_temp"), help="trial's")
    parser.add_argument("--queues", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", help="packages or modules, as tests.web; or all")
    arguments = parser.parse_args()
    if arguments.queues:
        return work(arguments.queues, arguments.temp_directory)
    try:
        modules = sorted(set(modules_of(arguments.names or ["tests"])), key=place_of)
    except LookupError as error:
        parser.error(str(error))
    return run(modules, arguments.jobs, arguments.temp_directory)


def place_of(module: str) -> tuple[bool, str]:
    """Return a sort key for modules: long ones first, so that all processes end together."""
    return not module.startswith(SLOW), module


def modules_of(names: Iterable[str]) -> Iterator[str]:
    """Return the modules with tests of some packages.

    Raises:
        LookupError: There are no tests with a name.
    """
    for name in names:
        place = TESTS.parent.joinpath(*name.split("."))
        paths = [*place.rglob("test_*.py"), *place.parent.glob(f"{place.name}.py")]
        if not paths or TESTS.name != name.partition(".")[0]:
            raise LookupError(f"{name} has no tests: expected a package or module as tests.web")
        for path in paths:
            yield ".".join(path.relative_to(TESTS.parent).with_suffix("").parts)


def run(modules: Sequence[str], jobs: int, directory: Path) -> int:
    """Run modules in some processes, and print their output; return the exit status."""
    began = time.monotonic()
    browser = queue(name for name in modules if name.startswith(BROWSER))
    others = queue(name for name in modules if not name.startswith(BROWSER))
    workers = []
    for number in range(min(jobs, len(modules))):
        queues = (others, browser) if number % 3 else (browser, others)
        place = directory.with_name(f"{directory.name}-{number}")
        workers.append(Worker.start(queues, place))
    statuses = [worker.wait() for worker in workers]
    counts: Counter[str] = Counter()
    for worker, status in zip(workers, statuses, strict=True):
        print("".join(worker.report), end="")
        counts += worker.counts
        if "tests" not in worker.counts:
            print(f"A process ended with status {status}, in the last test above without a result.")
    tests = counts.pop("tests", 0)
    print(f"Ran {tests} tests in {time.monotonic() - began:.3f}s\n")
    is_success = tests and not any(statuses) and all("tests" in each.counts for each in workers)
    summary = ", ".join(f"{name}={number}" for name, number in sorted(counts.items()))
    print(f"{'PASSED' if is_success else 'FAILED'} ({summary})")
    return 0 if is_success else 1


def queue(names: Iterable[str]) -> IO[bytes]:
    """Return a file of names, from which processes that have it open read in turn."""
    file = tempfile.TemporaryFile()  # noqa: SIM115
    file.write(b"".join(name.encode().ljust(NAME_BYTES) for name in names))
    file.seek(0)
    return file


def names_of(queues: Iterable[int]) -> Iterator[str]:
    """Return names that no other process has read, until there are none."""
    for descriptor in queues:
        while name := os.read(descriptor, NAME_BYTES):
            yield name.decode().rstrip()


@define
class Worker:
    """A process that runs modules, and a thread that reads its output."""

    process: subprocess.Popen[str]
    report: list[str] = field(factory=list)
    """trial's output after the tests, with the complete failures."""
    counts: Counter[str] = field(factory=Counter)
    """The counts in trial's last line."""
    thread: threading.Thread = field(init=False)

    @classmethod
    def start(cls, queues: Sequence[IO[bytes]], directory: Path) -> Worker:
        """Start a worker with its own directory."""
        descriptors = [file.fileno() for file in queues]
        command = [sys.executable, "-m", "tests", "--temp-directory", str(directory)]
        worker = cls(
            subprocess.Popen(
                [*command, "--queues", *map(str, descriptors)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                pass_fds=descriptors,
            )
        )
        worker.thread = threading.Thread(target=worker.read)
        worker.thread.start()
        return worker

    def read(self) -> None:
        """Print results as they arrive, and store the other output."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if self.report or line.startswith(("=====", "-----")):
                self.report.append(line)
                self._count(line)
            else:
                print(line, end="", flush=True)

    def wait(self) -> int:
        """Return the exit status."""
        self.thread.join()
        return self.process.wait()

    def _count(self, line: str) -> None:
        if found := re.fullmatch(r"Ran (\d+) tests in .*\n", line):
            self.counts["tests"] += int(found[1])
        elif line.startswith(("PASSED", "FAILED")):
            for name, number in re.findall(r"(\w+)=(\d+)", line):
                self.counts[name] += int(number)


class Modules(TestSuite):
    """The tests of modules, which are loaded one after the other.

    If a module leaves the state of the process changed, that is reported as an error.
    """

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self._names = names

    def run(self, result: TestResult, debug: bool = False) -> TestResult:
        """Run the tests of each."""
        for name in self._names:
            tests = TestLoader().loadByName(name)
            before = process_state()
            tests.run(result)
            if changed := changes(before, process_state()):
                text = f"the tests of a module did not restore the state of the process: {changed}"
                ErrorHolder(name, Failure(AssertionError(text))).run(result)
        return result

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Run the tests, as unittest does."""
        return self.run(*arguments, **named)


def work(queues: Sequence[int], directory: Path) -> int:
    """Run the modules of queues under trial; return the exit status."""
    for name in IMPORTED:
        importlib.import_module(name)
    # Exclude imported objects from garbage collections, which saves a sixth of the CPU time.
    gc.collect()
    gc.freeze()
    runner = TrialRunner(VerboseTextReporter, workingDirectory=str(directory))
    result: Any = runner.run(Modules(names_of(queues)))
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
