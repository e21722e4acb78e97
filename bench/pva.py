"""What an update costs by pvAccess, beside Channel Access: `python -m bench.pva`.

A QSRV 2 IOC has PVs that change ten times a second. A process of its own takes them, by each
protocol in turn, and does nothing with them: `--pvs` of them, for `--seconds`.
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

from zope.interface import implementer

from pycawamp.demo.ports import PVAPorts
from pycawamp.pv.interfaces import ISink
from pycawamp.pv.values import Metadata, Reading
from tests.support.pva_case import PVAServer

RECORD = """record(calc, "b:{number}") {{
  field(INPA, "b:{number}") field(CALC, "A+1") field(SCAN, ".1 second")
}}
"""


def main() -> None:
    """Run the IOC, and a client by each protocol."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pvs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--order", default="pva,ca,pva,ca", help="protocols, one after the other")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client:
        print(json.dumps(_client(arguments.client, arguments.pvs, arguments.seconds)))
        return
    ports = PVAPorts.free()
    with TemporaryDirectory() as folder:
        database = Path(folder, "records.db")
        database.write_text("".join(RECORD.format(number=n) for n in range(arguments.pvs)))
        server = PVAServer(ports, "ioc", str(database))
    try:
        for protocol in arguments.order.split(","):
            environment = {
                **os.environ,
                **server.ca_ports.client_environment(),
                **ports.client_environment(),
            }
            command = [sys.executable, "-m", "bench.pva", "--client", protocol]
            command += ["--pvs", str(arguments.pvs), "--seconds", str(arguments.seconds)]
            done = subprocess.run(
                command, env=environment, check=True, capture_output=True, text=True
            )
            print(protocol, done.stdout.strip(), flush=True)
    finally:
        server.kill()


@implementer(ISink)
class CountingSink:
    """Counts updates."""

    count = 0
    connected = 0

    def metadata(self, metadata: Metadata) -> None:
        """Take metadata."""

    def connection(self, connected: bool) -> None:
        """Count a channel."""
        self.connected += 1

    def refused(self, reason: str) -> None:
        """Take a refusal."""

    def reading(self, reading: Reading) -> None:
        """Count an update."""
        self.count += 1

    def overloaded(self) -> None:
        """Take an overload."""


def _client(protocol: str, pvs: int, seconds: float) -> dict[str, Any]:
    from twisted.internet import reactor as _reactor  # noqa: PLC0415 (only in the child)

    from pycawamp.pv.ca.backend import CABackend  # noqa: PLC0415
    from pycawamp.pv.inbox import Inbox  # noqa: PLC0415
    from pycawamp.pv.pva.backend import PVABackend  # noqa: PLC0415

    reactor: Any = _reactor
    inbox = Inbox(reactor, lambda: None)
    backend: Any = PVABackend(reactor) if protocol == "pva" else CABackend(reactor, inbox)
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
        counted, used, now = sink.count, time.process_time(), time.monotonic()
        reactor.callLater(seconds, end, counted, used, now)

    def end(counted: int, used: float, then: float) -> None:
        count, took = sink.count - counted, time.monotonic() - then
        cpu = time.process_time() - used
        result["events_per_s"] = round(count / took)
        result["cpu_us_per_event"] = round(cpu / max(count, 1) * 1e6, 2)
        result["cores"] = round(cpu / took, 3)
        result["kib_per_channel"] = round((_resident() - before_memory) / pvs / 1024, 2)
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
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
