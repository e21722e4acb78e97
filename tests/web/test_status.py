"""/status: what the gateway is doing, and why a PV is dead."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from pycawamp.config.settings import GatewaySettings
from pycawamp.service.app import search_variables
from pycawamp.web.status import MOST, StatusReport
from tests.support.api_case import ApiTestCase
from tests.support.console_case import WebTestCase, in_thread
from tests.support.ioc_case import IOCTestCase

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
        """Clients, channels and totals are told, and no secret and no environment."""
        self.serve()
        client = yield self.connect()
        for name in ("X", "nowhere"):
            client.send(name)
        yield client.until(msg_type="monitor")
        client.send({"action": "fly"})
        yield client.until(msg_type="error")
        report = yield self.status()
        (told,) = report["clients"]
        self.assertEqual((told["transport"], told["pvs"], told["user"]), ("websocket", 2, None))
        channels = {each["name"]: each for each in report["channels"]}
        self.assertEqual(channels["X"]["state"], "connected")
        self.assertEqual((channels["X"]["type"], channels["X"]["subscribers"]), ("double", 1))
        self.assertLess(abs(channels["X"]["age"]), 60)
        self.assertEqual(channels["nowhere"]["state"], "searching")
        self.assertEqual(report["totals"]["errors"], {"unknown_action": 1})
        self.assertGreaterEqual(report["uptime"], 0)
        self.assertEqual(set(report) & {"environ", "asked", "pv"}, set())

    @inlineCallbacks
    def test_search(self) -> Any:
        """A search tells of what it finds, and of many how many they are."""
        for number in range(MOST + 10):
            self.backend.add(f"n{number}", 0.0)
        self.serve()
        client = yield self.connect()
        client.send({"action": "connect", "pvs": ["X", *(f"n{n}" for n in range(MOST + 10))]})
        yield client.until(pvname=f"n{MOST + 9}", msg_type="monitor")
        report = yield self.status("?search=x")
        self.assertEqual([each["name"] for each in report["channels"]], ["X"])
        self.assertEqual((report["clients_connected"], report["clients_found"]), (1, 0))
        report = yield self.status("?search=N")
        self.assertEqual((report["channels_found"], len(report["channels"])), (MOST + 10, MOST))
        report = yield self.status("?search=127.0.0.1")
        self.assertEqual(report["clients_found"], 1)

    @inlineCallbacks
    def test_dead(self) -> Any:
        """Of a PV that no IOC serves it is told since when, and whom the gateway asks."""
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
    def test_bad_query(self) -> Any:
        """What nobody can ask is refused."""
        self.serve()
        for query in ("?name=X", "?pv=X&pv=Y", "?search=%FF"):
            reply = yield self.call("GET", f"/status{query}")
            self.assertEqual(reply.status, 400, query)

    @inlineCallbacks
    def test_readers(self) -> Any:
        """The clients of a proxy may not see it, unless an option says so."""
        self.serve()
        reply = yield self.call("GET", "/status", X_Forwarded_For="192.0.2.7")
        self.assertEqual(reply.status, 403)


class LostTests(IOCTestCase):
    """Over Channel Access."""

    @inlineCallbacks
    def test_lost(self) -> Any:
        """Of a lost PV it is told which IOC it was on, and whether that has others alive."""
        ioc = yield self.start_ioc(RECORDS)
        fixture = yield self.start_gateway(GatewaySettings(connect_timeout=1))
        client = yield fixture.connect()
        client.send({"action": "connect", "pvs": [f"{self.prefix}x", f"{self.prefix}y"]})
        for name in ("x", "y"):
            yield client.until(msg_type="monitor", pvname=f"{self.prefix}{name}")
        gateway = fixture.gateway
        report = StatusReport(gateway, gateway.hub, gateway.decide, search_variables)
        told = report.told({"pv": f"{self.prefix}x"})
        (alive,) = told["iocs"]
        self.assertEqual((alive["channels"], alive["connected"]), (2, 2))
        yield self.kill_ioc(ioc)
        for _ in range(2):
            yield client.until(msg_type="connection", conn=False)
        told = report.told({"pv": f"{self.prefix}x"})
        self.assertIn(f"the IOC {alive['host']} was lost at", told["pv"]["reason"])
        self.assertEqual(told["pv"]["ioc"], {**alive, "connected": 0})


class PageTests(WebTestCase):
    """The page, in a browser."""

    RECORDS = 'record(ao, "$(P)x") { field(VAL, "1.5") field(PINI, "YES") }\n'

    @in_thread
    def test_page(self) -> None:
        """The page shows the channels, finds some, and says why one is dead."""
        name = self.pv("x")
        browser = self.open("x", rest=",nowhere")
        browser.until_row(name, lambda row: row.state == "OK")
        # The channels linger.
        browser.open(f"{self.origin}/status?pv=nowhere")
        browser.until(lambda: "no IOC has answered" in browser.text("#pv"), "why it is dead")
        self.assertIn(name, browser.text("#channels"))
        browser.run("document.querySelector('[name=search]').value = 'nowh'")
        browser.run("document.querySelector('#search').requestSubmit()")
        browser.until(lambda: name not in browser.text("#channels"), "what was searched for")
        self.assertIn("nowhere", browser.text("#channels"))
