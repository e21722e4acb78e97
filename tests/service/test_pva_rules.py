"""Limits, the put log, refusals and counters, of PVs of pvAccess."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from pycawamp.config.settings import GatewaySettings
from pycawamp.sessions.limits import Limits
from tests.support.pva_case import PVATestCase
from tests.support.version2_case import send_request

RECORDS = """
record(ao, "position") { field(VAL, "1.5") field(PREC, "2") field(PINI, "YES") }
record(ao, "hidden") { field(VAL, "3") field(PINI, "YES") field(ASG, "HIDDEN") }
record(ao, "locked") { field(VAL, "7") field(PINI, "YES") field(ASG, "LOCKED") }
"""
ACCESS = """
ASG(DEFAULT) { RULE(1, WRITE) }
ASG(LOCKED) { RULE(1, READ) }
ASG(HIDDEN) { RULE(1, NONE) }
"""


class RulesTests(PVATestCase):
    """A gateway with a QSRV 2 IOC or a p4p server."""

    @inlineCallbacks
    def test_put_log(self) -> Generator[Deferred[Any], Any, None]:
        """Puts are logged by the name without its scheme; those the IOC refuses are forbidden."""
        yield self.serve_records(RECORDS, access=ACCESS)
        log = Path(self.mktemp())
        fixture = yield self.start_gateway(GatewaySettings(put_log=str(log)))
        client = yield fixture.connect()
        reply = yield send_request(client, "put", pv="pva://position", value=2.5)
        self.assertTrue(reply["ok"])
        reply = yield send_request(client, "put", pv="pva://locked", value=8)
        self.assertEqual(reply["code"], "forbidden", reply)
        self.assertIn("not permitted", reply["message"])
        # docs/security.md: QSRV serves for reading what Channel Access refuses.
        reply = yield send_request(client, "get", pv="pva://hidden")
        self.assertEqual(reply["value"], 3)
        done, refused = log.read_text().splitlines()
        for part in ('pv="position"', "old=1.5", "new=2.5", 'outcome="ok"', "after=2.5"):
            self.assertIn(part, done)
        for part in ('pv="locked"', "new=8", 'outcome="forbidden: '):
            self.assertIn(part, refused)

    @inlineCallbacks
    def test_limits(self) -> Generator[Deferred[Any], Any, None]:
        """Names with the scheme count like those without it."""
        yield self.serve_records(RECORDS)
        limits = Limits(pvs=3, unresolved=2)
        fixture = yield self.start_gateway(GatewaySettings(limits=limits, connect_timeout=60.0))
        client = yield fixture.connect()
        client.send({"action": "connect", "pv": "pva://position"})
        yield client.until(msg_type="monitor", pvname="pva://position")
        client.send({"action": "connect", "pvs": ["pva://no:1", "no:2"]})
        reply = yield send_request(client, "get", pv="pva://no:3")
        self.assertEqual(reply["code"], "too_many_pvs")
        self.assertIn("no IOC has answered", reply["message"])
        reply = yield send_request(client, "connect", pv="pva://locked")
        self.assertEqual(reply["code"], "too_many_pvs")

    @inlineCallbacks
    def test_overruns(self) -> Generator[Deferred[Any], Any, None]:
        """Updates that a server omitted while the gateway was busy are counted."""
        server = yield self.serve_records(RECORDS, "ioc1")
        fixture = yield self.start_gateway()
        client = yield fixture.connect()
        client.send({"action": "connect", "pv": "pva://position"})
        yield client.until(msg_type="monitor", value=1.5)
        self.assertEqual(fixture.gateway.statistics().totals.overruns, 0)
        # The reactor is blocked: the gateway reads nothing meanwhile.
        for number in range(200):
            server.run_now(f'dbpf("position", "{number}")')
        server.run_now('dbpf("position", "-1")')
        yield client.until(msg_type="monitor", value=-1.0)
        self.assertGreater(fixture.gateway.statistics().totals.overruns, 0)
        self.assertLess(len(client.payloads), 100)
