"""A real IOC as a child process, for code that may block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Lock

from pycawamp.demo import softioc
from pycawamp.demo.process import CAPorts, IOCError, ioc_command


class IOCProcess:
    """One run of an IOC, which ends with this process in any case. Every call blocks."""

    def __init__(
        self, databases: Sequence[str], ports: CAPorts, log: Path, access_file: str | None = None
    ) -> None:
        """Start it; returns when it is ready.

        Args:
            databases: Paths of record databases.
            ports: The ports on which it listens.
            log: Receives its output on stderr.
            access_file: Path of an access security file.

        Raises IOCError, with its output, if it ends before.
        """
        self._log = log
        self._talking = Lock()
        with log.open("w") as stderr:
            self._process = Popen(
                ioc_command(databases, "", access_file),
                stdin=PIPE,
                stdout=PIPE,
                stderr=stderr,
                text=True,
                env=ports.ioc_environment(),
            )
        self._answer()

    @property
    def pid(self) -> int:
        """Its process ID."""
        return self._process.pid

    def query(self, line: str) -> str:
        """Run one line in its shell; return the output."""
        assert self._process.stdin is not None
        with self._talking:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
            return self._answer()

    def kill(self) -> None:
        """Kill it, as in a crash."""
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        lines: list[str] = []
        for line in self._process.stdout:
            if line.rstrip() == softioc.READY:
                return "\n".join(lines)
            lines.append(line.rstrip())
        raise IOCError(f"the IOC ended: {self._log.read_text()}")
