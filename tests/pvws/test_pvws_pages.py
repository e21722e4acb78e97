"""The HTTP resources of PVWS."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np
from twisted.internet.defer import inlineCallbacks

from pycawamp.testing import connect
from tests.support.api_case import ApiTestCase
from tests.support.service_case import reactor
from tests.support.timing import allowed

ELSEWHERE = "https://display.example"
PVLIST = "EVALUATION ORDER ALLOW, DENY\n.* ALLOW\nsecret DENY\n"


class PageTests(ApiTestCase):
    """Pages under /pvws."""

    @inlineCallbacks
    def socket(self, *names: str) -> Any:
        """Return a client with some PVs."""
        client = yield connect(reactor, f"ws://127.0.0.1:{self.port}/pvws/pv")
        self.addCleanup(client.abort)
        client.send({"type": "subscribe", "pvs": list(names)})
        for _ in names:
            yield client.until(type="update")
        return client

    @inlineCallbacks
    def test_info(self) -> Any:
        """The name and the start time; any suffix is accepted; there is no environment."""
        self.serve()
        for path in ("info", "info/x", "info?env=true"):
            reply = yield self.call("GET", f"/pvws/{path}")
            self.assertEqual(reply.status, 200)
            self.assertEqual(set(reply.json), {"start_time", "jre"})
            self.assertRegex(reply.json["start_time"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")
        reply = yield self.call("HEAD", "/pvws/info")
        self.assertEqual((reply.status, reply.body), (200, ""))

    @inlineCallbacks
    def test_other_origin(self) -> Any:
        """A page of another origin may read it if it may open a WebSocket, and with logins."""
        self.serve()
        reply = yield self.call("GET", "/pvws/info", Origin=ELSEWHERE)
        self.assertEqual(reply.headers["access-control-allow-origin"], ELSEWHERE)
        self.assertEqual(reply.headers["access-control-allow-credentials"], "true")
        self.assertEqual(reply.headers["vary"], "origin")

    @inlineCallbacks
    def test_restricted_origin(self) -> Any:
        """With puts, only pages of listed origins may."""
        self.serve("--allow-put=anyone", "--allow-origin", ELSEWHERE)
        reply = yield self.call("GET", "/pvws/info", Origin=ELSEWHERE)
        self.assertEqual(reply.headers["access-control-allow-origin"], ELSEWHERE)
        reply = yield self.call("GET", "/pvws/info", Origin="https://evil.example")
        self.assertEqual(reply.status, 403)
        self.assertNotIn("access-control-allow-origin", reply.headers)

    @inlineCallbacks
    def test_summary(self) -> Any:
        """Each socket, with its times and the number of its PVs."""
        self.backend.add("array", np.arange(7.0))
        self.serve()
        reply = yield self.call("GET", "/pvws/summary")
        self.assertEqual(reply.json, {"sockets": []})
        yield self.socket("X", "array")
        yield connect(reactor, f"ws://127.0.0.1:{self.port}/monitor")
        reply = yield self.call("GET", "/pvws/summary/")
        (entry,) = reply.json["sockets"]
        members = ("id", "created", "last_client_message", "last_message_sent", "queued")
        self.assertEqual(tuple(entry), (*members, "pvs", "arrays", "max_size"))
        self.assertEqual((entry["pvs"], entry["arrays"], entry["max_size"]), (2, 1, 7))
        self.assertEqual(entry["queued"], 0)
        for name in members[1:4]:
            self.assertLess(abs(entry[name] / 1000 - time.time()), allowed(60), name)
        self.assertLessEqual(entry["created"], entry["last_client_message"])

    @inlineCallbacks
    def test_socket(self) -> Any:
        """The PVs of one socket or of all, with their values as text."""
        self.backend.add("text", "Grüezi")
        self.serve()
        for names in (["X"], ["text", "ca://X"]):
            yield self.socket(*names)
        reply = yield self.call("GET", "/pvws/socket")
        first, second = reply.json["sockets"]
        self.assertEqual([each["name"] for each in first["pvs"]], ["X"])
        self.assertEqual(second["pvs"][0], {"name": "text", "value": "Grüezi"})
        reply = yield self.call("GET", f"/pvws/socket/{second['id']}")
        self.assertEqual([each["id"] for each in reply.json["sockets"]], [second["id"]])
        reply = yield self.call("GET", "/pvws/socket/none")
        self.assertEqual(reply.json, {"sockets": []})

    @inlineCallbacks
    def test_pool(self) -> Any:
        """Each PV, with the number of its subscribers."""
        self.backend.add("Y", 2.0)
        self.serve()
        for names in (["X", "Y"], ["X"]):
            yield self.socket(*names)
        reply = yield self.call("GET", "/pvws/pool")
        entry = sorted((each["pv"], each["refs"]) for each in reply.json)
        # Clients that ask for the same name are one subscriber of the channel.
        self.assertEqual(entry, [("X", 1), ("Y", 1)])

    @inlineCallbacks
    def test_rules(self) -> Any:
        """A client that may not read a PV does not see it."""
        pvlist = self.write("pvlist", PVLIST)
        self.backend.add("secret", 5.0)
        self.serve("--pvlist", pvlist)
        yield self.socket("X")
        reply = yield self.call("GET", "/pvws/pvget?name=secret")
        self.assertEqual((reply.status, reply.json["type"]), (403, "error"))
        reply = yield self.call("GET", "/pvws/pvget?name=X")
        self.assertEqual(reply.status, 200)

    @inlineCallbacks
    def test_pvget(self) -> Any:
        """A value is an update without `readonly`."""
        self.serve("--connect-timeout", "0.2")
        client = yield self.socket("ca://X")
        reply = yield self.call("GET", "/pvws/pvget?name=ca%3A%2F%2FX")
        expected = dict(client.messages[0])
        del expected["readonly"]
        self.assertEqual((reply.status, reply.json), (200, expected))
        for query, status in (
            ("name=nowhere", 404),
            ("name=", 400),
            ("", 400),
            ("name=X&name=Y", 400),
            ("name=%FF", 400),
            ("name=dev://X", 400),
        ):
            reply = yield self.call("GET", f"/pvws/pvget?{query}")
            self.assertEqual(reply.status, status, query)

    @inlineCallbacks
    def test_methods(self) -> Any:
        """Nothing can be deleted."""
        self.serve()
        client = yield self.socket("X")
        reply = yield self.call("GET", "/pvws/summary")
        (entry,) = reply.json["sockets"]
        reply = yield self.call("DELETE", f"/pvws/socket/{entry['id']}")
        self.assertIn(reply.status, (405, 501))
        client.send({"type": "echo"})
        yield client.until(type="echo")

    @inlineCallbacks
    def test_console(self) -> Any:
        """The address itself redirects to the console, under any prefix."""
        self.serve()
        reply = yield self.call("GET", "/pvws/")
        self.assertEqual((reply.status, reply.headers["location"]), (303, "../"))

    @inlineCallbacks
    def test_dialects(self) -> Any:
        """Dialects that are not in --dialects are not served."""
        self.serve("--dialects", "epics2web")
        reply = yield self.call("GET", "/pvws/info")
        self.assertEqual(reply.status, 404)
        reply = yield self.call("GET", "/epics2web/healthcheck")
        self.assertEqual(reply.status, 200)

    @inlineCallbacks
    def test_too_many(self) -> Any:
        """Requests are counted like those of WebSockets."""
        self.serve("--max-request-rate", "0.2")
        statuses = []
        for _ in range(8):
            reply = yield self.call("GET", "/pvws/summary")
            statuses.append(reply.status)
        self.assertEqual((statuses[0], statuses[-1]), (200, 429))
        self.assertTrue(re.fullmatch("(200)+(429)+", "".join(map(str, statuses))), statuses)
