"""Formulas of a real IOC's records, with all protocols of clients."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any
from urllib.parse import quote

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.web.resource import Resource

from pycawamp.client import GatewayClient
from pycawamp.config.settings import GatewaySettings
from pycawamp.service.dialects import dialect_resources
from pycawamp.testing import GatewayFixture
from tests.support.client_process import run_in_process
from tests.support.dialect_case import UNTHROTTLED, has_value
from tests.support.http_client import exchange
from tests.support.http_reader import Answer, request
from tests.support.shared_ioc import Shell
from tests.support.version2_case import V2TestCase, send_request

RECORDS = """
record(ao, "$(P)a") {
    field(VAL, "3") field(PINI, "YES") field(EGU, "mm") field(HIGH, "50") field(HSV, "MINOR")
}
record(ao, "$(P)b") { field(VAL, "4") field(PINI, "YES") }
record(mbbo, "$(P)mode") {
    field(ZRST, "Idle") field(ONST, "Busy") field(VAL, "1") field(PINI, "YES")
}
record(stringout, "$(P)text") { field(VAL, "text") field(PINI, "YES") }
record(waveform, "$(P)wave") { field(FTVL, "DOUBLE") field(NELM, "4") field(PINI, "YES") }
"""


class FormulaTests(V2TestCase):
    """Records of one IOC, and a gateway with all protocols."""

    @inlineCallbacks
    def serve(self) -> Generator[Deferred[Any], Any, Shell]:
        """Run the gateway; fires with the IOC."""
        ioc: Shell = yield self.borrow_ioc(RECORDS)
        settings = GatewaySettings(linger=0.1, connect_timeout=1)
        fixture = GatewayFixture(reactor, settings, ports=self.ports, policy=self.policy)
        self.addCleanup(fixture.stop)
        root, api = Resource(), Resource()
        root.putChild(b"monitor", fixture.gateway.resource)
        root.putChild(b"api", api)
        api.putChild(b"v1", fixture.gateway.api)
        for name, resource in dialect_resources(fixture.gateway, UNTHROTTLED).items():
            root.putChild(name.encode(), resource)
        yield fixture.start(root)
        self.fixture = fixture
        return ioc

    def formula(self, text: str, start: str = "=") -> str:
        """Return a formula in which `@x` is a record of this test."""
        return start + text.replace("@", self.prefix)

    def http(self, path: str, **headers: str) -> Deferred[Answer]:
        """Return a Deferred of the reply to a request."""
        port = int(self.fixture.url.rsplit(":", 1)[1].split("/")[0])
        data = request(path, {"Connection": "close", **headers})
        return exchange(TCP4ClientEndpoint(reactor, "127.0.0.1", port), data)

    @inlineCallbacks
    def test_native(self) -> Any:
        """Updates of records are updates of the formula, with the worst alarm."""
        ioc = yield self.serve()
        client = yield self.fixture.connect()
        name = self.formula("`@a` + 10 * `ca://@b` - `@mode`")
        client.send({"action": "connect", "pv": name, "metadata": True})
        update = yield client.until(msg_type="monitor", pvname=name)
        self.assertEqual((update["value"], update["severity"]), (42.0, "NO_ALARM"))
        self.assertNotIn("units", update)
        yield self.dbpf(ioc, "a", "60")
        update = yield client.until(msg_type="monitor", value=99.0)
        self.assertEqual((update["severity"], update["status"]), ("MINOR", "HIGH"))
        reply = yield send_request(client, "put", pv=name, value=1)
        self.assertEqual(reply["code"], "forbidden")
        self.assertEqual(reply["message"], "a formula cannot be written")
        reply = yield send_request(client, "get", pv=self.formula("`@wave` + 1"))
        self.assertEqual(reply["code"], "refused")
        self.assertIn("is an array, not a number", reply["message"])
        reply = yield send_request(client, "get", pv=self.formula("`@text` + 1"))
        self.assertIn("is a string, not a number", reply["message"])
        reply = yield send_request(client, "get", pv=self.formula("`@nowhere` + 1"))
        self.assertEqual(reply["code"], "not_connected")

    @inlineCallbacks
    def test_other_protocols(self) -> Any:
        """PVWS, epics2web, HTTP, the Python client and its command line get them too."""
        ioc = yield self.serve()
        name = self.formula("max(`@a`, `@b`) * 2", "eq://")
        pvws = yield self.fixture.connect(path="pvws/pv")
        pvws.send({"type": "subscribe", "pvs": [name]})
        update = yield pvws.until(has_value, pv=name)
        members = (update["value"], update["vtype"], update["severity"], update["readonly"])
        self.assertEqual(members, (8.0, "VDouble", "NONE", True))
        pvws.send({"type": "write", "pv": name, "value": 1})
        error = yield pvws.until(type="error")
        self.assertIn("a formula cannot be written", error["message"])
        pvws.send({"type": "subscribe", "pvs": ["=1 +"]})
        error = yield pvws.until(type="error")
        self.assertIn("character 5: expected a number", error["message"])
        web = yield self.fixture.connect(path="epics2web/monitor")
        web.send({"type": "monitor", "pvs": [name]})
        info = yield web.until(type="info", pv=name, connected=True)
        self.assertEqual((info["datatype"], info["count"]), ("DBR_DOUBLE", 1))
        yield web.until(type="update", pv=name, value=8.0)
        yield self.dbpf(ioc, "b", "5")
        yield pvws.until(pv=name, value=10.0)
        yield web.until(type="update", pv=name, value=10.0)

        answer = yield self.http(f"/api/v1/pv/{quote(name, safe='')}")
        self.assertEqual((answer.status, json.loads(answer.body)["value"]), (200, 10.0))
        answer = yield self.http(f"/api/v1/pv/{quote('=1 +', safe='')}")
        self.assertEqual(answer.status, 400)
        self.assertIn("character 5: expected a number", answer.body)
        answer = yield self.http(f"/epics2web/caget?pv={quote(name, safe='')}")
        self.assertEqual(json.loads(answer.body)["data"][0]["value"], 10.0)

        client = GatewayClient(reactor, self.fixture.url)
        self.addCleanup(client.close)
        reading = yield client.get(name)
        self.assertEqual(reading.value, 10.0)
        ended = yield run_in_process(self.fixture.url, "get", self.formula("`@a` / 0"))
        self.assertEqual(ended.status, 0, ended)
        self.assertIn("nan", ended.out)

    @inlineCallbacks
    def test_reconnect(self) -> Any:
        """When the IOC of an input stops, the formula is lost; it reconnects with the IOC."""
        records = 'record(ao, "$(P)a") { field(VAL, "3") field(PINI, "YES") }'
        ioc = yield self.start_ioc(records)
        fixture = yield self.start_gateway()
        client = yield fixture.connect()
        name = self.formula("`@a` + `loc://offset(1)`")
        client.send({"action": "connect", "pv": name, "reason": True})
        yield client.until(msg_type="monitor", pvname=name, value=4.0)
        yield send_request(client, "put", pv="loc://offset", value=2)
        yield client.until(msg_type="monitor", pvname=name, value=5.0)
        yield self.kill_ioc(ioc)
        lost = yield client.until(msg_type="connection", conn=False)
        reason = rf"its input {self.prefix}a has no value: the IOC \S+ was lost at 20"
        self.assertRegex(lost["reason"], reason)
        yield self.start_ioc(records)
        yield client.until(msg_type="connection", conn=True)
        yield client.until(msg_type="monitor", value=5.0)
