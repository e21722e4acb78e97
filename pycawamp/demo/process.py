"""A real IOC as a child process, for the demo and for tests."""

from __future__ import annotations

import contextlib
import re
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from signal import Signals

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import (
    IDelayedCall,
    IProcessTransport,
    IReactorProcess,
    IReactorTime,
)
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from pycawamp.demo import softioc
from pycawamp.demo.ports import CAPorts, PVAPorts, free_ports
from pycawamp.demo.records import DATABASE, GROUPS, PICTURES, RECORDS

__all__ = ["CAPorts", "DemoIOC", "IOCError", "SoftIOC", "free_ports", "ioc_command"]

STOP_SECONDS = 1.0
RESTART_SECONDS = 2.0
LONGEST_RESTART_SECONDS = 60.0
KEPT_LINES = 200
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def ioc_command(
    databases: Sequence[str], macros: str = "", access_file: str | None = None
) -> list[str]:
    """Return the command line of an IOC that prints `softioc.READY` and ends with its stdin.

    Args:
        databases: Paths of record databases.
        macros: Macros of all databases, such as `P=demo:,N=1`.
        access_file: Path of an access security file.
    """
    # By its path and not with -m, so that the module is found from any directory, installed
    # or not, and no file in the user's directory takes precedence.
    command = [sys.executable, softioc.__file__]
    # Absolute, as daemons change their directory.
    command += [str(Path(path).absolute()) for path in databases]
    command += ["--macros", macros]
    if access_file is not None:
        command += ["--access-file", str(Path(access_file).absolute())]
    return command


class IOCError(Exception):
    """The IOC did not start, or ended during a query; the text has its output."""


class SoftIOC:
    """An IOC in a child process, which ends with this process in any case.

    To restart an IOC, create another SoftIOC with the same ports.
    """

    def __init__(  # noqa: PLR0913 (the optional parts of an IOC)
        self,
        reactor: IReactorProcess,
        databases: Sequence[str],
        macros: str = "",
        ports: CAPorts | None = None,
        access_file: str | None = None,
        *,
        pva_ports: PVAPorts | None = None,
        pictures: str = "",
    ) -> None:
        self.ports = ports if ports is not None else free_ports()
        self.pva_ports = pva_ports
        """The ports for pvAccess; None if it is not served."""
        self.output: deque[str] = deque(maxlen=KEPT_LINES)
        self._reactor = reactor
        self._command = ioc_command(databases, macros, access_file)
        if pva_ports is not None:
            self._command.append("--pva")
        if pictures:
            self._command += ["--pictures", pictures]
        self._transport: IProcessTransport | None = None
        self._answer: list[str] = []
        self._awaited: deque[Deferred[str]] = deque()
        self._watchers: list[Deferred[str]] = []

    @property
    def running(self) -> bool:
        """Whether the process is running."""
        return self._transport is not None

    def start(self) -> Deferred[None]:
        """Start the IOC.

        Returns:
            A Deferred that fires when its records are available. It fails with IOCError.
        """
        ready = self._await_answer().addCallback(_nothing)
        self._transport = self._reactor.spawnProcess(
            _IOCProtocol(self), self._command[0], self._command, env=self._environment()
        )
        return ready

    def _environment(self) -> dict[str, str]:
        environment = self.ports.ioc_environment()
        if self.pva_ports is None:
            return environment
        plain = {k: text for k, text in environment.items() if not k.startswith("EPICS_PVA")}
        return plain | self.pva_ports.server_environment()

    def command(self, line: str) -> None:
        """Execute a line in the IOC shell, such as `dbpf("X","5")`."""
        self.query(line).addErrback(_nothing)

    def query(self, line: str) -> Deferred[str]:
        """Execute a line in the IOC shell; return a Deferred of its output on stdout."""
        if self._transport is None:
            raise IOCError("the IOC is not running")
        self._transport.write(f"{line}\n".encode())
        return self._await_answer()

    def kill(self) -> None:
        """Kill the IOC, as in a crash."""
        self.signal("KILL")

    def signal(self, name: str) -> None:
        """Send a signal, such as `STOP`, if the process is running."""
        if self._transport is not None:
            with contextlib.suppress(ProcessExitedAlready):
                self._transport.signalProcess(Signals[f"SIG{name}"])

    def stop(self) -> Deferred[None]:
        """Stop the IOC, and kill it if that takes too long. Fires when it has ended."""
        if self._transport is None:
            return succeed(None)
        force = IReactorTime(self._reactor).callLater(STOP_SECONDS, self.kill)
        gone = self.when_ended()
        self._transport.closeStdin()
        return gone.addCallback(lambda _: force.cancel() if force.active() else None)

    def when_ended(self) -> Deferred[str]:
        """Return a Deferred that fires with the reason as text when the process has ended."""
        if self._transport is None:
            return succeed("the IOC is not running")
        watcher: Deferred[str] = Deferred()
        self._watchers.append(watcher)
        return watcher

    def _await_answer(self) -> Deferred[str]:
        answer: Deferred[str] = Deferred()
        self._awaited.append(answer)
        return answer

    def _line_received(self, line: str, stdout: bool) -> None:
        if stdout and line == softioc.READY:
            answer, self._answer = "\n".join(self._answer), []
            self._awaited.popleft().callback(answer)
            return
        self.output.append(line)
        if stdout:
            self._answer.append(line)

    def _ended(self, reason: str) -> None:
        self._transport = None
        awaited, self._awaited = self._awaited, deque()
        watchers, self._watchers = self._watchers, []
        for answer in awaited:
            answer.errback(IOCError("\n".join([reason, *self.output])))
        for watcher in watchers:
            watcher.callback(reason)


class _IOCProtocol(ProcessProtocol):
    """Splits the child's output into lines."""

    def __init__(self, ioc: SoftIOC) -> None:
        self._ioc = ioc
        self._partial = {1: b"", 2: b""}

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Called with output of the process."""
        *lines, self._partial[childFD] = (self._partial[childFD] + data).split(b"\n")
        for line in lines:
            text = _COLOURS.sub("", line.decode(errors="replace")).rstrip()
            self._ioc._line_received(text, stdout=childFD == 1)

    def processEnded(self, reason: Failure) -> None:
        """Called when the process has ended and all output was read."""
        self._ioc._ended(f"the IOC has exited: {reason.getErrorMessage()}")


def _nothing(_: object) -> None:
    """Ignore a result."""


class DemoIOC(Service):
    """A service that runs the demo IOC, and restarts it when it exits."""

    _log = Logger()

    def __init__(
        self,
        reactor: IReactorProcess,
        ports: CAPorts | None = None,
        restart_seconds: float = RESTART_SECONDS,
        pva_ports: PVAPorts | None = None,
    ) -> None:
        self.ports = ports if ports is not None else free_ports()
        self.pva_ports = pva_ports if pva_ports is not None else PVAPorts.free()
        self._reactor = reactor
        self._first_delay = self._delay = restart_seconds
        self._restart: IDelayedCall | None = None
        self._ioc = self._new_ioc()
        self._waiting: list[Deferred[SoftIOC]] = []

    def client_environment(self) -> dict[str, str]:
        """Return the environment variables with which clients find this IOC only."""
        return self.ports.client_environment() | self.pva_ports.client_environment()

    def startService(self) -> None:
        """Start the IOC."""
        super().startService()  # type: ignore[no-untyped-call]
        self._launch()

    def stopService(self) -> Deferred[None]:
        """Stop the IOC; fires when it has ended."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None
        return self._ioc.stop()

    def when_up(self) -> Deferred[SoftIOC]:
        """Return a Deferred that fires with the IOC when its records are available."""
        waiter: Deferred[SoftIOC] = Deferred()
        self._waiting.append(waiter)
        return waiter

    def _new_ioc(self) -> SoftIOC:
        # The prefix is the default of the database, but is given because EPICS would prefer
        # an environment variable P.
        return SoftIOC(
            self._reactor,
            [DATABASE],
            "P=demo:",
            self.ports,
            pva_ports=self.pva_ports,
            pictures=PICTURES,
        )

    def _launch(self) -> None:
        self._restart = None
        self._ioc = self._new_ioc()
        # Errors are reported by _ended.
        self._ioc.start().addCallbacks(self._up, _nothing)
        self._ioc.when_ended().addCallback(self._ended)

    def _up(self, _: None) -> None:
        self._delay = self._first_delay
        count = len(RECORDS) + len(GROUPS)
        self._log.info("The demo IOC serves {count} PVs", count=count)
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(self._ioc)

    def _ended(self, reason: str) -> None:
        if not self.running:
            return
        self._log.error(
            "{reason} It is restarted in {delay} s. Its last output:\n{output}",
            reason=reason,
            delay=self._delay,
            output="\n".join(list(self._ioc.output)[-5:]),
        )
        self._restart = IReactorTime(self._reactor).callLater(self._delay, self._launch)
        self._delay = min(2 * self._delay, LONGEST_RESTART_SECONDS)
