"""The gateway's rules apply to the protocols of other gateways too."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from pycawamp.testing import WebSocketTestClient, connect
from tests.support.api_case import ApiTestCase
from tests.support.http_reader import UPGRADE
from tests.support.logins import PASSWORD, entry
from tests.support.scrape import values
from tests.support.service_case import basic, reactor

SOCKETS = ("/pvws/pv", "/epics2web/monitor")
PAGES = (
    "/pvws/info", "/pvws/summary", "/pvws/socket", "/pvws/pool", "/pvws/pvget?name=X",
    "/pvws/js/pvws.js", "/pvws/js/jquery.js", "/pvws/img/connected.png", "/pvws/",
    "/epics2web/caget?pv=X", "/epics2web/healthcheck", "/epics2web/overview",
    "/epics2web/resources/js/epics2web.min.js",
)  # fmt: skip


class RuleTests(ApiTestCase):
    """Logins, origins, host names, the put log and the statistics."""

    @inlineCallbacks
    def socket(self, path: str, **headers: str) -> Any:
        """Fires with a client of a path."""
        url = f"ws://127.0.0.1:{self.port}{path}"
        client: WebSocketTestClient = yield connect(reactor, url, headers=headers)
        self.addCleanup(client.abort)
        return client

    @inlineCallbacks
    def statuses(self, path: str, **headers: str) -> Any:
        """Fires with the status of a handshake or a request."""
        more = UPGRADE if path in SOCKETS else {}
        reply = yield self.call("GET", path, **{**more, **headers})
        return reply.status

    @inlineCallbacks
    def test_login(self) -> Any:
        """If a login is required, nothing can be read without one."""
        self.serve("--require-login", "--htpasswd", self.write("users", entry("alice")))
        for path in (*SOCKETS, *PAGES):
            status = yield self.statuses(path)
            self.assertEqual(status, 401, path)
        client = yield self.socket("/pvws/pv", Authorization=basic("alice", PASSWORD))
        client.send({"type": "subscribe", "pvs": ["X"]})
        yield client.until(value=1.5)

    @inlineCallbacks
    def test_origins_and_hosts(self) -> Any:
        """If rights depend on the address, other pages and other host names are refused."""
        self.serve("--allow-put=anyone")
        for path in SOCKETS:
            for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
                status = yield self.statuses(path, **headers)
                self.assertIn(status, (403, 421), (path, headers))
        for path in PAGES:
            status = yield self.statuses(path, Host="evil.example")
            self.assertIn(status, (403, 421), path)

    @inlineCallbacks
    def test_put_log(self) -> Any:
        """Writes are logged and counted, as are clients and refusals."""
        log = self.folder / "puts.log"
        self.serve("--allow-put=anyone", "--put-log", str(log))
        client = yield self.socket("/pvws/pv")
        yield self.socket("/epics2web/monitor")
        client.send({"type": "subscribe", "pvs": ["X"]})
        yield client.until(value=1.5)
        client.send({"type": "write", "pv": "X", "value": "2.5"})
        yield client.until(value=2.5)
        client.send({"type": "write", "pv": "X", "value": "much"})
        yield client.until(type="error")
        lines = log.read_text().splitlines()
        self.assertEqual(len(lines), 2)
        self.assertIn("sent", lines[0])
        self.assertIn("bad_value", lines[1])
        reply = yield self.call("GET", "/metrics")
        found = values(reply.body)
        self.assertEqual(found["pycaserver_clients"][("websocket",)], 2)
        self.assertEqual(found["pycaserver_puts_total"], {("sent",): 1, ("bad_value",): 1})
