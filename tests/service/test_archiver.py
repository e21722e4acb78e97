"""History from an EPICS Archiver Appliance, joined with what the gateway keeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.trial.unittest import TestCase
from twisted.web.server import Request
from zope.interface import implementer

from pycawamp.access import IPolicy, Verdict
from pycawamp.client import GatewayClient, GatewayError
from pycawamp.config.settings import GatewaySettings
from pycawamp.pv import archiver
from pycawamp.pv.errors import ArchiverError
from pycawamp.pv.memory import MemoryBackend
from pycawamp.testing import GatewayFixture, WebSocketTestClient
from pycawamp.wire.v2.requests import MIN_POINTS
from tests.support.archiver import ArchiverAppliance, Stored, never
from tests.support.timing import allowed
from tests.support.version2_case import send_request

DAY = 86400
RECORDED = b"""[
{ "meta": { "name": "old" , "PREC": "3" , "EGU": "degF" }
,"data": [
{ "secs": 1351725020, "val": 42.5, "nanos": 213047000, "severity":0, "status":0,
 "fields": { "cnxlostepsecs": "1351724980", "startup": "true" } },
{ "secs": 1351725021, "val": NaN, "nanos": 213047000, "severity":3, "status":17 },
{ "secs": 1351725022, "val": 43, "nanos": 1, "severity":1, "status":4 }
] }
 ]"""
"""Return a response with all that its JSON may have: fields, NaN, integers, line breaks."""
LOST = b"""[{"meta": {"name": "old"}, "data": [
{"secs": 1000, "nanos": 5, "val": 1, "severity": 0},
{"secs": 2000, "nanos": 0, "val": 2, "severity": 0,
 "fields": {"cnxlostepsecs": "1500", "cnxregainedepsecs": "1999"}},
{"secs": 3000, "nanos": 0, "val": 3, "severity": 0,
 "fields": {"cnxlostepsecs": "0", "cnxregainedepsecs": "2999", "startup": "true"}},
{"secs": 3001, "nanos": 0, "val": 4, "severity": 0, "fields": {"HIHI": "5"}},
{"secs": 3002, "nanos": 0, "val": 5, "severity": 0, "fields": {"cnxlostepsecs": "3002"}}
]}]"""
"""A response about a PV whose IOC was lost; later, the appliance was restarted."""


@implementer(IPolicy)
class NotSecret:
    """Everybody may read everything but names with SECRET; `alias` stands for `old`."""

    def decide(self, _user: str | None, _host: str, _host_name: Any, name: str) -> Verdict:
        """Return the rights for a PV."""
        real_name = "old" if name == "alias" else name
        return Verdict("SECRET" not in name, False, real_name, trap_write=False, rules=())


class ArchiverTests(TestCase):
    """A gateway with PVs in memory, and an appliance."""

    timeout = allowed(60)

    @inlineCallbacks
    def setUp(self) -> Generator[Deferred[Any], Any, None]:  # type: ignore[override]
        """Run both, with a client."""
        self.appliance = ArchiverAppliance()
        self.addCleanup(self.appliance.stop)
        self.now = time.time()
        self.backend = MemoryBackend(now=lambda: self.now)
        settings = GatewaySettings(history=600, archiver=self.appliance.url)
        self.fixture = GatewayFixture(reactor, settings, backend=self.backend, policy=NotSecret())
        self.addCleanup(self.fixture.stop)
        yield self.fixture.start()
        self.client: WebSocketTestClient = yield self.fixture.connect()

    def read(
        self,
        name: str = "old",
        start: float | None = None,
        end: float | None = None,
        points: int = 8192,
    ) -> Deferred[dict[str, Any]]:
        """Request the history of a PV, by default of the last day."""
        start = self.now - DAY if start is None else start
        keys = {"pv": name, "from": start, "to": end, "points": points}
        return send_request(self.client, "history", **keys)

    @inlineCallbacks
    def test_archived(self) -> Generator[Deferred[Any], Any, None]:
        """Samples of a PV without clients, with the last one before the start."""
        start = int(self.now) - DAY
        self.appliance.samples["old"] = [
            Stored(start - 5000, 1, 0.5), Stored(start + 10, 250_000_000, 1.5, 2, 3),
            Stored(start + 20, 0, float("nan"), 3, 17), Stored(start + 30, 0, 7),
        ]  # fmt: skip
        reply = yield self.read(start=start, end=start + 25)
        self.assertEqual(reply["values"], [0.5, 1.5, None])
        self.assertEqual(reply["severities"], [0, 2, 3])
        self.assertEqual(reply["timestamps"][1], start + 10.25)
        self.assertEqual(len(self.appliance.requests), 1)

    @inlineCallbacks
    def test_client(self) -> Generator[Deferred[Any], Any, None]:
        """The Python client reads it too."""
        self.appliance.answer = lambda _: RECORDED
        client = GatewayClient(reactor, self.fixture.url)
        self.addCleanup(client.close)
        history = yield client.history("old", 1351725000, 1351725030, points=100)
        self.assertEqual((history.name, history.timestamps[0]), ("old", 1351725020.213047))
        self.assertEqual(history.severities.tolist(), [0, 3, 1])
        self.assertTrue(np.isnan(history.values[1]))
        failure = yield self.assertFailure(client.history("MY:SECRET", 0), GatewayError)
        self.assertEqual(failure.code, "forbidden")

    @inlineCallbacks
    def test_recorded(self) -> Generator[Deferred[Any], Any, None]:
        """A response in the appliance's format is understood."""
        self.appliance.answer = lambda _: RECORDED
        reply = yield self.read(start=1351725000, end=1351725030)
        self.assertEqual(reply["values"], [42.5, None, 43.0])
        self.assertEqual(reply["severities"], [0, 3, 1])

    @inlineCallbacks
    def test_lost(self) -> Generator[Deferred[Any], Any, None]:
        """There is a gap while the appliance had no connection."""
        self.appliance.answer = lambda _: LOST
        reply = yield self.read(start=1000, end=4000)
        self.assertEqual(
            list(zip(reply["timestamps"], reply["values"], strict=True))[1:],
            [(1500, None), (2000, 2), (2001, None), (3000, 3), (3001, 4), (3002, 5)],
        )

    @inlineCallbacks
    def test_joined(self) -> Generator[Deferred[Any], Any, None]:
        """The archive ends where the gateway's memory begins: no sample is missing or repeated."""
        seconds = int(self.now) - 100
        self.appliance.samples["old"] = [Stored(seconds + i, 0, i) for i in range(90)]
        self.now = seconds + 50
        self.backend.add("old", 50.0)
        self.client.send({"action": "connect", "pv": "old"})
        yield self.client.until(msg_type="monitor")
        for i in range(51, 90):
            self.now = seconds + i
            self.backend.set("old", float(i))
        reply = yield self.read(start=seconds - 1000)
        self.assertEqual(reply["values"], list(range(90)))
        # If all samples are in memory, there is no request.
        requested = len(self.appliance.requests)
        reply = yield self.read(start=seconds + 60)
        self.assertEqual(reply["values"], list(range(59, 90)))
        self.assertEqual(len(self.appliance.requests), requested)

    @inlineCallbacks
    def test_many(self) -> Generator[Deferred[Any], Any, None]:
        """Of more samples than requested, each part has its lowest and highest."""
        seconds = int(self.now) - DAY
        stored = [Stored(seconds + 10 * i, 0, i % 100) for i in range(DAY // 10)]
        stored[4321] = stored[4321]._replace(val=1e6)
        self.appliance.samples["old"] = stored
        reply = yield self.read(points=300)
        self.assertLessEqual(len(reply["values"]), 300)
        self.assertGreater(len(reply["values"]), 100)
        self.assertEqual((min(reply["values"]), max(reply["values"])), (0, 1e6))
        self.assertEqual(reply["timestamps"], sorted(reply["timestamps"]))

    @inlineCallbacks
    def test_rules(self) -> Generator[Deferred[Any], Any, None]:
        """Rules apply, by any name; no name is an operator of the appliance."""
        self.appliance.samples |= {name: [Stored(int(self.now) - 9, 0, 1)] for name in ("old", "X")}
        reply = yield self.read("MY:SECRET")
        self.assertEqual(reply["code"], "forbidden")
        reply = yield self.read("alias")
        self.assertEqual(reply["values"], [1])
        for name in ("mean_5(X)", "X,old", "X&pv=old", "../X", "loc://X", "sim://sine", "X)(old"):
            reply = yield self.read(name)
            self.assertEqual(reply.get("values"), [], name)
        requested = {each["pv"] for each in self.appliance.requests}
        self.assertEqual(len(requested), 2, requested)
        self.assertEqual({"(old)", "(../X)"}, {each[each.index("(") :] for each in requested})

    @inlineCallbacks
    def test_faults(self) -> Generator[Deferred[Any], Any, None]:
        """Each failure of the appliance is reported, and does not affect other requests."""
        patience = self.patch(archiver, "TIMEOUT", 0.2)

        def redirect(request: Request) -> bytes:
            request.redirect(f"{self.appliance.url}/elsewhere".encode())
            return b""

        def broken(request: Request) -> int:
            request.write(b"[")
            request.loseConnection()
            return never(request)

        def failed(request: Request) -> bytes:
            request.setResponseCode(500)
            return b"out of memory"

        faults: dict[str, Callable[[Request], Any]] = {
            "within 0.2 s": never,
            "HTTP status 302": redirect,
            "HTTP status 500": failed,
            "closed the connection": broken,
            "more than": lambda _: b" " * (archiver.MAX_BYTES + 1),
        }
        sample = b'{"secs":1,"val":1,"fields":%b}'
        data = [b"5", b"[5]", b"[[5]]", b'["5"]', b'[{"secs":1}]', b'{"5":5}']
        data += [b"[%b]" % (sample % fields) for fields in (b"[]", b'"5"', b"null")]
        bodies = (b"", b"<html>", b"{}", b"[" * 10**5, *(b'[{"data":%b}]' % each for each in data))
        for text, answer in [
            *faults.items(),
            *(("is invalid", lambda _, body=body: body) for body in bodies),
        ]:
            self.appliance.answer = answer
            reply = yield self.read()
            self.assertEqual(reply["code"], "archiver_failed", reply)
            self.assertIn(text, reply["message"])
        self.assertEqual({each["pv"][-5:] for each in self.appliance.requests}, {"(old)"})
        stopped = self.appliance.stop()
        if stopped is not None:
            yield stopped
        patience.restore()
        anew = archiver.Archiver(reactor, self.appliance.url)
        failure = yield self.assertFailure(
            Deferred.fromCoroutine(anew.samples("old", 0, self.now, 100)), ArchiverError
        )
        self.assertIn("cannot be reached", str(failure))

    @inlineCallbacks
    def test_turns(self) -> Generator[Deferred[Any], Any, None]:
        """Few requests are made at once; those of disconnected clients are dropped."""
        self.appliance.answer = never
        others = []
        for _ in range(4):
            other = yield self.fixture.connect()
            others.append(other)
            for _ in range(5):
                other.send({"action": "history", "pv": "old", "from": 0})
        while len(self.appliance.requests) < archiver.MAX_REQUESTS:
            yield _turn()
        yield self.client_pings()
        self.assertEqual(len(self.appliance.requests), archiver.MAX_REQUESTS)
        self.appliance.answer = None
        for other in others:
            yield other.close()
        reply = yield self.read()
        self.assertEqual(reply["values"], [])

    def client_pings(self) -> Deferred[dict[str, Any]]:
        """The gateway is not blocked meanwhile."""
        return send_request(self.client, "ping")

    @inlineCallbacks
    def test_bad_requests(self) -> Generator[Deferred[Any], Any, None]:
        """Invalid times are refused; for times long ago there are no samples."""
        wrong: list[dict[str, Any]] = [
            {}, {"from": "now"}, {"from": -1}, {"from": 1e20}, {"from": True}, {"from": 5, "to": 4},
            {"from": 5, "to": "x"}, {"from": 5, "points": MIN_POINTS - 1},
            {"from": 5, "points": 1e9},
        ]  # fmt: skip
        for keys in wrong:
            reply = yield send_request(self.client, "history", pv="old", **keys)
            self.assertEqual((reply["code"], reply["action"]), ("bad_request", "history"))
        reply = yield send_request(self.client, "history", pv="old", **{"from": 0})
        self.assertEqual(reply["values"], [])


def _turn() -> Deferred[None]:
    done: Deferred[None] = Deferred()
    reactor.callLater(0.01, done.callback, None)
    return done
