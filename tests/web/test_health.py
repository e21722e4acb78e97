"""/healthz and /readyz, with PVs in memory and Channel Access."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks
from zope.interface import implementer

from pycawamp.pv.interfaces import IHealthCheck
from pycawamp.pv.memory import MemoryBackend
from pycawamp.testing import GatewayFixture
from pycawamp.web.health import TIMEOUT
from tests.support.api_case import ApiTestCase
from tests.support.ioc_case import IOCTestCase, until_true


@implementer(IHealthCheck)
class HangingBackend(MemoryBackend):
    """A backend that hangs until a test continues it."""

    def __init__(self) -> None:
        super().__init__()
        self.checks: list[Deferred[None]] = []

    def check(self) -> Deferred[None]:
        """Wait."""
        self.checks.append(Deferred())
        return self.checks[-1]


class HealthTests(ApiTestCase):
    """Responses by state."""

    @inlineCallbacks
    def test_well(self) -> Any:
        """A running gateway is healthy and ready, for any client."""
        self.serve("--allow-put=anyone", "--allow-origin", "https://friend.example")
        for path in ("/healthz", "/readyz"):
            reply = yield self.call("GET", path, Host="10.0.0.7:8888", Origin="https://x.example")
            self.assertEqual((reply.status, reply.json), (200, {"status": "ok"}))
            self.assertEqual(reply.headers["cache-control"], "no-store")
            reply = yield self.call("HEAD", path)
            self.assertEqual((reply.status, reply.body), (200, ""))
            reply = yield self.call("DELETE", path)
            self.assertIn(reply.status, {405, 501})

    @inlineCallbacks
    def test_draining(self) -> Any:
        """A gateway that drains is healthy, and not ready."""
        service = self.serve()
        service.gateway.readiness.draining = True
        reply = yield self.call("GET", "/readyz")
        self.assertEqual(
            (reply.status, reply.json), (503, {"status": "unavailable", "why": "draining"})
        )
        reply = yield self.call("GET", "/healthz")
        self.assertEqual(reply.status, 200)

    @inlineCallbacks
    def test_starting(self) -> Any:
        """Before Channel Access was opened, it is not ready."""
        service = self.serve()
        service.gateway.readiness.started = False
        reply = yield self.call("GET", "/readyz")
        self.assertEqual((reply.status, reply.json["why"]), (503, "starting"))

    @inlineCallbacks
    def test_hanging(self) -> Any:
        """While a backend hangs, the answer is 503; many requests share one check."""
        self.backend = backend = HangingBackend()
        self.serve()
        replies = yield gatherResults([self.call("GET", "/healthz") for _ in range(20)])
        self.assertEqual({reply.status for reply in replies}, {503})
        self.assertIn(f"{TIMEOUT:g} s", replies[0].json["why"])
        self.assertEqual(len(backend.checks), 1)
        backend.checks[0].callback(None)
        responding = self.call("GET", "/readyz")
        yield until_true(lambda: len(backend.checks) == 2)
        backend.checks[1].callback(None)
        reply = yield responding
        self.assertEqual(reply.status, 200)


class ChannelAccessTests(IOCTestCase):
    """With Channel Access."""

    @inlineCallbacks
    def test_worker(self) -> Any:
        """Channel Access is healthy once its worker runs."""
        fixture: GatewayFixture = yield self.start_gateway()
        yield fixture.gateway.check()
