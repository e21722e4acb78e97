"""Fast records: nothing is lost while everyone keeps up."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import gatherResults, inlineCallbacks

from pycawamp.testing import WebSocketTestClient
from tests.ioc import IOCTestCase
from tests.served import connect_all

RECORDS = """
record(calc, "$(P)fast") { field(SCAN, ".001 second") field(CALC, "VAL+1") }
record(ao, "$(P)slow") { field(VAL, "1.5") field(PINI, "YES") }
"""
CLIENTS = 20
UPDATES = 10_000


class RateTests(IOCTestCase):
    """A record at 1 kHz."""

    def until_enough(self, client: WebSocketTestClient) -> Any:
        """Fires when a client has got enough."""
        return client.until(lambda _: len(client.payloads) > UPDATES, timeout=50)

    @inlineCallbacks
    def test_no_gap(self) -> Any:
        """Twenty clients of a 1 kHz counter get each of its updates for 10 s, in order."""
        yield self.start_ioc(RECORDS)
        fixture = yield self.start_gateway()
        clients: list[WebSocketTestClient] = yield connect_all(fixture, CLIENTS)
        for client in clients:
            self.subscribe(client, "fast", "slow")
        yield gatherResults([self.until_enough(client) for client in clients])
        for client in clients:
            updates = [
                (message["value"], message["timestamp"])
                for message in client.messages
                if message["msg_type"] == "monitor" and message["pvname"].endswith("fast")
            ]
            # The first may be older than the subscription.
            values, stamps = zip(*updates[1:], strict=True)
            self.assertGreater(len(values), UPDATES - 10)
            self.assertEqual(list(values), [values[0] + index for index in range(len(values))])
            self.assertEqual(list(stamps), sorted(stamps))
            self.assertGreater(stamps[-1] - stamps[0], 0.9 * UPDATES / 1000)
