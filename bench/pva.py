"""The cost of an update by pvAccess, Channel Access and pvxs: `python -m bench.pva`.

A QSRV 2 IOC has PVs that change ten times a second. A separate process subscribes to them with each
client in turn, and discards the updates: `--pvs` PVs, for `--seconds`. `cpp` is a
client on pvxs (pvxscat.cpp), which is compiled against the headers of the package pvxslibs;
`python` is that of `pva` without its compiled part.

The IOC's threads get no real-time priorities, which it would use if permitted: on few cores,
the scan thread delays the sending threads, so that a burst is sent at once, but late.
`--real-time` leaves them these priorities. `--images` measures gateways that pass on images of a
megabyte at 30 Hz. With up to 2,000 PVs, the IOC has one core and the
client another: on shared cores, a client waits for the IOC's three busy threads. More PVs take the
IOC more than a core. `--unfound` searches for PVs that no server has.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.protocol import DatagramProtocol
from zope.interface import implementer

from bench.loader import Load, run
from bench.processes import Ioc, gateway
from bench.records import write_page
from bench.settings import IN_PYTHON, OURS, Settings
from bench.tools import build, build_pvxscat
from harness.pva import PVAServer
from pycawamp.demo.ports import PVAPorts, free_ports
from pycawamp.pv.interfaces import ISink
from pycawamp.pv.values import Metadata, Reading

RECORD = """record(calc, "b:{number}") {{
  field(INPA, "b:{number}") field(CALC, "A+1") field(SCAN, ".1 second")
}}
"""


MAX_ON_ONE_CORE = 2000
"""PVs that an IOC on one core can serve."""
NO_REAL_TIME = {"EPICS_ALLOW_POSIX_THREAD_PRIORITY_SCHEDULING": "NO"}


def main() -> None:
    """Run the IOC, and a client by each protocol."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pvs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument(
        "--order", default="pva,cpp,ca,python,pva,cpp,ca,python", help="clients, in their order"
    )
    parser.add_argument(
        "--clients", metavar="N,M", help="measure whole gateways with so many clients instead"
    )
    parser.add_argument(
        "--real-time", action="store_true", help="let the IOC use real-time priorities"
    )
    parser.add_argument("--images", action="store_true", help="with --clients (10): images")
    parser.add_argument(
        "--unfound", action="store_true", help="measure searches for PVs that nobody has instead"
    )
    parser.add_argument("--client", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client:
        print(json.dumps(_client(arguments.client, arguments.pvs, arguments.seconds)))
        return
    if arguments.images:
        _measure_images(arguments)
        return
    if arguments.unfound:
        _measure_unfound(arguments)
        return
    ports = PVAPorts.free()
    cores = sorted(os.sched_getaffinity(0))
    shares = arguments.clients or arguments.pvs > MAX_ON_ONE_CORE
    # The load client also needs a part of a core.
    os.sched_setaffinity(0, cores if arguments.pvs > MAX_ON_ONE_CORE else cores[:1])
    with TemporaryDirectory() as folder:
        database = Path(folder, "records.db")
        database.write_text("".join(RECORD.format(number=n) for n in range(arguments.pvs)))
        variables = {} if arguments.real_time else NO_REAL_TIME
        server = PVAServer(ports, "ioc", str(database), variables=variables)
    os.sched_setaffinity(0, cores if shares else cores[1:2] or cores)
    environment = {
        **os.environ,
        **server.ca_ports.client_environment(),
        **ports.client_environment(),
    }
    size = [str(arguments.pvs), str(arguments.seconds)]
    try:
        with TemporaryDirectory() as folder:
            if arguments.clients:
                server_as_ioc = Ioc(server.process.pid, environment)
                _measure_gateways(server_as_ioc, Path(folder), arguments)
                return
            commands = _commands(Path(folder), size)
            for client in arguments.order.split(","):
                if client not in commands:
                    continue
                used = _cpu(server.process.pid)
                done = subprocess.run(
                    commands[client], env=environment, check=True, capture_output=True, text=True
                )
                result = json.loads(done.stdout)
                result["ioc_s"] = round(_cpu(server.process.pid) - used, 2)
                print(client, json.dumps(result), flush=True)
    finally:
        server.kill()


def _measure_gateways(server: Ioc, folder: Path, arguments: argparse.Namespace) -> None:
    """Measure gateways that get the same PVs by each protocol, each row with a new one."""
    settings = Settings(arguments.seconds, False, (), 0, False, folder, build(folder))
    page = write_page(folder / "page", [f"b:{number}" for number in range(arguments.pvs)])
    for clients in map(int, arguments.clients.split(",")):
        for protocol, kind in (("pva", OURS), ("ca", OURS), ("ca", IN_PYTHON)):
            with gateway(kind, server, folder, "--default-provider", protocol) as started:
                result = run(
                    settings, started, server, Load(page, clients, seconds=settings.seconds)
                )
            row = {
                "clients": clients,
                "messages_per_s": round(result.per_second),
                "cores": round(result.gateway_cores, 3),
                "p50_ms": result.latency("p50"),
                "p99_ms": result.latency("p99"),
            }
            print(protocol, "" if kind == OURS else "in Python", json.dumps(row), flush=True)


IMAGES = """
import threading, time

posted = 0

def post():
    global posted
    frame = np.zeros((1000, 1000), "u1")
    due = time.monotonic()
    while True:
        due += 1 / 30
        time.sleep(max(0, due - time.monotonic()))
        pvs["image"].post(frame, timestamp=time.time())
        posted += 1

add("image", nt.NTNDArray(), np.zeros((1000, 1000), "u1"))
threading.Thread(target=post, daemon=True).start()
"""


def _measure_images(arguments: argparse.Namespace) -> None:
    """Measure gateways that pass on an image of a megabyte at 30 Hz."""
    ports = PVAPorts.free()
    server = PVAServer(ports, "shared")
    server.run_now(f"exec({IMAGES!r}, globals())")
    environment = {**os.environ, **free_ports().client_environment(), **ports.client_environment()}
    ioc = Ioc(server.process.pid, environment)
    try:
        with TemporaryDirectory() as name:
            folder = Path(name)
            settings = Settings(arguments.seconds, False, (), 0, False, folder, build(folder))
            page = folder / "page"
            page.write_text('{"action":"connect","pv":"pva://image","arrays":"binary"}\n')
            for clients in map(int, (arguments.clients or "10").split(",")):
                with gateway(OURS, ioc, folder) as started:
                    load = Load(page, clients, seconds=settings.seconds)
                    before, begun = int(server.run_now("print(posted)")), time.monotonic()
                    result = run(settings, started, ioc, load)
                    posted = int(server.run_now("print(posted)")) - before
                    took = time.monotonic() - begun
                row = {
                    "clients": clients,
                    "posted_per_s": round(posted / took, 2),
                    "delivered_per_s_each": round(result.per_second / clients, 2),
                    "cores": round(result.gateway_cores, 3),
                    "server_cores": round(result.ioc_cores, 3),
                }
                print("images", json.dumps(row), flush=True)
    finally:
        server.kill()


UNTIL = (1, 10, 20, 60)
"""Seconds after which a row ends."""


def _measure_unfound(arguments: argparse.Namespace) -> None:
    """Measure the searches for PVs that no server has, in this process."""
    from twisted.internet import reactor as _reactor  # noqa: PLC0415 (only here)

    from pycawamp.pv.pva.backend import PVABackend  # noqa: PLC0415

    reactor: Any = _reactor
    ports = PVAPorts.free()
    os.environ.update(ports.client_environment())
    backend, sink, memory = PVABackend(reactor), CountingSink(), _resident()
    # A receiver that does not reply, but counts.
    listener = CountingDatagrams()
    reactor.listenUDP(ports.search, listener, "127.0.0.1", 65536)
    started = [time.monotonic(), time.process_time(), 0]

    def row(until: int) -> None:
        then, used, datagrams = started
        started[:] = time.monotonic(), time.process_time(), listener.count
        took = started[0] - then
        result = {
            "pvs": arguments.pvs,
            "until_s": until,
            "cores": round((started[1] - used) / took, 4),
            "datagrams_per_s": round((listener.count - datagrams) / took),
            "kib": round((_resident() - memory) / 1024),
        }
        print("unfound", json.dumps(result), flush=True)
        if until == UNTIL[-1]:
            reactor.stop()

    def begin() -> None:
        backend.start()
        for number in range(arguments.pvs):
            backend.open(f"unfound:pv:{number}", sink)
        for until in UNTIL:
            reactor.callLater(until, row, until)

    reactor.callWhenRunning(begin)
    reactor.run()


class CountingDatagrams(DatagramProtocol):
    """Counts datagrams."""

    count = 0

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Count one."""
        self.count += 1


def _commands(folder: Path, size: list[str]) -> dict[str, list[str]]:
    own = [sys.executable, "-m", "bench.pva", "--pvs", size[0], "--seconds", size[1], "--client"]
    commands = {protocol: [*own, protocol] for protocol in ("pva", "ca")}
    commands["python"] = ["env", "PYCASERVER_FAST=0", *commands["pva"]]
    try:
        commands["cpp"] = [str(build_pvxscat(folder / "pvxscat")), *size]
    except (ImportError, OSError, subprocess.CalledProcessError) as error:
        print(f"cpp is skipped: {error}", flush=True)
    return commands


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@implementer(ISink)
class CountingSink:
    """Counts updates, and measures the delay of every 97th."""

    count = 0
    connected = 0

    def __init__(self) -> None:
        self.latencies: list[float] = []

    def metadata(self, metadata: Metadata) -> None:
        """Ignore metadata."""

    def connection(self, connected: bool) -> None:
        """Count a channel."""
        self.connected += 1

    def refused(self, reason: str) -> None:
        """Ignore a refusal."""

    def reading(self, reading: Reading) -> None:
        """Count an update."""
        self.count += 1
        if self.count % 97 == 0:
            self.latencies.append(time.time() - reading.timestamp)

    def overloaded(self) -> None:
        """Ignore an overload."""


def _client(protocol: str, pvs: int, seconds: float) -> dict[str, Any]:
    from twisted.internet import reactor as _reactor  # noqa: PLC0415 (only in the child)

    from pycawamp.pv.ca import _fast  # noqa: PLC0415
    from pycawamp.pv.ca.backend import CABackend  # noqa: PLC0415
    from pycawamp.pv.event_queue import InboxLimits  # noqa: PLC0415
    from pycawamp.pv.inbox import Inbox  # noqa: PLC0415
    from pycawamp.pv.pva.backend import PVABackend  # noqa: PLC0415

    reactor: Any = _reactor
    limits = InboxLimits()
    inbox = Inbox(reactor, lambda: None, limits, _fast.load().intake(reactor, limits))
    is_pva = protocol == "pva"
    backend: Any = PVABackend(reactor, None, inbox) if is_pva else CABackend(reactor, inbox)
    sink = CountingSink()
    result: dict[str, Any] = {}
    before_memory = _resident()
    started = time.monotonic()

    def look() -> None:
        if sink.connected < pvs:
            reactor.callLater(0.02, look)
            return
        result["connected_s"] = round(time.monotonic() - started, 2)
        reactor.callLater(2, begin)

    def begin() -> None:
        sink.latencies.clear()
        counted, used, now = sink.count, time.process_time(), time.monotonic()
        reactor.callLater(seconds, end, counted, used, now)

    def end(counted: int, used: float, then: float) -> None:
        count, took = sink.count - counted, time.monotonic() - then
        cpu = time.process_time() - used
        result["events_per_s"] = round(count / took)
        result["cpu_us_per_event"] = round(cpu / max(count, 1) * 1e6, 2)
        result["cores"] = round(cpu / took, 3)
        result["kib_per_channel"] = round((_resident() - before_memory) / pvs / 1024, 2)
        late = sorted(sink.latencies)
        for part in (0.5, 0.99):
            at = int(part * (len(late) - 1))
            result[f"p{part * 100:.0f}_ms"] = round(late[at] * 1000, 2) if late else None
        result["overruns"] = getattr(backend, "overruns", 0)
        stopped = time.monotonic()
        backend.stop().addBoth(lambda _: finish(stopped))

    def finish(stopped: float) -> None:
        result["stop_s"] = round(time.monotonic() - stopped, 3)
        reactor.stop()

    def begin_all() -> None:
        backend.start()
        for number in range(pvs):
            backend.open(f"b:{number}", sink)
        look()

    reactor.callWhenRunning(begin_all)
    reactor.run()
    return result


def _resident() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
