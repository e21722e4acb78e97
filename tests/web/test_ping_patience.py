"""A client whose requests wait in the gateway does not time out because of its pong."""

from __future__ import annotations

import json
from typing import Any, cast

from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import TestCase

from pycawamp.config.settings import GatewaySettings
from pycawamp.pv.memory import MemoryBackend
from pycawamp.testing import GatewayFixture
from pycawamp.web.websocket import SocketLimits
from tests.support.service_case import reactor
from tests.support.timing import allowed

PING = 0.1
TIMEOUT = PING + 1
"""Seconds that a client has to answer a ping."""


class PingTests(TestCase):
    """With a real gateway, whose slices of long requests the test controls."""

    timeout = allowed(30)

    @inlineCallbacks
    def test_behind_requests(self) -> Any:
        """The pong of a client waits behind its requests, and these for their slice."""
        backend = MemoryBackend()
        backend.add("X", 1.5)
        settings = GatewaySettings(socket=SocketLimits(ping_interval=PING))
        fixture = GatewayFixture(reactor, settings, backend=backend)
        self.addCleanup(fixture.stop)
        yield fixture.start()
        turns = Clock()
        clients: Any = fixture.gateway.pages(lambda clients, _: cast(Any, clients))
        clients.read_scheduler.clock = turns
        client = yield fixture.connect()
        names = ["X", *(f"nowhere{number}" for number in range(100))]
        client.send(json.dumps({"action": "connect", "pvs": names}))
        yield deferLater(reactor, PING + 2 * TIMEOUT, lambda: None)
        self.assertIsNone(client.close_code)
        found = client.until(msg_type="monitor")
        while not found.called:
            turns.advance(0)
            yield deferLater(reactor, 0, lambda: None)
        yield found
