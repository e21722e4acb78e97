"""Members of the bus with different versions of its messages."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from harness.cluster import Cluster, Member
from pycawamp.access import Policy, Writers
from pycawamp.bus import control, messages
from pycawamp.testing import WebSocketTestClient, connect
from tests.support.bus_case import BusTestCase, reactor, until_it
from tests.support.counters import PVS, RECORDS, Watch

ANYONE = Policy(puts=True, writers=Writers.ANYONE)
BEFORE = messages.VERSION - 1
OLD = (
    "from pycawamp.bus import messages as m; "
    f"m.VERSION, m.VERSIONS = {BEFORE}, ({BEFORE},); "
    "from twisted.scripts.twistd import run; run()"
)
"""A program that runs an ingest that only supports the previous version."""


class UpgradeTests(BusTestCase):
    """Two ingests and an edge of the previous version, and an edge of this version."""

    @inlineCallbacks
    def test_rolling(self) -> Any:
        """Nothing is lost or repeated while ingests are upgraded, and all requests work."""
        yield self.start_ioc(
            RECORDS + 'record(ao, "$(P)AO") { field(VAL, "1") field(PINI, "YES") }'
        )
        for module in (control, messages):
            self.patch(module, "VERSIONS", (BEFORE,))
        cluster: Cluster = self.cluster()
        cluster.add_nodes(1)
        cluster.ingests = [cluster.ingest(name, "--allow-put=anyone") for name in "AB"]
        new = [list(ingest.command) for ingest in cluster.ingests]
        for ingest, command in zip(cluster.ingests, new, strict=True):
            ingest.command = [command[0], "-c", OLD, *command[3:]]
        edge = cluster.edge("new", "--allow-put=anyone")
        yield self.up(*cluster.ingests, edge)
        cluster.edges = [edge]
        page = yield self.page(cluster, ANYONE)
        names = [f"{self.prefix}N{number}" for number in range(PVS)]
        page.send({"action": "connect", "pvs": names})
        watch = Watch(page)
        yield until_it(lambda: watch.is_complete)
        same = yield self.fixture.connect()
        yield self.use(same)
        other = yield connect(reactor, f"ws://127.0.0.1:{edge.port}/monitor")
        self.addCleanup(other.abort)
        yield self.use(other)
        watch.start_again()
        for ingest, command in zip(cluster.ingests, new, strict=True):
            yield self.upgrade(ingest, command)
        yield until_it(lambda: watch.is_complete)
        self.assertEqual(watch.lost_connections, 0)
        self.assertEqual(watch.repeated, [])
        self.assertTrue(watch.max_lost == 0 or cluster.is_overloaded, watch.max_lost)
        for each in (same, other):
            yield self.use(each)

    @inlineCallbacks
    def upgrade(self, ingest: Member, command: list[str]) -> Any:
        """Stop an ingest and start another program in its place; wait until it has PVs."""
        ingest.stop()
        yield until_it(lambda: not ingest.runs)
        ingest.command = command
        yield self.up(ingest)
        yield until_it(lambda: self.edge.shares.get(ingest.name, 0) > 0)

    @inlineCallbacks
    def use(self, page: WebSocketTestClient) -> Any:
        """Read and write a PV, with the next value."""
        name = f"{self.prefix}AO"
        page.send({"action": "configure", "metadata": True})
        page.send({"action": "connect", "pv": name, "max_rate": 5})
        yield page.until(msg_type="metadata", pvname=name, type="double")
        self.value = getattr(self, "value", 1) + 1
        page.send({"action": "put", "pv": name, "value": self.value})
        yield page.until(msg_type="monitor", pvname=name, value=self.value)
        page.send({"action": "get", "pv": name})
        yield page.until(msg_type="value", pvname=name, value=self.value)
        page.send({"action": "disconnect", "pv": name})
