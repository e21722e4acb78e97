"""More updates than can be told: the newest are, and those between are left out."""

from __future__ import annotations

from time import process_time
from typing import Any

from twisted.internet.defer import inlineCallbacks

from pycawamp.pv.values import Reading
from tests.support.ioc_case import until_true
from tests.support.pva_case import PVATestCase, RecordingSink

PVS = 100
SPENT = 0.003
"""Seconds that each update takes."""


class SlowSink(RecordingSink):
    """Takes its time with each update, as a busy gateway does."""

    def reading(self, reading: Reading) -> None:
        """Work."""
        until = process_time() + SPENT
        while process_time() < until:
            pass
        super().reading(reading)


class OverloadTests(PVATestCase):
    """A client in Python before a server of p4p."""

    is_compiled = False

    @inlineCallbacks
    def test_newest(self) -> Any:
        """While it is behind, values are replaced by newer ones; the last ones always come."""
        server = yield self.serve(f"[add(f'x{{n}}', nt.NTScalar('d'), 0.0) for n in range({PVS})]")
        backend = self.start_backend()
        sinks = [SlowSink() for _ in range(PVS)]
        for number, sink in enumerate(sinks):
            backend.open(f"x{number}", sink)
        yield until_true(lambda: all(sink.readings for sink in sinks))
        posts = "[pv.post(float({})) for pv in pvs.values()]"
        for number in range(1, 21):
            yield server.run(posts.format(number))
        yield until_true(lambda: all(sink.readings[-1].value == 20 for sink in sinks))
        self.assertGreater(backend.conflated, 0)
        for sink in sinks:
            values = [reading.value for reading in sink.readings]
            self.assertEqual(values, sorted(set(values)))
