"""Gateways that stop while many PVs send events."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks

from pycawamp.testing import GatewayFixture
from tests.support.examples import examples
from tests.support.ioc_case import IOCTestCase
from tests.support.timing import allowed

PVS = 500
STOPS = examples(20)
RECORDS = "".join(
    f'record(calc, "$(P)n{number}") {{ field(SCAN, ".1 second") field(CALC, "VAL+1") }}\n'
    for number in range(PVS)
)


class StopTests(IOCTestCase):
    """A gateway with many PVs that starts and stops."""

    timeout = allowed(300)

    @inlineCallbacks
    def test_stops(self) -> Any:
        """A gateway stops many times during connections and events; each has shown values."""
        yield self.start_ioc(RECORDS)
        names = [f"{self.prefix}n{number}" for number in range(PVS)]
        for stop in range(STOPS):
            fixture = GatewayFixture(reactor, ports=self.ports)
            self.addCleanup(fixture.stop)
            yield fixture.start()
            client = yield fixture.connect()
            client.send({"action": "connect", "pvs": names[stop:]})
            # The IOC has answered; most channels are still about to connect, or just have.
            yield client.until(msg_type="monitor")
            for _ in range(PVS * stop // STOPS):
                yield client.receive()
            yield fixture.stop()
