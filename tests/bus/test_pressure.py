"""When a client of the bus counts as congested."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred

from pycawamp.bus.client import ClientSettings, NATSClient, servers
from tests.support.bus_case import BusTestCase, reactor, until_it


class PressureTests(BusTestCase):
    """A client of a real nats-server."""

    @inlineCallbacks
    def test_pressure(self) -> Any:
        """A burst for each of many edges is sent at once; many megabytes are held back."""
        cluster = self.cluster()
        cluster.add_nodes(1)
        client = NATSClient(reactor, ClientSettings(servers(cluster.bus), "A"))
        client.startService()
        self.addCleanup(maybeDeferred, client.stopService)
        yield until_it(lambda: client.is_open)
        for edge in range(20):
            client.publish(f"pycaserver.data.e{edge}.1", bytes(24_000))
            self.assertFalse(client.is_congested)
        writable: Deferred[None] = Deferred()
        client.on_writable.append(lambda: writable.callback(None))
        client.publish("pycaserver.data.e1.1", bytes(8_000_000))
        self.assertTrue(client.is_congested)
        yield writable
        self.assertFalse(client.is_congested)
