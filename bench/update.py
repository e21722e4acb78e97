"""The cost of a Version 1 update from the hub to the outboxes, without Channel Access.

Usage: `python -m bench.update`. It prints the minimum of many rounds, so that small
differences between two versions of the code can be measured.
"""

from __future__ import annotations

import time

from twisted.internet.task import Clock
from zope.interface import implementer

from pycawamp.access import Policy
from pycawamp.fanout.flush import FlushCycle
from pycawamp.fanout.outbox import IWriter
from pycawamp.pv.hub import PVHub
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.router import Router
from pycawamp.pv.values import Reading
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.putlog import PutLog
from pycawamp.sessions.registry import Sessions
from pycawamp.web.frames import WEBSOCKET
from pycawamp.wire.v2.dialect import VERSION_1

CLIENTS = 50
UPDATES = 1000
ROUNDS = 60


@implementer(IWriter)
class Nowhere:
    """A writer that discards everything."""

    backlog = 0
    framing = WEBSOCKET

    def write(self, data: bytes) -> None:
        """Discard data."""


def main() -> None:
    """Print microseconds per update."""
    clock, backend = Clock(), MemoryBackend()
    router = Router({"ca": backend}, default="ca")
    hub, flush_cycle = PVHub(clock, router), FlushCycle(clock)
    sessions = Sessions(clock, hub, router, flush_cycle, policy=Policy(), put_log=PutLog())
    backend.add("X", 1.0)
    for _ in range(CLIENTS):
        session = sessions.open(Nowhere(), Peer("bench"), VERSION_1, lambda _code, _reason: None)
        session.receive(b'{"action":"connect","pv":"X"}')
    flush_cycle.flush()
    sink = backend.handles[0].sink
    readings = [Reading(0, 0, 1795394257, index, float(index)) for index in range(UPDATES)]

    def once() -> float:
        started = time.perf_counter()
        for reading in readings:
            sink.reading(reading)
        flush_cycle.flush()
        return time.perf_counter() - started

    least = min(once() for _ in range(ROUNDS))
    print(f"{1e6 * least / UPDATES:.3f} µs per update to {CLIENTS} clients")


if __name__ == "__main__":
    main()
