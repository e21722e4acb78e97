"""A server that stops and restarts a hundred times."""

from __future__ import annotations

import gc
from collections.abc import Generator
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from pycawamp.pv.pva.circuit import Circuit
from tests.support.pva_case import PVATestCase, RecordingSink

TIMES = 100


def kept() -> tuple[int, int]:
    """Return the open files of this process, and its objects for connections to servers."""
    gc.collect()
    circuits = [each for each in gc.get_objects() if type(each) is Circuit]
    return len(list(Path("/proc/self/fd").iterdir())), len(circuits)


class ReturnTests(PVATestCase):
    """A server of p4p that is stopped, and started again on the same port."""

    @inlineCallbacks
    def test_hundred_times(self) -> Generator[Deferred[Any], Any, None]:
        """Its PV is lost and found each time, with its new value, and no object remains."""
        server = yield self.serve("add('x', nt.NTScalar('d'), 0.0)")
        backend = self.start_backend()
        sink = RecordingSink()
        backend.open("x", sink)
        yield sink.until("reading")
        before = kept()
        for number in range(1, TIMES + 1):
            yield server.run("server.stop()")
            yield sink.until("connection", lambda connected: not connected)
            yield server.run(f"pvs['x'].post({number}.0)")
            yield server.run("server = type(server)(providers=[provider])")
            yield sink.until("connection", lambda connected: connected)
            yield sink.until("reading", lambda received, number=number: received.value == number)
        received = [argument for call, argument in sink.calls if call == "connection"]
        self.assertEqual(received, [True, *[False, True] * TIMES])
        self.assertEqual([reading.value for reading in sink.readings], [*range(TIMES + 1)])
        self.assertEqual(kept(), before)
