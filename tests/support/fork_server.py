"""Starts Python programs without their imports: as forks of a process that has imported them.

A gateway then takes 0.05 s of CPU time to start, instead of 0.9 s. Otherwise, it is like a separate
process, with its own environment and descriptors. Its memory is shared with the others,
and /proc shows the command line and the initial environment of the server.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from harness.parent import die_with_parent

IMPORTED = (
    "pycawamp.access.check",
    "pycawamp.client.__main__",
    "pycawamp.service.app",
    "pycawamp.service.command",
    "pycawamp.service.ingest",
    "twisted.internet.epollreactor",
    "twisted.plugins.pycaserver_plugin",
    "twisted.scripts.twistd",
)
"""Modules that programs import. None of them creates a reactor, a thread or a context of libca."""
READ_LATE = ("EPICS_", "NOTIFY_SOCKET", "PATH", "PYCASERVER_", "WATCHDOG_")
"""How the variables start that are read after all imports, so that a fork can have its own."""
REQUIRED = {"PYTHONWARNINGS": "ignore"}
"""twistd loads whatever plugins are installed: their warnings are not the gateway's."""
_NUMBER = struct.Struct("i")
_MAX_REQUEST = 2**20


class ForkServerError(Exception):
    """The server has ended; the text is its output."""


class ForkServer:
    """The server, as a child process. It ends with this process, and its forks with it."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        environment = {**os.environ, **REQUIRED}
        self._fixed = _fixed(environment)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import main; main()"],
                stdin=theirs.fileno(),
                # Pipes, as most programs have; forks inherit them as sys.stdout and so on.
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # A process with threads, here those of numpy, should not fork.
                env={**environment, "OPENBLAS_NUM_THREADS": "1"},
                cwd=Path(__file__).parents[2],
            )

    def can_run(self, command: Sequence[str], environment: Mapping[str, str]) -> bool:
        """Return whether a fork is equivalent to a new process."""
        if command[0] != sys.executable or _fixed(environment) != self._fixed:
            return False
        return command[1] in ("-c", "-m") or not command[1].startswith("-")

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], *descriptors: int
    ) -> Fork:
        """Run a command of Python's (a script, `-c` or `-m`), with these descriptors as 0, 1, 2."""
        report, theirs = os.pipe()
        request = json.dumps([list(command), dict(environment), os.getcwd()]).encode()
        with contextlib.suppress(BrokenPipeError):
            socket.send_fds(self._control, [request], [*descriptors, theirs])
        os.close(theirs)
        pid = os.read(report, _NUMBER.size)
        if not pid:
            assert self.process.stdout is not None
            raise ForkServerError(self.process.stdout.read().decode())
        return Fork(_NUMBER.unpack(pid)[0], report)


class Fork:
    """A process that the server has forked, with the interface of subprocess.Popen."""

    def __init__(self, pid: int, report: int) -> None:
        self.pid = pid
        self.report = report
        """A pipe in which its wait status will be, as `os.wait` returns it."""
        self.returncode: int | None = None
        """The exit status, or the negative signal that ended it; None while it runs."""

    def poll(self) -> int | None:
        """Return the current `returncode`."""
        if self.returncode is None:
            poll = select.poll()
            poll.register(self.report, select.POLLIN)
            if poll.poll(0):
                self.wait()
        return self.returncode

    def wait(self) -> int:
        """Wait for the end; return `returncode`."""
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(
                wait_status(os.read(self.report, _NUMBER.size))
            )
            os.close(self.report)
        return self.returncode


def wait_status(reported: bytes) -> int:
    """Return the wait status that was in `Fork.report`."""
    # If the server ends, all forks are killed.
    return int(_NUMBER.unpack(reported)[0]) if reported else signal.SIGKILL


@cache
def fork_server() -> ForkServer:
    """Return the server of this process, which is started by the first call."""
    return ForkServer()


def _fixed(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in environment.items() if not name.startswith(READ_LATE)}


def main() -> None:
    """Run the server, with its socket as descriptor 0; in each fork, run the program."""
    sys.path[0] = str(Path(sys.executable).parent)
    for name in IMPORTED:
        importlib.import_module(name)
    _read_files()
    # Collect once, so that collections in forks do not copy the memory.
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _run(_serve())


def _read_files() -> None:
    """Read the static files that all gateways serve, and keep them."""
    from twisted.internet.task import Clock  # noqa: PLC0415 (only the server needs it)

    from pycawamp.web.authentication import Authentication  # noqa: PLC0415
    from pycawamp.web.site import root_resource  # noqa: PLC0415

    root_resource({}, {}, Authentication(Clock()))


def _serve() -> list[str]:
    """Fork a process for each request; return the command in it."""
    server = os.getpid()
    control = socket.socket(fileno=0)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    forks: dict[int, tuple[int, int]] = {}
    while True:
        for ready, _ in poll.poll():
            if ready in forks:
                poll.unregister(ready)
                _report_end(ready, *forks.pop(ready))
                continue
            request, descriptors, _, _ = socket.recv_fds(control, _MAX_REQUEST, 8)
            if not request:
                os._exit(0)
            pid = os.fork()
            if pid == 0:
                control.detach()
                return _become(json.loads(request), descriptors[:-1], server)
            for descriptor in descriptors[:-1]:
                os.close(descriptor)
            os.write(descriptors[-1], _NUMBER.pack(pid))
            ended = os.pidfd_open(pid)
            forks[ended] = pid, descriptors[-1]
            poll.register(ended, select.POLLIN)


def _report_end(ended: int, pid: int, report: int) -> None:
    status = os.waitpid(pid, 0)[1]
    os.close(ended)
    with contextlib.suppress(BrokenPipeError):
        os.write(report, _NUMBER.pack(status))
    os.close(report)


def _become(request: Any, descriptors: Sequence[int], parent: int) -> list[str]:
    """Make a fork equivalent to a new process; return its command."""
    command: list[str]
    command, environment, folder = request
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    os.closerange(len(descriptors), os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    return command


def _run(command: Sequence[str]) -> None:
    """Execute a command line like Python."""
    match command[1:]:
        case ["-c", code, *arguments]:
            sys.argv = ["-c", *arguments]
            sys.path[0] = ""
            exec(code, {"__name__": "__main__"})
        case ["-m", module, *arguments]:
            sys.argv = [module, *arguments]
            sys.path[0] = os.getcwd()
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case [script, *arguments]:
            sys.argv = [script, *arguments]
            sys.path[0] = str(Path(script).parent)
            runpy.run_path(script, run_name="__main__")
