"""Tests of PVs of the gateway itself."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.trial.unittest import TestCase

from pycawamp.config.settings import GatewaySettings
from pycawamp.pv.memory import MemoryBackend
from pycawamp.testing import GatewayFixture, WebSocketTestClient
from tests.support.timing import allowed
from tests.support.version2_case import ANYONE, send_request


class LocalTestCase(TestCase):
    """Tests with their own gateway."""

    timeout = allowed(60)
    policy = ANYONE

    @inlineCallbacks
    def start(self) -> Generator[Deferred[Any], Any, WebSocketTestClient]:
        """Run the gateway; fires with its first client."""
        settings = GatewaySettings(linger=0.05)
        self.fixture = GatewayFixture(
            reactor, settings, backend=MemoryBackend(), policy=self.policy
        )
        self.addCleanup(self.fixture.stop)
        yield self.fixture.start()
        client: WebSocketTestClient = yield self.fixture.connect()
        return client

    @inlineCallbacks
    def value(self, client: WebSocketTestClient, name: str) -> Generator[Deferred[Any], Any, Any]:
        """Fires with the value of a PV, or the error."""
        reply = yield send_request(client, "get", pv=name)
        return reply.get("value", reply.get("message"))
