"""A real IOC as a child process, seen from its parent: for the demo, and for tests."""

from __future__ import annotations

import contextlib
import re
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path

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
from pycawamp.demo.ports import CAPorts, free_ports
from pycawamp.demo.records import DATABASE, RECORDS

__all__ = ["CAPorts", "DemoIOC", "IOCError", "SoftIOC", "free_ports", "ioc_command"]

STOP_SECONDS = 1.0
RESTART_SECONDS = 2.0
LONGEST_RESTART_SECONDS = 60.0
KEPT_LINES = 200
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def ioc_command(
    databases: Sequence[str], macros: str = "", access_file: str | None = None
) -> list[str]:
    """Return the command of an IOC that says `softioc.READY` and ends with its stdin.

    Args:
        databases: paths of record databases.
        macros: for all databases, such as `P=demo:,N=1`.
        access_file: path of an access security file.
    """
    # By its path and not by -m: the module is then found from any directory, installed
    # or not, and a file in the user's directory cannot come in front of the library's.
    command = [sys.executable, softioc.__file__]
    # Absolute, since a daemon changes its directory.
    command += [str(Path(path).absolute()) for path in databases]
    command += ["--macros", macros]
    if access_file is not None:
        command += ["--access-file", str(Path(access_file).absolute())]
    return command


class IOCError(Exception):
    """The IOC did not start, or ended while something was asked of it; says what it said."""


class SoftIOC:
    """One run of an IOC in a child process that ends with this one, however this one ends.

    To restart an IOC make another SoftIOC with the same ports.
    """

    def __init__(
        self,
        reactor: IReactorProcess,
        databases: Sequence[str],
        macros: str = "",
        ports: CAPorts | None = None,
        access_file: str | None = None,
    ) -> None:
        self.ports = ports if ports is not None else free_ports()
        self.output: deque[str] = deque(maxlen=KEPT_LINES)
        self._reactor = reactor
        self._command = ioc_command(databases, macros, access_file)
        self._transport: IProcessTransport | None = None
        self._answer: list[str] = []
        self._awaited: deque[Deferred[str]] = deque()
        self._watchers: list[Deferred[str]] = []

    @property
    def running(self) -> bool:
        """True from start until the child has gone."""
        return self._transport is not None

    def start(self) -> Deferred[None]:
        """Fires once the IOC serves; fails with IOCError if it ends before."""
        ready = self._await_answer().addCallback(_nothing)
        self._transport = self._reactor.spawnProcess(
            _IOCProtocol(self), self._command[0], self._command, env=self.ports.ioc_environment()
        )
        return ready

    def command(self, line: str) -> None:
        """Runs one line in the IOC shell, such as ``dbpf("X","5")``; errors go to the output."""
        self.query(line).addErrback(_nothing)

    def query(self, line: str) -> Deferred[str]:
        """Runs one line in the IOC shell; fires with what that printed on stdout."""
        if self._transport is None:
            raise IOCError("the IOC is not running")
        self._transport.write(f"{line}\n".encode())
        return self._await_answer()

    def kill(self) -> None:
        """Ends the IOC as a crash would: no goodbye to its clients."""
        self.signal("KILL")

    def signal(self, name: str) -> None:
        """Send a signal, such as ``STOP``; none if the child has gone."""
        if self._transport is not None:
            with contextlib.suppress(ProcessExitedAlready):
                self._transport.signalProcess(name)

    def stop(self) -> Deferred[None]:
        """Ends the IOC in order; by force if that takes too long. Fires when it has gone."""
        if self._transport is None:
            return succeed(None)
        force = IReactorTime(self._reactor).callLater(STOP_SECONDS, self.kill)
        gone = self.when_ended()
        self._transport.closeStdin()
        return gone.addCallback(lambda _: force.cancel() if force.active() else None)

    def when_ended(self) -> Deferred[str]:
        """Fires with the reason, in words, when the child has gone (at once, if it has)."""
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
    """Cuts the child's two streams into lines."""

    def __init__(self, ioc: SoftIOC) -> None:
        self._ioc = ioc
        self._partial = {1: b"", 2: b""}

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Overrides ProcessProtocol: data of stdout or stderr."""
        *lines, self._partial[childFD] = (self._partial[childFD] + data).split(b"\n")
        for line in lines:
            text = _COLOURS.sub("", line.decode(errors="replace")).rstrip()
            self._ioc._line_received(text, stdout=childFD == 1)

    def processEnded(self, reason: Failure) -> None:
        """Overrides ProcessProtocol: the child is gone and has no more to say."""
        self._ioc._ended(f"the IOC is gone: {reason.getErrorMessage()}")


def _nothing(_: object) -> None:
    """Drops a result."""


class DemoIOC(Service):
    """Runs the IOC with the demo's records while the service runs; one that dies, again."""

    _log = Logger()

    def __init__(
        self,
        reactor: IReactorProcess,
        ports: CAPorts | None = None,
        restart_seconds: float = RESTART_SECONDS,
    ) -> None:
        self.ports = ports if ports is not None else free_ports()
        self._reactor = reactor
        self._first_delay = self._delay = restart_seconds
        self._restart: IDelayedCall | None = None
        self._ioc = self._new_ioc()
        self._waiting: list[Deferred[SoftIOC]] = []

    def startService(self) -> None:
        """Overrides Service: starts the IOC."""
        super().startService()  # type: ignore[no-untyped-call]
        self._launch()

    def stopService(self) -> Deferred[None]:
        """Overrides Service: fires when the IOC has gone."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None
        return self._ioc.stop()

    def when_up(self) -> Deferred[SoftIOC]:
        """Fires with the IOC as soon as the next one serves."""
        waiter: Deferred[SoftIOC] = Deferred()
        self._waiting.append(waiter)
        return waiter

    def _new_ioc(self) -> SoftIOC:
        # The prefix is given, though it is the database's default, because EPICS would take
        # an environment variable named P first.
        return SoftIOC(self._reactor, [DATABASE], "P=demo:", self.ports)

    def _launch(self) -> None:
        self._restart = None
        self._ioc = self._new_ioc()
        # What goes wrong is told once, by _ended.
        self._ioc.start().addCallbacks(self._up, _nothing)
        self._ioc.when_ended().addCallback(self._ended)

    def _up(self, _: None) -> None:
        self._delay = self._first_delay
        self._log.info("the demo IOC serves {count} records", count=len(RECORDS))
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(self._ioc)

    def _ended(self, reason: str) -> None:
        if not self.running:
            return
        self._log.error(
            "{reason} It starts again in {delay} s. It last said:\n{output}",
            reason=reason,
            delay=self._delay,
            output="\n".join(list(self._ioc.output)[-5:]),
        )
        self._restart = IReactorTime(self._reactor).callLater(self._delay, self._launch)
        self._delay = min(2 * self._delay, LONGEST_RESTART_SECONDS)
