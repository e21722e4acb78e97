"""/status: what the gateway is doing, and why a PV is not connected."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater

from pycawamp.access import Policy, Writers
from pycawamp.config.settings import GatewaySettings
from pycawamp.service.app import search_variables
from pycawamp.testing import GatewayFixture
from pycawamp.web.status import MAX_LISTED, SHORTEST, StatusReport
from tests.support.api_case import ApiTestCase
from tests.support.console_case import WebTestCase, in_thread
from tests.support.ioc_case import IOCTestCase
from tests.support.service_case import reactor
from tests.support.timing import allowed

RECORDS = "".join(f'record(ao, "$(P){name}") {{ field(PINI, "YES") }}\n' for name in ("x", "y"))


class StatusTests(ApiTestCase):
    """A gateway over in-memory PVs."""

    @inlineCallbacks
    def status(self, query: str = "") -> Any:
        """Fires with the report."""
        reply = yield self.call("GET", f"/status{query}")
        self.assertEqual(reply.status, 200)
        return reply.json

    @inlineCallbacks
    def test_report(self) -> Any:
        """Clients, channels and totals are included; secrets and the environment are not."""
        self.serve()
        client = yield self.connect()
        for name in ("X", "nowhere"):
            client.send(name)
        yield client.until(msg_type="monitor")
        client.send({"action": "fly"})
        yield client.until(msg_type="error")
        report = yield self.status()
        (received,) = report["clients"]
        self.assertEqual(
            (received["transport"], received["pvs"], received["user"]), ("websocket", 2, None)
        )
        channels = {each["name"]: each for each in report["channels"]}
        self.assertEqual(channels["X"]["state"], "connected")
        self.assertEqual((channels["X"]["type"], channels["X"]["subscribers"]), ("double", 1))
        self.assertLess(abs(channels["X"]["age"]), 60)
        self.assertEqual(channels["nowhere"]["state"], "searching")
        self.assertEqual(report["totals"]["errors"], {"unknown_action": 1})
        self.assertGreater(report["totals"]["bytes_received"], 0)
        self.assertGreater(received["sent"], 0)
        self.assertGreaterEqual(report["uptime"], 0)
        self.assertEqual(set(report) & {"environ", "asked", "pv"}, set())

    @inlineCallbacks
    def test_search(self) -> Any:
        """A search returns what it finds, or the number if there are many."""
        for number in range(MAX_LISTED + 10):
            self.backend.add(f"n{number}", 0.0)
        self.serve()
        client = yield self.connect()
        client.send({"action": "connect", "pvs": ["X", *(f"n{n}" for n in range(MAX_LISTED + 10))]})
        yield client.until(pvname=f"n{MAX_LISTED + 9}", msg_type="monitor")
        report = yield self.status("?search=x")
        self.assertEqual([each["name"] for each in report["channels"]], ["X"])
        self.assertEqual((report["clients_connected"], report["clients_found"]), (1, 0))
        report = yield self.status("?search=N")
        self.assertEqual(
            (report["channels_found"], len(report["channels"])), (MAX_LISTED + 10, MAX_LISTED)
        )
        report = yield self.status("?search=127.0.0.1")
        self.assertEqual(report["clients_found"], 1)

    @inlineCallbacks
    def test_dead(self) -> Any:
        """For a PV that no IOC serves, it has since when, and where the gateway searches."""
        self.serve()
        report = yield self.status("?pv=nowhere")
        self.assertEqual(report["pv"]["state"], "closed")
        client = yield self.connect()
        client.send({"action": "connect", "pvs": ["nowhere", "X"]})
        yield client.until(msg_type="monitor")
        report = yield self.status("?pv=nowhere")
        self.assertIn("no IOC has answered since", report["pv"]["reason"])
        self.assertEqual(report["pv"]["asked"], search_variables())
        report = yield self.status("?pv=X")
        self.assertIsNone(report["pv"]["reason"])

    @inlineCallbacks
    def test_rules(self) -> Any:
        """It has the lines of the rules that decide about a PV, for any user."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        pvlist, access = folder / "site.pvlist", folder / "site.acf"
        pvlist.write_text(".* ALLOW\nHIDDEN DENY FROM 192.0.2.1\nA ALIAS X OPS 1\n")
        access.write_text(
            "UAG(ops) { mary } ASG(DEFAULT) { RULE(1,READ) } ASG(OPS) { RULE(1,READ) { UAG(ops) } }"
        )
        self.serve("--pvlist", str(pvlist), "--access", str(access))
        report = yield self.status("?pv=HIDDEN&host=192.0.2.1")
        self.assertEqual(
            report["pv"]["access"]["because"], [f"{pvlist}:2: HIDDEN DENY FROM 192.0.2.1"]
        )
        self.assertIn("rules do not let anonymous at 192.0.2.1 read it", report["pv"]["reason"])
        report = yield self.status("?pv=HIDDEN")
        self.assertTrue(report["pv"]["access"]["read"])
        for query, may in (("", False), ("&user=mary", True)):
            report = yield self.status(f"?pv=A{query}")
            self.assertEqual(report["pv"]["access"]["read"], may)
            self.assertEqual(report["pv"]["real_name"], "X")
            self.assertIn(f"{pvlist}:3: A ALIAS X OPS 1", report["pv"]["access"]["because"])

    @inlineCallbacks
    def test_rates(self) -> Any:
        """Rates are those since the previous report, or since the PV was connected."""
        service = self.serve()
        client = yield self.connect()
        client.send({"action": "connect", "pv": "X"})
        yield client.until(msg_type="monitor")
        gateway = service.gateway
        report = StatusReport(gateway, gateway.hub, gateway.decide, search_variables)
        (before,) = report.content({})["channels"]
        self.assertLessEqual(before["rate"], 1)
        started = monotonic()
        for value in range(100):
            self.backend.set("X", value)
        yield client.until(value=99)
        yield deferLater(reactor, SHORTEST, lambda: None)
        received = report.content({})
        elapsed = monotonic() - started
        (channel,), (client_report,) = received["channels"], received["clients"]
        self.assertEqual(channel["updates"], before["updates"] + 100)
        self.assertTrue(100 / (elapsed + 1) <= channel["rate"] <= 100, channel)
        self.assertGreater(client_report["rate"], 50 * channel["rate"])
        yield deferLater(reactor, SHORTEST, lambda: None)
        (channel,) = report.content({})["channels"]
        self.assertEqual(channel["rate"], 0)

    @inlineCallbacks
    def test_bad_query(self) -> Any:
        """Invalid queries are refused."""
        self.serve()
        for query in ("?name=X", "?pv=X&pv=Y", "?search=%FF", "?pv=X&host=somewhere"):
            reply = yield self.call("GET", f"/status{query}")
            self.assertEqual(reply.status, 400, query)

    @inlineCallbacks
    def test_readers(self) -> Any:
        """The clients of a proxy may not read it, unless an option allows it."""
        self.serve()
        reply = yield self.call("GET", "/status", X_Forwarded_For="192.0.2.7")
        self.assertEqual(reply.status, 403)


class LostTests(IOCTestCase):
    """With Channel Access."""

    @inlineCallbacks
    def test_lost(self) -> Any:
        """For a lost PV, it has its IOC, and whether other PVs of that are connected."""
        ioc = yield self.start_ioc(RECORDS)
        policy = Policy(puts=True, writers=Writers.ANYONE)
        settings = GatewaySettings(connect_timeout=1)
        fixture = GatewayFixture(reactor, settings, ports=self.ports, policy=policy)
        self.addCleanup(fixture.stop)
        yield fixture.start()
        client = yield fixture.connect()
        client.send({"action": "connect", "pvs": [f"{self.prefix}x", f"{self.prefix}y"]})
        for name in ("x", "y"):
            yield client.until(msg_type="monitor", pvname=f"{self.prefix}{name}")
        gateway = fixture.gateway
        report = StatusReport(gateway, gateway.hub, gateway.decide, search_variables)
        received = report.content({"pv": f"{self.prefix}x"})
        (alive,) = received["iocs"]
        self.assertEqual((alive["channels"], alive["connected"]), (2, 2))
        self.assertIsNone(alive["lag"])
        counts = gateway.statistics().delays.counts
        self.assertEqual(sum(counts), 0)
        for value in range(1, 4):
            client.send({"action": "put", "pv": f"{self.prefix}x", "value": value})
            yield client.until(msg_type="monitor", value=value)
        received = report.content({"pv": f"{self.prefix}x"})
        self.assertEqual(received["pv"]["updates"], 4)
        (alive,) = received["iocs"]
        self.assertLess(abs(alive["lag"]), allowed(1))
        yield self.kill_ioc(ioc)
        for _ in range(2):
            yield client.until(msg_type="connection", conn=False)
        received = report.content({"pv": f"{self.prefix}x"})
        self.assertIn(f"the IOC {alive['host']} was lost at", received["pv"]["reason"])
        self.assertEqual({**received["pv"]["ioc"], "lag": 0}, {**alive, "connected": 0, "lag": 0})


class PageTests(WebTestCase):
    """The page, in a browser."""

    RECORDS = 'record(ao, "$(P)x") { field(VAL, "1.5") field(PINI, "YES") }\n'

    @in_thread
    def test_page(self) -> None:
        """The page, and a row of the console, say why a PV is lost; the page finds channels."""
        name = self.pv("x")
        browser = self.open("x", rest=",nowhere")
        browser.until_row(name, lambda row: row.state == "OK")
        for each in (name, "nowhere"):
            browser.unfold(each)
        row = browser.until_row("nowhere", lambda row: "Reason" in row.facts)
        self.assertIn("no IOC has answered since", row.facts["Reason"])
        self.assertNotIn("Reason", browser.until_row(name, lambda row: bool(row.facts)).facts)
        # The channels linger.
        browser.open(f"{self.origin}/status?pv=nowhere")
        browser.until(lambda: "no IOC has answered" in browser.text("#pv"), "why it is dead")
        self.assertIn(name, browser.text("#channels"))
        browser.run("document.querySelector('[name=search]').value = 'nowh'")
        browser.run("document.querySelector('#search').requestSubmit()")
        browser.until(lambda: name not in browser.text("#channels"), "what was searched for")
        self.assertIn("nowhere", browser.text("#channels"))
