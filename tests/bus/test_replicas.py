"""Two edges behind a real HAProxy."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from harness.cluster import Cluster
from tests.support.bus_case import BusTestCase
from tests.support.replicas import HAProxyTestCase


class EdgeTests(HAProxyTestCase, BusTestCase):
    """contrib/haproxy.cfg in front of edges."""

    takes_clients = "Found the ingest A"

    def options(self, port: int) -> list[str]:
        """Return the options of the bus, with a different name for each edge."""
        return [f"--bus={self.bus}", f"--name=e{port}"]

    @inlineCallbacks
    def test_killed(self) -> Any:
        """When an edge is killed, its pages continue at the other one within 2 s."""
        cluster: Cluster = self.cluster()
        cluster.add_nodes(1)
        cluster.ingests = [cluster.ingest("A")]
        yield self.up(*cluster.ingests)
        self.bus = cluster.bus
        yield self.start()
        yield self.assert_one_is_enough()
