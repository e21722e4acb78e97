"""A gateway with ten thousand pvAccess PVs stops quickly."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from pycawamp.testing import WebSocketTestClient
from tests.support.pva_case import PVATestCase
from tests.support.timing import allowed

PVS = 10_000


class StopTests(PVATestCase):
    """A gateway with a QSRV 2 IOC."""

    @inlineCallbacks
    def test_many_monitors(self) -> Generator[Deferred[Any], Any, None]:
        """All monitors, and the client's subscriptions to them, end within two seconds."""
        yield self.serve_records("".join(f'record(ai, "r{n}") {{}}\n' for n in range(PVS)))
        fixture = yield self.start_gateway()
        client = yield fixture.connect()
        for first in range(0, PVS, 1000):
            names = [f"pva://r{number}" for number in range(first, first + 1000)]
            client.send({"action": "connect", "pvs": names})
        yield self.all_values(client)
        started = time.monotonic()
        yield fixture.stop()
        self.assertLess(time.monotonic() - started, allowed(2))
        self.assertEqual(fixture.gateway.hub.names, [])

    @inlineCallbacks
    def all_values(self, client: WebSocketTestClient) -> Generator[Deferred[Any], Any, None]:
        """Fires when a client has a value of each PV."""
        for _ in range(PVS):
            yield client.until(msg_type="monitor", timeout=allowed(60))
