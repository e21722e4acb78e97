"""The HTTP resources of epics2web."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from twisted.internet.defer import inlineCallbacks

from pycawamp.pv.values import FieldType, Metadata
from pycawamp.testing import connect
from pycawamp.web import epics2web
from tests.support.api_case import ApiTestCase
from tests.support.ioc_case import until_true
from tests.support.service_case import reactor


class CagetTests(ApiTestCase):
    """/epics2web/caget."""

    @inlineCallbacks
    def test_values(self) -> Any:
        """Values are in the order of the request, enums by label unless `n` is given."""
        states = Metadata(FieldType.ENUM, 1, enum_strs=("Off", "On"))
        self.backend.add("enum", 1, states)
        self.backend.add("text", "Grüezi")
        self.backend.add("nan", math.nan)
        self.backend.add("array", np.array([2.5, 1]))
        chars = np.frombuffer(b"H\xc3\xa9\0x", np.uint8)
        self.backend.add("chars", chars, Metadata(FieldType.CHAR, 8))
        self.serve()
        names = ["text", "enum", "X", "nan", "array", "chars", "enum"]
        for number, label in (("", "On"), ("&n=any", 1)):
            query = "&".join(f"pv={name}" for name in names)
            reply = yield self.call("GET", f"/epics2web/caget?{query}{number}")
            values = ["Grüezi", label, 1.5, "NaN", 2.5, "Hé", label]
            expected = [
                {"name": name, "value": value} for name, value in zip(names, values, strict=True)
            ]
            self.assertEqual((reply.status, reply.json), (200, {"data": expected}))
        reply = yield self.call("GET", "/epics2web/caget")
        self.assertEqual(reply.body, '{"data":[]}')

    @inlineCallbacks
    def test_failure(self) -> Any:
        """One failure makes the whole call fail, with status 200, after two seconds."""
        self.serve()
        started = reactor.seconds()
        reply = yield self.call("GET", "/epics2web/caget?pv=X&pv=nowhere&pv=neither")
        text = "CAException: Could not get channel nowhere"
        self.assertEqual((reply.status, reply.json), (200, {"error": text}))
        self.assertGreaterEqual(reactor.seconds() - started, 2.0)
        reply = yield self.call("GET", "/epics2web/caget?pv=")
        self.assertEqual(list(reply.json), ["error"])

    @inlineCallbacks
    def test_jsonp(self) -> Any:
        """A callback must be the name of a function."""
        self.serve()
        for callback in ("cb", "jQuery1102_5", "app.loaded.$x"):
            reply = yield self.call("GET", f"/epics2web/caget?pv=X&jsonp={callback}")
            self.assertEqual(reply.body, f'{callback}({{"data":[{{"name":"X","value":1.5}}]}});')
            self.assertEqual(reply.headers["content-type"], "text/javascript; charset=utf-8")
            self.assertEqual(reply.headers["x-content-type-options"], "nosniff")
        for callback in ("", "alert(1)//", "a%3Bb", "a b", "%3Cscript%3E", "a..b", "1a", "x" * 200):
            reply = yield self.call("GET", f"/epics2web/caget?pv=X&jsonp={callback}")
            self.assertEqual(reply.status, 400, callback)

    @inlineCallbacks
    def test_jsonp_elsewhere(self) -> Any:
        """With puts, a page of another origin cannot read values by loading them as a script."""
        self.serve("--allow-put=anyone")
        path = "/epics2web/caget?pv=X&jsonp=cb"
        reply = yield self.call("GET", path)
        self.assertEqual(reply.status, 403)
        for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200)):
            reply = yield self.call("GET", path, Sec_Fetch_Site=site)
            self.assertEqual(reply.status, status, site)


class HealthTests(ApiTestCase):
    """/epics2web/healthcheck, and bookmarked pages."""

    @inlineCallbacks
    def test_healthcheck(self) -> Any:
        """PVs that were lost some time ago are listed with status 503."""
        self.patch(epics2web, "PATIENCE", 0.2)
        self.backend.add("Y", 2)
        self.serve()
        client = yield connect(reactor, f"ws://127.0.0.1:{self.port}/epics2web/monitor")
        self.addCleanup(client.abort)
        client.send({"type": "monitor", "pvs": ["X", "Y", "nowhere"]})
        for name in ("X", "Y"):
            yield client.until(type="update", pv=name)
        reply = yield self.call("GET", "/epics2web/healthcheck")
        self.assertEqual((reply.status, reply.json), (200, []))
        self.assertEqual(reply.headers["content-type"], "application/json")
        self.backend.remove("Y")
        yield client.until(connected=False, pv="Y")
        lost = reactor.seconds()
        yield until_true(lambda: reactor.seconds() > lost + 0.3)
        reply = yield self.call("GET", "/epics2web/healthcheck")
        self.assertEqual(reply.status, 503)
        (reported,) = reply.json
        self.assertEqual(reported["name"], "Y")
        self.assertRegex(reported["disconnected_minutes"], r"^\d+\.\d$")
        self.backend.add("Y", 3)
        yield client.until(type="update", pv="Y")
        reply = yield self.call("GET", "/epics2web/healthcheck")
        self.assertEqual((reply.status, reply.json), (200, []))

    @inlineCallbacks
    def test_bookmarks(self) -> Any:
        """Pages of epics2web lead to the console, under any prefix."""
        self.serve()
        for page in ("", "overview", "console", "test-camonitor", "test-caget"):
            reply = yield self.call("GET", f"/epics2web/{page}")
            self.assertEqual((reply.status, reply.headers["location"]), (303, "../"))
