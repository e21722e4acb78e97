"""Forks (see `fork_server`) with the interface of the reactor's child processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any, cast

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.process import ProcessReader
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.support.fork_server import fork_server, wait_status

REPORT = -1
"""The name of the pipe with the wait status, beside 1 and 2."""


def spawn(
    reactor: Any, protocol: ProcessProtocol, command: Sequence[str], environment: Mapping[str, str]
) -> IProcessTransport | ForkedProcess:
    """Start a command as a fork, or as a new process if that makes a difference."""
    if fork_server().can_run(command, environment):
        return ForkedProcess(reactor, protocol, command, environment)
    started: IProcessTransport = reactor.spawnProcess(protocol, command[0], command, environment)
    return started


class ForkedProcess:
    """Runs a command like `reactor.spawnProcess`, with an empty stdin."""

    def __init__(
        self,
        reactor: Any,
        protocol: ProcessProtocol,
        command: Sequence[str],
        environment: Mapping[str, str],
    ) -> None:
        (out, its_out), (err, its_err) = os.pipe(), os.pipe()
        given = [os.open(os.devnull, os.O_RDONLY), its_out, its_err]
        try:
            fork = fork_server().start(command, environment, *given)
        finally:
            for descriptor in given:
                os.close(descriptor)
        self.pid: int | None = fork.pid
        """The process, while it runs."""
        self._protocol = protocol
        self._reported = b""
        self._open = {1: out, 2: err, REPORT: fork.report}
        self._readers = {
            name: ProcessReader(reactor, self, name, descriptor)
            for name, descriptor in self._open.items()
        }
        protocol.makeConnection(cast(IProcessTransport, self))

    def signalProcess(self, name: str) -> None:
        """Send a signal, such as TERM."""
        if self.pid is None:
            raise ProcessExitedAlready
        os.kill(self.pid, signal.Signals[f"SIG{name}"])

    def closeStdout(self) -> None:
        """Close stdout."""
        self._readers[1].loseConnection()

    def childDataReceived(self, name: int, data: bytes) -> None:
        """Handle data from a pipe."""
        if name == REPORT:
            self._reported += data
            self.pid = None
        else:
            self._protocol.childDataReceived(name, data)

    def childConnectionLost(self, name: int, reason: Failure) -> None:
        """Close a pipe that has ended; when all have, report the end of the process."""
        os.close(self._open.pop(name))
        if not self._open:
            self.pid = None
            status = wait_status(self._reported)
            code = os.waitstatus_to_exitcode(status)
            ending = ProcessTerminated(max(code, 0) or None, max(-code, 0) or None, status)
            self._protocol.processEnded(Failure(ending if code else ProcessDone(status)))
