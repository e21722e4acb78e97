"""The child processes of a run: each ends with its ``with`` block, whatever happens in it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from bench.settings import IN_PYTHON, NAIVE

ROOT = Path(__file__).parents[1]
START_S = 60.0  # loading 10,000 records takes seconds on a busy machine
STOP_S = 10.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class ChildError(Exception):
    """A child process ended, or did not come up in time."""


@attrs.frozen
class Ioc:
    """A running IOC and the environment in which clients find it, and nothing else."""

    pid: int
    environment: dict[str, str]


@attrs.frozen
class Gateway:
    """A running gateway, of either build."""

    build: str
    pid: int
    port: int


@contextlib.contextmanager
def ioc(database: Path) -> Iterator[Ioc]:
    """Serves a database on a random loopback port."""
    environment = _loopback()
    command = [sys.executable, "-m", "pycawamp.demo.softioc", str(database)]
    with child(command, environment, database.with_suffix(".log")) as process:
        await_line(process, "READY")
        yield Ioc(process.pid, environment)


@contextlib.contextmanager
def gateway(build: str, server: Ioc, folder: Path) -> Iterator[Gateway]:
    """Starts a build of ``pycaserver``, or the ``naive`` one, in front of the given IOC."""
    port = _free_port()
    command = ["-m", "bench.naive", str(port)] if build == NAIVE else _pycaserver(port)
    environment = {**server.environment, "PYCASERVER_FAST": "0" if build == IN_PYTHON else "1"}
    with _listening(command, port, folder / f"{build}.log", environment) as pid:
        yield Gateway(build, pid, port)


@contextlib.contextmanager
def demo(folder: Path) -> Iterator[int]:
    """Starts ``pycaserver`` with the demo's records and puts for anyone; its port."""
    port = _free_port()
    command = _pycaserver(port, "--demo", "--allow-put=anyone")
    with _listening(command, port, folder / "demo.log"):
        yield port


@contextlib.contextmanager
def child(
    command: Sequence[str],
    environment: dict[str, str] | None = None,
    log: Path | None = None,
    talks: bool = True,
) -> Iterator[subprocess.Popen[str]]:
    """Runs a command, its stderr in ``log``; stdout is a pipe, or in the log of one that only logs.

    A pipe that nobody reads would stop a gateway once it has filled up.
    """
    with contextlib.ExitStack() as stack:
        stderr = stack.enter_context(log.open("w")) if log else None
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if talks else stderr,
            stderr=stderr,
            text=True,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # Ctrl-C comes to the runner alone, which then ends them
            preexec_fn=_die_with_parent,  # noqa: PLW1509 (no thread runs here when it is called)
        )
        try:
            yield process
        finally:
            _stop(process)


def await_line(process: subprocess.Popen[str], wanted: str) -> None:
    """Waits until the child has printed a line; raises ChildError if it ends before."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == wanted:
            return
    raise ChildError(f"{process.args!r} ended before it said {wanted}")


def _pycaserver(port: int, *options: str) -> list[str]:
    twistd = "from twisted.scripts.twistd import run; run()"
    endpoint = f"tcp:{port}:interface=127.0.0.1"
    return ["-c", twistd, "-n", "--pidfile=", "pycaserver", "--port", endpoint, *options]


@contextlib.contextmanager
def _listening(
    command: Sequence[str], port: int, log: Path, environment: dict[str, str] | None = None
) -> Iterator[int]:
    """Runs a Python program that listens on a port; its process id."""
    with child([sys.executable, *command], environment, log, talks=False) as process:
        _await_port(process, port, log)
        yield process.pid


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _stop(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _await_port(process: subprocess.Popen[str], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise ChildError(f"the gateway is not up:\n{log.read_text()[-500:]}")


def _loopback() -> dict[str, str]:
    """Random ports on loopback, so that a run never meets a site's IOCs."""
    server, repeater = _free_port(), _free_port()
    return {
        "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_SERVER_PORT": str(server),
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_BEACON_PORT": str(repeater),
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_ADDR_LIST": f"127.0.0.1:{server}",
        "EPICS_CA_REPEATER_PORT": str(repeater),
    }


def _free_port() -> int:
    """A port free for TCP and for UDP: CA uses both."""
    for _ in range(100):
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            with contextlib.suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port
    raise ChildError("no free port")
