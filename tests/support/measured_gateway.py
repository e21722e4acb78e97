"""A gateway that reports its cost: `python -m tests.support.measured_gateway OPTION...`.

It prints its port and then, for each line that it reads, its cost since the previous line, when
it is idle. CPU time is measured, not wall-clock time, so that other processes have no influence
on it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
from twisted.internet import reactor as installed_reactor
from twisted.internet.stdio import StandardIO
from twisted.internet.task import LoopingCall
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.protocols.basic import LineReceiver

from pycawamp.config.options import Options
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.values import FieldType, Metadata
from pycawamp.service.app import assemble
from pycawamp.service.garbage import ShortCollections

reactor = cast(Any, installed_reactor)
MANY = 20_000
"""PVs n0, n1 ... that there are."""
LONG = 600_000
"""Elements of the arrays of numbers."""
TEXTS = 20_000
"""Elements of the array of strings."""
TICK = 0.002
"""Seconds between two checks of the used CPU time."""
IDLE = 0.001
"""Maximum seconds of CPU time between two checks while it is idle."""
QUIET = 5
"""Number of consecutive checks."""
PATIENCE = 10_000
"""Number of checks after which it reports in any case."""
STATES = tuple(f"state {number}" for number in range(16))


class Meter(LineReceiver):
    """Measures, and reports the results."""

    delimiter = b"\n"

    def __init__(self) -> None:
        self._stall = 0.0
        self._last = time.thread_time()
        self._lines: list[str] = []
        self._quiet = 0
        self._next: int | None = None

    def connectionMade(self) -> None:
        """Start measuring."""
        LoopingCall(self._tick).start(TICK)
        globalLogPublisher.addObserver(cast(ILogObserver, self._logged))

    def lineReceived(self, _line: bytes) -> None:
        """Report the cost since the last time, when idle."""
        self._next = self._quiet = 0

    def _send(self) -> None:
        report = {"stall": self._stall, "memory": resident(), "lines": self._lines}
        self.sendLine(json.dumps(report).encode())
        self._stall = 0.0
        self._lines = []
        self._next = None

    def connectionLost(self, _reason: Any = None) -> None:
        """End with the test."""
        reactor.stop()

    def _tick(self) -> None:
        now = time.thread_time()
        used, self._last = now - self._last, now
        self._stall = max(self._stall, used)
        self._quiet = self._quiet + 1 if used < IDLE else 0
        if self._next is not None:
            self._next += 1
            if self._quiet >= QUIET or self._next >= PATIENCE:
                self._send()

    def _logged(self, event: LogEvent) -> None:
        if event["log_level"].name != "debug":
            self._lines.append(str(event.get("log_format"))[:200])


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def backend_to_attack() -> MemoryBackend:
    """Return a backend with the PVs."""
    backend = MemoryBackend()
    backend.add("X", 1.5)
    backend.add("doubles", np.zeros(LONG))
    backend.add("strings", ["a"], Metadata(FieldType.STRING, TEXTS))
    backend.add("enums", np.zeros(3, np.uint16), Metadata(FieldType.ENUM, LONG, enum_strs=STATES))
    for number in range(MANY):
        backend.add(f"n{number}", number)
    return backend


def main() -> None:
    """Serve until the input ends."""
    parser = Options()
    parser.parseOptions(["--port", "tcp:0:interface=127.0.0.1", *sys.argv[1:]])
    service = assemble(reactor, parser.settings, backend_to_attack())
    ShortCollections(reactor).setServiceParent(service)  # type: ignore[no-untyped-call]
    service.startService()  # type: ignore[no-untyped-call]
    meter = Meter()
    StandardIO(meter)
    meter.sendLine(json.dumps(service.ports[0].address.port).encode())
    reactor.run()


if __name__ == "__main__":
    main()
