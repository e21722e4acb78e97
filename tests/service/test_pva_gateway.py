"""PVs of pvAccess through a gateway: names with a scheme, values, puts, rules."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks

from pycawamp.access import Policy, Writers
from pycawamp.access.pvlist_file import parse_pvlist
from pycawamp.config.settings import GatewaySettings
from pycawamp.testing import GatewayFixture, WebSocketTestClient
from tests.support.pva_case import PVATestCase
from tests.support.version2_case import send_request

RECORDS = """
record(ao, "position") { field(VAL, "1.5") field(EGU, "mm") field(PREC, "2") field(PINI, "YES") }
record(int64out, "count") { field(VAL, "9007199254740993") field(PINI, "YES") }
record(waveform, "counts") { field(FTVL, "UINT64") field(NELM, "4") }
record(mbbo, "mode") { field(ZRST, "idle") field(ONST, "run") field(VAL, "1") field(PINI, "YES") }
record(calcout, "slow") { field(CALC, "A") field(ODLY, "1") field(OUT, "position") }
record(ao, "secret") { field(VAL, "7") field(PINI, "YES") }
"""


class PVAGatewayTests(PVATestCase):
    """A gateway with a QSRV 2 IOC."""

    @inlineCallbacks
    def start(
        self, settings: GatewaySettings | None = None, **keys: Any
    ) -> Generator[Deferred[Any], Any, WebSocketTestClient]:
        """Run both; fires with a client."""
        self.server = yield self.serve_records(RECORDS)
        fixture: GatewayFixture = yield self.start_gateway(settings, **keys)
        client: WebSocketTestClient = yield fixture.connect()
        return client

    @inlineCallbacks
    def test_monitor(self) -> Generator[Deferred[Any], Any, None]:
        """A PV is shown by the requested name, with everything that Channel Access has."""
        client = yield self.start()
        client.send({"action": "configure", "metadata": True, "text": True})
        client.send({"action": "connect", "pv": "pva://position"})
        yield client.until(msg_type="connection", pvname="pva://position", conn=True)
        metadata = yield client.until(msg_type="metadata")
        self.assertEqual((metadata["type"], metadata["units"]), ("double", "mm"))
        self.assertIsNone(metadata["write_access"])
        first = yield client.until(msg_type="monitor")
        self.assertEqual((first["value"], first["text"], first["count"]), (1.5, "1.50", 1))
        yield self.server.run('dbpf("position", "2.5")')
        yield client.until(msg_type="monitor", value=2.5, units="mm", severity="NO_ALARM")
        self.server.kill()
        yield client.until(msg_type="connection", pvname="pva://position", conn=False)

    @inlineCallbacks
    def test_whole_numbers(self) -> Generator[Deferred[Any], Any, None]:
        """64-bit integers keep all digits."""
        client = yield self.start()
        yield send_request(client, "get", pv="pva://count")
        self.assertIn(b'"value":9007199254740993,', client.payloads[-1])
        yield send_request(client, "put", pv="pva://counts", value=[2**64 - 1, 2**63 + 1])
        yield send_request(client, "get", pv="pva://counts")
        self.assertIn(b'"value":[18446744073709551615,9223372036854775809]', client.payloads[-1])

    @inlineCallbacks
    def test_put(self) -> Generator[Deferred[Any], Any, None]:
        """Values are written, and errors reported."""
        client = yield self.start()
        reply = yield send_request(client, "put", pv="pva://mode", value="idle")
        self.assertTrue(reply["ok"])
        reply = yield send_request(client, "get", pv="pva://mode")
        self.assertEqual(reply["value"], 0)
        reply = yield send_request(client, "put", pv="pva://position", value="12")
        self.assertEqual(reply["code"], "bad_value")
        self.assertEqual(reply["message"], "expected a number, got the string '12'")

    @inlineCallbacks
    def test_slow_put(self) -> Generator[Deferred[Any], Any, None]:
        """A put waits for its record, one without `wait` for nothing; both fail with the IOC."""
        client = yield self.start()
        begun = reactor.seconds()
        client.send({"action": "put", "pv": "pva://slow.A", "value": 5, "id": 1})
        client.send({"action": "put", "pv": "pva://slow.A", "value": 6, "wait": False, "id": 2})
        client.send({"action": "get", "pv": "pva://slow.A", "id": 3})
        replies = []
        for _ in range(3):
            reply = yield client.until(lambda message: "id" in message)
            replies.append(reply["id"])
        self.assertEqual((replies[-1], reply["ok"]), (1, True))
        self.assertGreaterEqual(reactor.seconds() - begun, 1.0)
        reply = yield send_request(client, "get", pv="pva://slow.A")
        self.assertEqual(reply["value"], 6)
        client.send({"action": "put", "pv": "pva://slow.A", "value": 7, "id": 4})
        client.send({"action": "put", "pv": "pva://slow.A", "value": 8, "id": 5})
        # The IOC has the first when it has answered this.
        yield send_request(client, "get", pv="pva://slow.A")
        self.server.kill()
        for number in (4, 5):
            reply = yield client.until(msg_type="error", id=number)
            self.assertEqual(reply["code"], "put_failed")

    @inlineCallbacks
    def test_default_provider(self) -> Generator[Deferred[Any], Any, None]:
        """Names without a scheme are those of the default protocol."""
        self.server = yield self.serve_records(RECORDS)
        fixture = yield self.start_gateway(
            GatewaySettings(default_provider="pva"), with_channel_access=True
        )
        client = yield fixture.connect()
        reply = yield send_request(client, "get", pv="position")
        self.assertEqual(reply["value"], 1.5)
        reply = yield send_request(client, "get", pv="pva://position")
        self.assertEqual(reply["pvname"], "pva://position")
        self.assertEqual(fixture.gateway.hub.names, ["position"])

    @inlineCallbacks
    def test_rules(self) -> Generator[Deferred[Any], Any, None]:
        """Rules use the name without its scheme, which no scheme bypasses."""
        pvlist = parse_pvlist("EVALUATION ORDER ALLOW, DENY\n.* ALLOW\nsecret DENY\n")
        policy = Policy(pvlist=pvlist, puts=True, writers=Writers.ANYONE)
        client = yield self.start(policy=policy)
        reply = yield send_request(client, "get", pv="pva://position")
        self.assertEqual(reply["value"], 1.5)
        for name in ("secret", "pva://secret", "PVA://secret"):
            reply = yield send_request(client, "get", pv=name)
            self.assertEqual(reply["code"], "forbidden", name)
            reply = yield send_request(client, "put", pv=name, value=1)
            self.assertEqual(reply["code"], "forbidden", name)
