"""Base class of the tests of the second tier: a gateway over in-memory PVs on a real port."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks
from twisted.trial.unittest import TestCase

from pycawamp.config.settings import GatewaySettings
from pycawamp.pv.memory import MemoryBackend
from pycawamp.testing import GatewayFixture, WebSocketTestClient
from pycawamp.web.websocket import SocketLimits
from tests.support.timing import allowed


class MemoryGatewayTestCase(TestCase):
    """Tests with their own gateway, whose PVs are in `self.backend`."""

    timeout = allowed(60)

    def setUp(self) -> None:
        """Create the backend."""
        self.backend = MemoryBackend()

    @inlineCallbacks
    def start(self, **limits: Any) -> Generator[Deferred[Any], Any, GatewayFixture]:
        """Run a gateway with some limits."""
        settings = GatewaySettings(socket=SocketLimits(**limits))
        fixture = GatewayFixture(reactor, settings, backend=self.backend)
        self.addCleanup(fixture.stop)
        yield fixture.start()
        return fixture

    @inlineCallbacks
    def start_client(self, **limits: Any) -> Generator[Deferred[Any], Any, WebSocketTestClient]:
        """Run a gateway; fires with its first client."""
        fixture = yield self.start(**limits)
        client: WebSocketTestClient = yield fixture.connect()
        return client


def connect_all(fixture: GatewayFixture, number: int) -> Deferred[list[WebSocketTestClient]]:
    """Fires with a number of clients."""
    return gatherResults([fixture.connect() for _ in range(number)])
