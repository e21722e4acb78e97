"""Child processes; each ends with its `with` block."""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from bench.settings import IN_PYTHON, NAIVE
from harness.ioc import IOCProcess
from harness.parent import die_with_parent
from pycawamp.demo.ports import CAPorts, free_port, free_ports
from pycawamp.demo.process import IOCError

ROOT = Path(__file__).parents[1]
START_S = 60.0  # loading 10,000 records takes seconds on a busy machine
STOP_S = 10.0


class ChildError(Exception):
    """A child process ended, or did not start in time."""


@attrs.frozen
class Ioc:
    """A running IOC, and the environment in which clients find only this one."""

    pid: int
    environment: dict[str, str]


@attrs.frozen
class Gateway:
    """A running gateway, of either build."""

    build: str
    pid: int
    port: int


def allow_many_files() -> None:
    """Raise the limit of descriptors: a thousand clients need as many, here and in the gateway."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.contextmanager
def ioc(database: Path) -> Iterator[Ioc]:
    """Serves a database on a random loopback port."""
    ports = free_ports()
    try:
        process = IOCProcess([str(database)], ports, database.with_suffix(".log"))
    except IOCError as error:
        raise ChildError(str(error)) from error
    try:
        with repeater(ports):
            yield Ioc(process.pid, ports.client_environment())
    finally:
        process.kill()


@contextlib.contextmanager
def repeater(ports: CAPorts) -> Iterator[None]:
    """Run a CA repeater, because gateways would leave one behind."""
    program = (
        "from pycawamp.pv.ca import repeater as r; print(r.ensure_repeater(True)); open(0).read()"
    )
    command = [sys.executable, "-u", "-c", program]
    with child(command, ports.client_environment()) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield


@contextlib.contextmanager
def gateway(
    build: str,
    server: Ioc,
    folder: Path,
    *options: str,
    descriptors: int | None = None,
    certificate: Path | None = None,
) -> Iterator[Gateway]:
    """Start a build of `pycaserver`, with options, or the `naive` build, for an IOC.

    `descriptors` is its limit of file descriptors, by default that of this process. With a
    `certificate` (and its key, in the same file), it only accepts TLS.
    """
    port = free_port()
    naive = ["-m", "bench.naive", str(port)]
    command = naive if build == NAIVE else _pycaserver(_endpoint(port, certificate), *options)
    environment = {**server.environment, "PYCASERVER_FAST": "0" if build == IN_PYTHON else "1"}
    log = folder / f"{build}.log"
    with _listening(command, port, log, environment, descriptors) as pid:
        yield Gateway(build, pid, port)


@contextlib.contextmanager
def workers(number: int, server: Ioc, folder: Path) -> Iterator[tuple[int, list[int]]]:
    """Start gateways that share a listening socket; yields its port, and their process IDs."""
    with contextlib.ExitStack() as stack:
        shared = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))
        descriptor = shared.fileno()
        # As systemd passes it: descriptor 3, and the process that it is for.
        script = f'exec 3<&{descriptor}; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=x exec "$@"'
        arguments = [sys.executable, *_pycaserver("systemd:domain=INET:index=0")]
        pids = []
        for worker in range(number):
            log = folder / f"worker-{worker}.log"
            command = ["/bin/sh", "-c", script, "sh", *arguments]
            started = child(command, server.environment, log, talks=False, shared=descriptor)
            process = stack.enter_context(started)
            _await_line(process, "pycaserver is ready", log)
            pids.append(process.pid)
        yield shared.getsockname()[1], pids


@contextlib.contextmanager
def demo(folder: Path, *options: str) -> Iterator[int]:
    """Start ``pycaserver`` with the demo's records and puts for anyone; yields its port."""
    port = free_port()
    command = _pycaserver(_endpoint(port), "--demo", "--allow-put=anyone", *options)
    with _listening(command, port, folder / "demo.log"):
        yield port


@contextlib.contextmanager
def child(
    command: Sequence[str],
    environment: dict[str, str] | None = None,
    log: Path | None = None,
    talks: bool = True,
    shared: int | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Run a command with stderr in ``log``; stdout is a pipe, or also the log.

    A pipe that nobody reads would block a gateway when it is full. `shared` is a descriptor
    that it inherits.
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
            pass_fds=() if shared is None else (shared,),
            start_new_session=True,  # Ctrl-C reaches only the runner, which then stops them
            preexec_fn=functools.partial(die_with_parent, os.getpid()),  # noqa: PLW1509 (no thread runs here when it is called)
        )
        try:
            yield process
        finally:
            _stop(process)


def _endpoint(port: int, certificate: Path | None = None) -> str:
    address = f"{port}:interface=127.0.0.1"
    if certificate is None:
        return f"tcp:{address}"
    return f"ssl:{address}:privateKey={certificate}:certKey={certificate}"


def _pycaserver(endpoint: str, *options: str) -> list[str]:
    twistd = "from twisted.scripts.twistd import run; run()"
    return ["-c", twistd, "-n", "--pidfile=", "pycaserver", "--port", endpoint, *options]


@contextlib.contextmanager
def _listening(
    command: Sequence[str],
    port: int,
    log: Path,
    environment: dict[str, str] | None = None,
    descriptors: int | None = None,
) -> Iterator[int]:
    """Run a Python program that listens on a port; yields its process ID."""
    command = [sys.executable, *command]
    if descriptors is not None:
        command = ["/bin/sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh", *command]
    with child(command, environment, log, talks=False) as process:
        _await_port(process, port, log)
        yield process.pid


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


def _await_line(process: subprocess.Popen[str], line: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        if line in log.read_text():
            return
        time.sleep(0.02)
    raise ChildError(f"the gateway is not up:\n{log.read_text()[-500:]}")


def _await_port(process: subprocess.Popen[str], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise ChildError(f"the gateway is not up:\n{log.read_text()[-500:]}")
