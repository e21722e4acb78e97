"""A cluster on the loopback interface: NATS servers, ingests and edges as child processes."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

import attrs

from harness.parent import die_with_parent
from pycawamp.demo.ports import free_port

NATS = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/bin")
"""The program; None where it is not installed."""


class ClusterError(Exception):
    """A process of the cluster did not start; the text has its output."""


class Process(Protocol):
    """The part of subprocess.Popen that is needed."""

    @property
    def pid(self) -> int:
        """The process ID."""

    @property
    def returncode(self) -> int | None:
        """The exit status, after `poll` or `wait` has returned it."""

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""

    def wait(self) -> int:
        """Wait for the end of the process; return the exit status."""


Spawn = Callable[[Sequence[str], Mapping[str, str], IO[str]], Process]
"""Starts a command, with an environment, and a file for its output."""


def spawn(command: Sequence[str], environment: Mapping[str, str], log: IO[str]) -> Process:
    """Start a process that ends with this one."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=environment,
        preexec_fn=functools.partial(die_with_parent, os.getpid()),  # noqa: PLW1509 (no thread runs here at that time)
    )


@attrs.define(eq=False)
class Member:
    """One process, which can be started again."""

    name: str
    command: Sequence[str]
    log: Path
    is_up: Callable[[Member], bool]
    environment: Mapping[str, str] = attrs.Factory(dict)
    port: int = 0
    report: str = ""
    """The URL of a NATS server's reports."""
    spawn: Spawn = spawn
    process: Process | None = None

    @property
    def pid(self) -> int:
        """The process ID, while it runs."""
        assert self.process is not None
        return self.process.pid

    def launch(self) -> None:
        """Start it; its output goes to its log."""
        plain = {key: text for key, text in os.environ.items() if not key.startswith("EPICS_")}
        with self.log.open("a") as log:
            log.write(f"--- {self.name}\n")
            log.flush()
            self.process = self.spawn(self.command, {**plain, **self.environment}, log)

    def wait(self, seconds: float = 90.0) -> None:
        """Block until it is ready."""
        deadline = time.monotonic() + seconds
        while not self.is_up(self):
            if not self.runs or time.monotonic() > deadline:
                raise ClusterError(f"{self.name} is not ready; its output: {self.output[-2000:]}")
            time.sleep(0.02)

    def start(self) -> None:
        """Start it, and block until it is ready."""
        self.launch()
        self.wait()

    @property
    def runs(self) -> bool:
        """Return whether it is running."""
        return self.process is not None and self.process.poll() is None

    @property
    def output(self) -> str:
        """Return its output since the last start."""
        return self.log.read_text(errors="replace").rpartition(f"--- {self.name}\n")[2]

    @property
    def all_output(self) -> str:
        """Return its output since the first start."""
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        """Send SIGTERM."""
        self.signal(signal.SIGTERM)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self.runs:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, and block until it has ended."""
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()


class Cluster:
    """NATS servers, ingests and edges, whose logs are in a folder.

    `ca` is the environment with which ingests find IOCs; `spawn` starts ingests and edges.
    """

    def __init__(self, folder: Path, ca: Mapping[str, str], spawn: Spawn = spawn) -> None:
        self.folder = folder
        self._ca = dict(ca)
        self._spawn = spawn
        self.nodes: list[Member] = []
        self.ingests: list[Member] = []
        self.edges: list[Member] = []
        self.fronts: list[Member] = []
        """The proxy before the edges."""

    @property
    def bus(self) -> str:
        """The value of --bus."""
        return "nats://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def node_of(self, pid: int) -> Member:
        """Return the NATS server that a process is connected to."""
        for node in self.nodes:
            with urllib.request.urlopen(f"{node.report}/connz?auth=1", timeout=5) as answer:
                ports = {each["port"] for each in json.load(answer)["connections"]}
            if ports & _local_ports(pid):
                return node
        raise ClusterError(f"process {pid} is not connected to the bus")

    @property
    def members(self) -> list[Member]:
        """All processes."""
        return [*self.fronts, *self.edges, *self.ingests, *self.nodes]

    @property
    def is_overloaded(self) -> bool:
        """Return whether an ingest has omitted updates because an edge was too slow."""
        return any("does not keep up" in ingest.all_output for ingest in self.ingests)

    def add_nodes(self, number: int) -> None:
        """Start connected NATS servers, like contrib/bus/nats.conf but without logins."""
        routes = [free_port() for _ in range(number)]
        added = [self.node(f"nats{index + 1}", routes[index], routes) for index in range(number)]
        for node in added:
            node.is_up = functools.partial(_is_routed, number - 1)
        self.nodes += added
        _start_all(added)

    def node(self, name: str, listens_for_routes: int, routes: Sequence[int]) -> Member:
        """Return a NATS server, not started yet, that connects to the ports in `routes`."""
        client, report = free_port(), free_port()
        urls = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
        configuration = self.folder / f"{name}.conf"
        configuration.write_text(
            f'server_name: {name}\nlisten: "127.0.0.1:{client}"\nmax_payload: 16MB\n'
            f'http: "127.0.0.1:{report}"\n'
            'max_pending: 64MB\nwrite_deadline: "1s"\nping_interval: "5s"\nping_max: 2\n'
            f'cluster {{ name: pycaserver, listen: "127.0.0.1:{listens_for_routes}", '
            f"routes: [{urls}], connect_retries: 10 }}\n"
        )
        command = [self.program, "-c", str(configuration)]
        log = self.folder / f"{name}.log"
        return Member(name, command, log, listens, port=client, report=f"http://127.0.0.1:{report}")

    @property
    def program(self) -> str:
        """The path of nats-server."""
        if NATS is None:
            raise ClusterError("there is no nats-server: apt-get install nats-server")
        return NATS

    def ingest(
        self, name: str, *options: str, has_bus: bool = True, bus: str | None = None
    ) -> Member:
        """Return an ingest that is not started yet.

        `bus` names the servers, if not all; without `has_bus`, options name them.
        """
        command = [*_twistd("pycaserver-ingest"), *options]
        if has_bus:
            command += ["--bus", bus or self.bus, "--name", name]
        log = self.folder / f"ingest-{name}.log"
        return Member(name, command, log, _is_ready, self._ca, spawn=self._spawn)

    def edge(self, name: str, *options: str) -> Member:
        """Return an edge that is not started yet."""
        port = free_port()
        command = [*_twistd("pycaserver"), "--bus", self.bus, "--name", name]
        command += ["--port", f"tcp:{port}:interface=127.0.0.1", *options]
        # No IOC can be found from there.
        blind = {"EPICS_CA_AUTO_ADDR_LIST": "NO", "EPICS_CA_ADDR_LIST": ""}
        log = self.folder / f"edge-{name}.log"
        return Member(name, command, log, listens, blind, port, spawn=self._spawn)

    def add_ingests(self, *names: str, options: Sequence[str] = ()) -> None:
        """Start ingests."""
        added = [self.ingest(name, *options) for name in names]
        self.ingests += added
        _start_all(added)

    def add_edges(self, *names: str, options: Sequence[str] = ()) -> None:
        """Start edges."""
        added = [self.edge(name, *options) for name in names]
        self.edges += added
        _start_all(added)

    def stop(self) -> None:
        """Kill all processes."""
        for member in self.members:
            member.kill()


def _start_all(members: Sequence[Member]) -> None:
    for member in members:
        member.launch()
    for member in members:
        member.wait()


def _twistd(plugin: str) -> list[str]:
    twistd = "from twisted.scripts.twistd import run; run()"
    return [sys.executable, "-c", twistd, "-n", "--pidfile=", plugin]


def listens(member: Member) -> bool:
    """Return whether a process accepts connections."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", member.port), 1):
        return True
    return False


def _is_routed(routes: int, member: Member) -> bool:
    """Return whether a NATS server has routes to all others."""
    url = f"{member.report}/routez"
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:
        return listens(member) and int(json.load(answer)["num_routes"]) >= routes
    return False


def _local_ports(pid: int) -> set[int]:
    """Return the local TCP ports of a process's connections."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets.add(os.readlink(descriptor))
    lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {int(line[1].split(":")[1], 16) for line in lines if f"socket:[{line[9]}]" in sockets}


def _is_ready(member: Member) -> bool:
    return "is ready" in member.output
