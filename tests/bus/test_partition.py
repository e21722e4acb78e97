"""A bus that is split in two: the routes between real nats-servers fail, and come back."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.protocols.portforward import ProxyFactory, ProxyServer

from harness.cluster import Cluster
from pycawamp.bus.client import ClientSettings, Server
from pycawamp.bus.edge import Edge
from pycawamp.demo.ports import free_port
from tests.support.bus_case import BusTestCase, reactor, until_it
from tests.support.counters import PVS, RECORDS, Watch


class Wire(ProxyFactory):
    """A proxy between two NATS servers, which can close connections, or stop passing data on."""

    noisy = False

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port)
        self._is_cut = False
        self._ends: list[Any] = []

    def buildProtocol(self, address: Any) -> ProxyServer | None:
        """Connect a server to the other one, unless the wire is cut."""
        if self._is_cut:
            return None
        made = super().buildProtocol(address)
        assert isinstance(made, ProxyServer)
        self._ends.append(made)
        return made

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        self._is_cut = True
        for transport in self._transports():
            transport.abortConnection()
        self._ends.clear()

    def mend(self) -> None:
        """Accept connections again."""
        self._is_cut = False

    def freeze(self) -> None:
        """Pass nothing on, without closing connections."""
        for transport in self._transports():
            transport.pauseProducing()

    def thaw(self) -> None:
        """Pass on the data received meanwhile, and all that follows."""
        for transport in self._transports():
            transport.resumeProducing()

    def _transports(self) -> list[Any]:
        there = [end for end in self._ends if end.transport.connected]
        return [each.transport for end in there for each in (end, end.peer)]


class PartitionTests(BusTestCase):
    """Two NATS servers, each with an ingest and an edge."""

    @inlineCallbacks
    def start(self) -> Any:
        """Start all processes, and a page with all PVs at each edge."""
        yield self.borrow_ioc(RECORDS)
        cluster: Cluster = self.cluster()
        behind, through, other = (free_port(), free_port(), free_port())
        wire = Wire(behind)
        listening = reactor.listenTCP(through, wire, interface="127.0.0.1")
        self.addCleanup(listening.stopListening)
        self.addCleanup(wire.cut)
        cluster.nodes = [
            cluster.node("nats1", behind, []),
            cluster.node("nats2", other, [through]),
        ]
        yield self.up(*cluster.nodes)
        cluster.ingests = [
            cluster.ingest(name, bus=f"nats://127.0.0.1:{node.port}")
            for name, node in zip("AB", cluster.nodes, strict=True)
        ]
        yield self.up(*cluster.ingests)
        edges, watches = list[Edge](), list[Watch]()
        for name, node in zip(("one", "two"), cluster.nodes, strict=True):
            client = yield self.page_of(ClientSettings([Server("127.0.0.1", node.port)], name))
            client.send(
                {"action": "connect", "pvs": [f"{self.prefix}N{each}" for each in range(PVS)]}
            )
            edges.append(self.edge)
            watches.append(Watch(client))
        yield until_it(lambda: all(watch.is_complete for watch in watches))
        yield until_it(lambda: all(self.is_joined(edge) for edge in edges))
        return wire, edges, watches

    def is_joined(self, edge: Edge) -> bool:
        """Return whether both ingests serve an edge."""
        return sorted(edge.shares) == ["A", "B"] and all(edge.shares.values())

    @inlineCallbacks
    def split(self, edges: list[Edge], watches: list[Watch]) -> Any:
        """Wait until each ingest serves all PVs, to the edge on its side."""
        yield until_it(lambda: [edge.shares for edge in edges] == [{"A": PVS}, {"B": PVS}])
        yield self.see(watches)

    @inlineCallbacks
    def joined(self, edges: list[Edge], watches: list[Watch]) -> Any:
        """Wait until both ingests serve both edges again."""
        for watch in watches:
            watch.start_again()
        yield until_it(lambda: all(self.is_joined(edge) for edge in edges))
        yield until_it(lambda: all(watch.is_complete for watch in watches))
        yield self.see(watches)

    @inlineCallbacks
    def see(self, watches: list[Watch]) -> Any:
        """Wait for further values of all PVs, none of which is repeated."""
        self.assertEqual([watch.repeated for watch in watches], [[], []])
        for watch in watches:
            watch.start_again()
        yield until_it(lambda: all(watch.is_complete for watch in watches))
        self.assertEqual([watch.repeated for watch in watches], [[], []])
        self.assertEqual([watch.lost_connections for watch in watches], [0, 0])

    @inlineCallbacks
    def test_partition(self) -> Any:
        """Two ingests serve each PV for a while: no viewer gets an update twice."""
        wire, edges, watches = yield self.start()
        wire.cut()
        yield self.split(edges, watches)
        wire.mend()
        yield self.joined(edges, watches)
        # The connection fails without a notification, and old data arrives at its end.
        wire.freeze()
        yield self.split(edges, watches)
        wire.thaw()
        yield self.joined(edges, watches)
