"""`twistd pycaserver` and other programs, as child processes whose output lines are awaited."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from attrs import frozen
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from pycawamp.testing import NotSeenError
from tests.support.fork_server import REQUIRED
from tests.support.forked_process import ForkedProcess, spawn
from tests.support.timing import TIMEOUT

READY = r"pycaserver is ready:.* (\S+)$"
"""Its log line when it is ready; the group is the address."""

_LIMITED = """
import resource, runpy, sys
soft, hard, *sys.argv = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_NOFILE, (int(soft), int(hard)))
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a script with limits of file descriptors."""


@frozen
class Ended:
    """The end of a process: the exit status or the signal; the other one is None."""

    status: int | None
    signal: int | None
    seconds: float
    """By the reactor's clock."""


class Twistd:
    """One run of twistd.

    Of the EPICS_* environment, it only gets the given variables. It is a fork if it `may_fork`,
    and if that makes no difference (see `fork_server`), else a new process.
    """

    def __init__(
        self,
        reactor: Any,
        environment: Mapping[str, str] | None = None,
        descriptors: tuple[int, int] | None = None,
        *,
        may_fork: bool = True,
    ) -> None:
        self.lines: list[str] = []
        """Its output on stdout and stderr."""
        self.errors: list[str] = []
        """Its output on stderr."""
        self.on_line: Callable[[str], object] = lambda line: None
        """Called with each line."""
        self._reactor = reactor
        plain = {key: text for key, text in os.environ.items() if not key.startswith("EPICS_")}
        self._environment = {**plain, **REQUIRED, **(environment or {})}
        self._descriptors = descriptors
        """The soft and the hard limit of file descriptors, if not those of the tests."""
        self._may_fork = may_fork
        self._transport: IProcessTransport | ForkedProcess | None = None
        self._ended: Ended | None = None
        self._waiting: list[tuple[re.Pattern[str], Deferred[re.Match[str]]]] = []
        self._ending: list[Deferred[Ended]] = []

    def start(self, *arguments: str, program: str = "twistd", shared: int | None = None) -> None:
        """Run it, in a directory of the test's own; or another program beside Python."""
        beside = Path(sys.executable).with_name(program)
        found = str(beside) if beside.exists() else shutil.which(program) or program
        command = [sys.executable, found, *arguments]
        self.run(command, shared)

    def run(self, command: list[str], shared: int | None = None) -> None:
        """Run any command; its lines are awaited in the same way.

        `shared` is the descriptor of a socket that is passed to it like by systemd (as 3).
        """
        if self._descriptors is not None:
            limits = [str(limit) for limit in self._descriptors]
            command = [sys.executable, "-c", _LIMITED, *limits, *command[1:]]
        if self._may_fork and shared is None:
            self._transport = spawn(self._reactor, _Protocol(self), command, self._environment)
            return
        if shared is not None:
            command = [
                "/bin/sh",
                "-c",
                'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=shared exec "$@"',
                "sh",
                *command,
            ]
        self._transport = self._reactor.spawnProcess(
            _Protocol(self),
            command[0],
            command,
            self._environment,
            childFDs={0: "w", 1: "r", 2: "r"} | ({} if shared is None else {3: shared}),
        )

    @property
    def pid(self) -> int:
        """The process ID, while it runs."""
        pid = self._transport.pid if self._transport is not None else None
        if pid is None:
            raise RuntimeError("it does not run")
        return int(pid)

    def serve(self, *options: str) -> Deferred[re.Match[str]]:
        """Run the gateway in the foreground; fires with the match of READY."""
        self.start("-n", "--pidfile=", "pycaserver", *options)
        return self.until_line(READY)

    def until_line(self, pattern: str) -> Deferred[re.Match[str]]:
        """Fires with the match of the first line that matches, including earlier lines."""
        expected = re.compile(pattern)
        for line in self.lines:
            if match := expected.search(line):
                return succeed(match)
        found: Deferred[re.Match[str]] = Deferred()
        self._waiting.append((expected, found))
        return found.addTimeout(TIMEOUT, self._reactor, lambda *_: self._not_seen(pattern))

    def signal(self, name: str) -> None:
        """Send a signal, such as TERM; does nothing if it has ended."""
        if self._transport is not None and self._ended is None:
            with contextlib.suppress(ProcessExitedAlready):
                self._transport.signalProcess(name)

    def when_ended(self) -> Deferred[Ended]:
        """Fires when it has ended."""
        if self._ended is not None:
            return succeed(self._ended)
        ending: Deferred[Ended] = Deferred()
        self._ending.append(ending)
        return ending.addTimeout(TIMEOUT, self._reactor, lambda *_: self._not_seen("its end"))

    def kill(self) -> Deferred[Ended | None]:
        """Kill it if it runs; fires when it has ended."""
        if self._transport is None:
            return succeed(None)
        self.signal("KILL")
        return cast("Deferred[Ended | None]", self.when_ended())

    def _not_seen(self, what: str) -> Any:
        raise NotSeenError(f"{what} was not found in the output: {self.lines[-20:]}")

    def line_received(self, line: str, is_error: bool) -> None:
        """Handle a line of its output."""
        self.lines.append(line)
        self.on_line(line)
        if is_error:
            self.errors.append(line)
        for expected, found in list(self._waiting):
            if (match := expected.search(line)) and not found.called:
                self._waiting.remove((expected, found))
                found.callback(match)

    def gone(self, reason: Any) -> None:
        """Record its end."""
        status = 0 if isinstance(reason, ProcessDone) else reason.exitCode
        self._ended = Ended(status, reason.signal, self._reactor.seconds())
        waiting, self._waiting = self._waiting, []
        for expected, found in waiting:
            if not found.called:
                found.errback(
                    Failure(
                        NotSeenError(f"{expected.pattern}: it ended with the output {self.lines}")
                    )
                )
        ending, self._ending = self._ending, []
        for waiter in ending:
            waiter.callback(self._ended)


def listens(port: int) -> bool:
    """Return whether a process listens on a port of the loopback interface."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class _Protocol(ProcessProtocol):
    """Splits both streams into lines."""

    def __init__(self, run: Twistd) -> None:
        self._run = run
        self._partial = {1: b"", 2: b""}

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        *lines, self._partial[childFD] = (self._partial[childFD] + data).split(b"\n")
        for line in lines:
            self._run.line_received(line.decode(errors="replace"), childFD == 2)

    def processEnded(self, reason: Failure) -> None:
        for descriptor, rest in self._partial.items():
            if rest:
                self._run.line_received(rest.decode(errors="replace"), descriptor == 2)
        self._run.gone(reason.value)
