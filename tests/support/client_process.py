"""The command line as a child process whose words are awaited, or within this process."""

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
    """How a child ended, and what it said."""

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
        """Fires when it has said this on stdout."""
        found: Deferred[None] = Deferred()
        self._waiting.append((text.encode(), found))
        self._look()
        return found.addTimeout(TIMEOUT, reactor, lambda *_: self._not_seen(text))

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.transport.signalProcess("INT")  # type: ignore[union-attr]

    def close_stdout(self) -> None:
        """Read no more of what it says, as `head` does when it has enough."""
        self.transport.closeStdout()  # type: ignore[union-attr]

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Overrides ProcessProtocol: keep what it says."""
        self._output[childFD] += data
        self._look()

    def processEnded(self, reason: Failure) -> None:
        """Overrides ProcessProtocol: tell that it is gone."""
        error: Any = reason.value
        status = 0 if reason.check(ProcessDone) else error.exitCode
        out, err = (self._output[stream].decode() for stream in (1, 2))
        self.ended.callback(Ended(status, out, err))

    def _look(self) -> None:
        waiting, self._waiting = self._waiting, []
        for text, found in waiting:
            if text in self._output[1]:
                found.callback(None)
            else:
                self._waiting.append((text, found))

    def _not_seen(self, text: str) -> Any:
        raise NotSeenError(f"{text!r} was not said; it said: {self._output}")


def run(*arguments: str, **environment: str) -> Deferred[Ended]:
    """Fires with how a run of the command line ended."""
    return CommandLine(*arguments, **environment).ended


@inlineCallbacks
def run_in_process(
    *arguments: str, out: io.StringIO | None = None
) -> Generator[Deferred[Any], Any, Ended]:
    """Run a command line without a child process, which would take a second to start.

    Args:
        arguments: the URL of the gateway, the command, and so on.
        out: takes what it prints on stdout.
    """
    out, err = out or io.StringIO(), io.StringIO()
    execution = Run(reactor, parse(list(arguments), {}), Console(out, err)).execute()
    status = yield Deferred.fromCoroutine(execution)
    return Ended(status, out.getvalue(), err.getvalue())
