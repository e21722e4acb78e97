"""The client, a gateway and a real IOC."""

from __future__ import annotations

from typing import Any

import numpy as np
from twisted.internet import reactor
from twisted.internet.defer import gatherResults, inlineCallbacks

from pycawamp.client import FieldType, GatewayClient, GatewayError
from tests.support.client_case import Recorder
from tests.support.version2_case import V2TestCase

RECORDS = """
record(ao, "$(P)ao") {
    field(VAL, "1.5") field(PINI, "YES") field(PREC, "3") field(EGU, "mm")
    field(HIHI, "90") field(HHSV, "MAJOR") field(HOPR, "100")
}
record(mbbo, "$(P)mode") { field(ZRST, "Idle") field(ONST, "Busy") field(PINI, "YES") }
record(waveform, "$(P)doubles") { field(FTVL, "DOUBLE") field(NELM, "5") }
record(waveform, "$(P)chars") { field(FTVL, "CHAR") field(NELM, "100") }
record(calcout, "$(P)slow") {
    field(INPA, "$(P)seconds") field(CALC, "VAL+1") field(ODLY, "30") field(PINI, "NO")
}
"""


class IOCClientTests(V2TestCase):
    """GatewayClient with an IOC."""

    @inlineCallbacks
    def start_client_of_ioc(self) -> Any:
        """Run all; fires with the IOC and a client."""
        ioc = yield self.start_ioc(RECORDS)
        fixture = yield self.start_gateway()
        client = GatewayClient(reactor, fixture.url)
        self.addCleanup(client.close)
        return ioc, client

    def listen(self, client: GatewayClient, name: str, **options: Any) -> Recorder:
        """Subscribe a new listener to a record of this test."""
        recorder = Recorder()
        client.subscribe(self.prefix + name, recorder, **options)
        return recorder

    @inlineCallbacks
    def test_records(self) -> Any:
        """Values, alarms, metadata and puts of records of all kinds."""
        ioc, client = yield self.start_client_of_ioc()
        ao = self.listen(client, "ao", text=True)
        update = yield ao.until_value(1.5)
        self.assertEqual((update.text, update.units, update.severity), ("1.500", "mm", "NO_ALARM"))
        yield client.put(self.prefix + "ao", 95)
        update = yield ao.until_value(95.0)
        self.assertEqual((update.severity, update.status), ("MAJOR", "HIHI"))
        yield self.dbpf(ioc, "ao.EGU", "km")
        yield ao.until("metadata", lambda metadata: metadata.units == "km")

        metadata = yield client.info(self.prefix + "mode")
        self.assertEqual((metadata.type, metadata.enum_strs), (FieldType.ENUM, ("Idle", "Busy")))
        yield client.put(self.prefix + "mode", "Busy")
        mode = yield client.get(self.prefix + "mode", text=True)
        self.assertEqual((mode.value, mode.text), (1, "Busy"))

        numbers = np.array([0.5, -1.0, 1e300])
        yield client.put(self.prefix + "doubles", numbers)
        got = yield client.get(self.prefix + "doubles")
        np.testing.assert_array_equal(got.value, numbers)
        yield client.put(self.prefix + "chars", "Grüezi")
        text = yield client.get(self.prefix + "chars", text=True)
        self.assertEqual((text.text, text.value.dtype), ("Grüezi", np.uint8))

    @inlineCallbacks
    def test_slow_put(self) -> Any:
        """A put waits for the record: a slow one is `timeout`, a killed IOC `put_failed`."""
        ioc, client = yield self.start_client_of_ioc()
        slow = self.listen(client, "slow")
        yield slow.until("update")
        name = self.prefix + "slow.PROC"
        yield client.put(name, 1, wait=False)
        late = client.put(name, 1, timeout=0.3)
        error = yield self.assertFailure(late, GatewayError)
        self.assertEqual((error.code, error.pvname), ("timeout", name))
        under_way = client.put(name, 1)
        yield client.get(self.prefix + "ao")
        lost = slow.until("connection", lambda connected: not connected)
        error, _, _ = yield gatherResults(
            [self.assertFailure(under_way, GatewayError), lost, self.kill_ioc(ioc)]
        )
        self.assertEqual(error.code, "put_failed")
