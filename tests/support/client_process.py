"""The command line as a child process whose output is awaited, or within this process."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Generator
from typing import Any

import attrs
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from pycawamp.client.arguments import parse
from pycawamp.client.commands import Run
from pycawamp.client.console import Console
from pycawamp.testing import NotSeenError
from tests.support.fork_server import REQUIRED
from tests.support.forked_process import spawn
from tests.support.timing import TIMEOUT


@attrs.frozen
class Ended:
    """The exit status and the output of a child process."""

    status: int | None
    """The exit status; None if a signal ended it."""
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines on stdout."""
        return self.out.splitlines()


class CommandLine(ProcessProtocol):
    """One run of the command line as a child process."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.ended: Deferred[Ended] = Deferred()
        """Fires when it is gone."""
        self.ended.addTimeout(TIMEOUT, reactor)
        self._output = {1: b"", 2: b""}
        self._waiting: list[tuple[bytes, Deferred[None]]] = []
        command = [sys.executable, "-m", "pycawamp.client", *arguments]
        surroundings = {**os.environ, **REQUIRED, **environment}
        spawn(reactor, self, command, surroundings)

    def until(self, text: str) -> Deferred[None]:
        """Fires when this text is in its stdout."""
        found: Deferred[None] = Deferred()
        self._waiting.append((text.encode(), found))
        self._check()
        return found.addTimeout(TIMEOUT, reactor, lambda *_: self._not_seen(text))

    def interrupt(self) -> None:
        """Send SIGINT, like Ctrl-C."""
        self.transport.signalProcess("INT")  # type: ignore[union-attr]

    def close_stdout(self) -> None:
        """Close its stdout, as `head` does after the last line."""
        self.transport.closeStdout()  # type: ignore[union-attr]

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Overrides ProcessProtocol: store the output."""
        self._output[childFD] += data
        self._check()

    def processEnded(self, reason: Failure) -> None:
        """Overrides ProcessProtocol: report the end."""
        error: Any = reason.value
        status = 0 if reason.check(ProcessDone) else error.exitCode
        out, err = (self._output[stream].decode() for stream in (1, 2))
        self.ended.callback(Ended(status, out, err))

    def _check(self) -> None:
        waiting, self._waiting = self._waiting, []
        for text, found in waiting:
            if text in self._output[1]:
                found.callback(None)
            else:
                self._waiting.append((text, found))

    def _not_seen(self, text: str) -> Any:
        raise NotSeenError(f"{text!r} is not in the output: {self._output}")


def run(*arguments: str, **environment: str) -> Deferred[Ended]:
    """Run the command line; fires with its exit status and output."""
    return CommandLine(*arguments, **environment).ended


@inlineCallbacks
def run_in_process(
    *arguments: str, out: io.StringIO | None = None
) -> Generator[Deferred[Any], Any, Ended]:
    """Run a command line without a child process, which would take a second to start.

    Args:
        arguments: The URL of the gateway, the command, and so on.
        out: Receives its output on stdout.
    """
    out, err = out or io.StringIO(), io.StringIO()
    execution = Run(reactor, parse(list(arguments), {}), Console(out, err)).execute()
    status = yield Deferred.fromCoroutine(execution)
    return Ended(status, out.getvalue(), err.getvalue())
