"""More updates than can be handled: the newest are reported, others are omitted."""

from __future__ import annotations

import os
import time
from pathlib import Path
from time import process_time
from typing import Any

from twisted.internet.defer import inlineCallbacks

from pycawamp.pv.values import Reading
from tests.support.ioc_case import until_true
from tests.support.pva_case import PVATestCase, RecordingSink

PVS = 100
FEW = 10
POSTS = "[pv.post(float(n)) for n in range({first}, {last}) for pv in pvs.values()] and None"
SPENT = 0.001
"""Seconds that each update takes."""


class SlowSink(RecordingSink):
    """Handles each update slowly, like a busy gateway."""

    def reading(self, reading: Reading) -> None:
        """Spend time."""
        until = process_time() + SPENT
        while process_time() < until:
            pass
        super().reading(reading)


class BlockingSink(RecordingSink):
    """Blocks the reactor with each update: four of each PV take it more than a second."""

    def reading(self, reading: Reading) -> None:
        """Wait."""
        time.sleep(0.03)
        super().reading(reading)


def resident(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class OverloadTestCase(PVATestCase):
    """A client of a p4p server."""

    @inlineCallbacks
    def show(self, sinks: list[RecordingSink]) -> Any:
        """Fires with a server with a PV for each sink, a backend, and sinks with values."""
        add = f"[add(f'x{{n}}', nt.NTScalar('d'), 0.0) for n in range({len(sinks)})]"
        server = yield self.serve(add)
        backend = self.start_backend()
        for number, sink in enumerate(sinks):
            backend.open(f"x{number}", sink)
        yield until_true(lambda: all(sink.readings for sink in sinks))
        return server, backend, sinks


class OverloadTests(OverloadTestCase):
    """A client in Python, of a p4p server."""

    is_compiled = False

    @inlineCallbacks
    def test_newest(self) -> Any:
        """During a backlog, values are replaced by newer ones; the last ones always arrive."""
        server, backend, sinks = yield self.show([SlowSink() for _ in range(PVS)])
        posts = "[pv.post(float({})) for pv in pvs.values()]"
        for number in range(1, 21):
            yield server.run(posts.format(number))
        yield until_true(lambda: all(sink.readings[-1].value == 20 for sink in sinks))
        self.assertGreater(backend.conflated, 0)
        for sink in sinks:
            values = [reading.value for reading in sink.readings]
            self.assertEqual(values, sorted(set(values)))


class CompiledOverloadTests(OverloadTestCase):
    """The client with its compiled part, of a p4p server."""

    @inlineCallbacks
    def test_server_conflates(self) -> Any:
        """During a backlog of the client, its server omits updates; neither stores them."""
        server, _, sinks = yield self.show([BlockingSink() for _ in range(FEW)])
        pids = (server.process.pid, os.getpid())
        # Once before memory is measured, because queues are created when they are first used.
        yield server.run(POSTS.format(first=1, last=100))
        before = [resident(pid) for pid in pids]
        yield server.run(POSTS.format(first=100, last=2000))
        after = [resident(pid) for pid in pids]
        yield until_true(lambda: all(sink.readings[-1].value == 1999 for sink in sinks))
        for late, early in zip(after, before, strict=True):
            # 19,000 updates would take 19,000 KiB in a server that does not wait.
            self.assertLess(late - early, 8 << 20)
        for sink in sinks:
            values = [reading.value for reading in sink.readings]
            self.assertEqual(values, sorted(set(values)))
            self.assertLess(len(values), 1000)
