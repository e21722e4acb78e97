"""Connections are counted from accept on, of any kind, and descriptors are reserved."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from twisted.internet.defer import gatherResults, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint, UNIXClientEndpoint
from twisted.internet.protocol import Factory, Protocol

from tests.support.certificate import write_certificate
from tests.support.http_reader import UPGRADE, request
from tests.support.ioc_case import until_true
from tests.support.service_case import MemoryServiceTestCase, reactor
from tests.support.twistd_case import LOOPBACK, TwistdTestCase

REQUEST = request("/config.json", {})
"""A peer whose connection is kept."""


class Peer(Protocol):
    """A client that stores what it receives, and records when it is disconnected."""

    def __init__(self) -> None:
        self.data = b""
        self.is_closed = False

    def dataReceived(self, data: bytes) -> None:
        """Store data."""
        self.data += data

    def connectionLost(self, reason: Any = None) -> None:
        """Record the end."""
        self.is_closed = True


class CountTests(MemoryServiceTestCase):
    """How connections are counted together, and what happens to one too many."""

    def begin(self, *options: str) -> None:
        """Run a gateway."""
        service = self.serve(*options)
        self.site: Any = service.site
        self.refusals = self.site.refusals.counts

    @inlineCallbacks
    def come(self, data: bytes = b"", host: str = "127.0.0.1") -> Any:
        """Connect from an address and send something; fires with the peer."""
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port, bindAddress=(host, 0))
        peer: Any = yield endpoint.connect(Factory.forProtocol(Peer))
        self.addCleanup(peer.transport.abortConnection)
        peer.transport.write(data)
        return peer

    @inlineCallbacks
    def assert_full(self, kind: str, host: str = "127.0.0.1") -> Any:
        """One more is closed at once, and counted."""
        refused = self.refusals[kind]
        number = len(self.site.connections)
        peer = yield self.come(host=host)
        yield until_true(lambda: peer.is_closed)
        self.assertEqual(peer.data, b"")
        self.assertEqual(self.refusals[kind], refused + 1)
        self.assertEqual(len(self.site.connections), number)

    @inlineCallbacks
    def test_kinds(self) -> Any:
        """Nothing sent, half a handshake, an answered request and a WebSocket: each counts."""
        self.begin("--max-connections-per-address=8", "--max-connections=100")
        handshake = request("/monitor", UPGRADE)
        kinds = (b"", handshake[:-9], REQUEST, handshake)
        peers = yield gatherResults([self.come(data) for data in kinds])
        yield until_true(lambda: bool(peers[2].data and peers[3].data))
        self.assertEqual(len(self.site.connections), 4)
        peers += yield gatherResults([self.come() for _ in range(4)])
        yield until_true(lambda: len(self.site.connections) == 8)
        yield self.assert_full("the limit of connections per address is reached")
        other = yield self.come(REQUEST, "127.0.0.2")
        yield until_true(lambda: b"200 OK" in other.data)
        for peer in peers:
            self.assertFalse(peer.is_closed)
            peer.transport.abortConnection()
        yield until_true(lambda: len(self.site.connections) == 1)
        again = yield self.come(REQUEST)
        yield until_true(lambda: b"200 OK" in again.data)

    @inlineCallbacks
    def test_in_all(self) -> Any:
        """For many addresses, the total limit applies."""
        self.begin("--max-connections=3")
        yield gatherResults([self.come(host=f"127.0.0.{each}") for each in (1, 2, 3)])
        yield until_true(lambda: len(self.site.connections) == 3)
        yield self.assert_full("the limit of connections is reached", "127.0.0.4")

    @inlineCallbacks
    def test_proxy(self) -> Any:
        """A trusted proxy's connections are not those of one address; its clients are."""
        self.begin(
            "--max-connections-per-address=2",
            "--max-clients-per-address=2",
            "--trust-proxy=127.0.0.1",
        )
        yield gatherResults([self.come() for _ in range(5)])
        yield gatherResults([self.come(host="127.0.0.2") for _ in range(2)])
        yield until_true(lambda: len(self.site.connections) == 7)
        yield self.assert_full("the limit of connections per address is reached", "127.0.0.2")
        crowd = [{"X-Forwarded-For": "192.0.2.1"}] * 2
        yield gatherResults([self.connect(headers) for headers in crowd])
        statuses = []
        for host in ("192.0.2.1", "192.0.2.2"):
            answer = yield self.knock(X_Forwarded_For=host)
            statuses.append(answer.status)
        self.assertEqual(statuses, [503, 101])

    @inlineCallbacks
    def test_unix(self) -> Any:
        """Connections by a UNIX socket have no address; they count in total."""
        path = str(self.folder / "s")
        self.begin(f"--port=unix:{path}", "--max-connections-per-address=1", "--max-connections=5")
        endpoint = UNIXClientEndpoint(reactor, path)
        peers = []
        for _ in range(6):
            peer: Any = yield endpoint.connect(Factory.forProtocol(Peer))
            self.addCleanup(peer.transport.abortConnection)
            peers.append(peer)
        yield until_true(lambda: any(peer.is_closed for peer in peers))
        self.assertEqual([peer.is_closed for peer in peers].count(True), 1)

    @inlineCallbacks
    def test_tls(self) -> Any:
        """An incomplete TLS handshake counts; one connection too many is closed before it."""
        files = write_certificate(self.folder / "tls")
        self.begin(
            f"--port=ssl:0:interface=127.0.0.1:privateKey={files.key}:certKey={files.certificate}",
            "--max-connections-per-address=2",
        )
        peers = yield gatherResults([self.come(data) for data in (b"", b"\x16\x03\x01\x02\x00")])
        yield until_true(lambda: len(self.site.connections) == 2)
        late = yield self.come()
        yield until_true(lambda: late.is_closed)
        self.assertEqual(late.data, b"")
        for peer in peers:
            peer.transport.abortConnection()
        yield until_true(lambda: len(self.site.connections) == 0)

    @inlineCallbacks
    def test_wrapped(self) -> Any:
        """Behind Twisted's PROXY protocol too, which insists on a protocol for each connection."""
        self.begin("--port=haproxy:tcp:0:interface=127.0.0.1", "--max-connections-per-address=2")
        peers = yield gatherResults([self.come() for _ in range(2)])
        yield until_true(lambda: len(self.site.connections) == 2)
        yield self.assert_full("the limit of connections per address is reached")
        for peer in peers:
            peer.transport.abortConnection()
        yield until_true(lambda: len(self.site.connections) == 0)

    @inlineCallbacks
    def test_scarce(self) -> Any:
        """While more than half of the connections are in use, none is kept for a later request."""
        self.begin("--max-connections-per-address=4")
        first = yield self.come(REQUEST)
        yield until_true(lambda: b"200 OK" in first.data)
        self.assertNotIn(b"connection: close", first.data.lower())
        yield self.come()
        third = yield self.come(REQUEST)
        yield until_true(lambda: third.is_closed)
        self.assertIn(b"connection: close", third.data.lower())
        self.assertFalse(first.is_closed)

    @inlineCallbacks
    def test_stay(self) -> Any:
        """Connections that were closed in any state are not counted any more."""
        self.begin("--handshake-timeout=0.2")
        datas = [b"", b"GET", b"\xff\r\n\r\n", REQUEST, request("/monitor", UPGRADE), b"G" * 50_000]
        peers = yield gatherResults([self.come(data) for data in datas])
        yield until_true(lambda: b"200 OK" in peers[3].data and b" 101 " in peers[4].data)
        socket_client = yield self.connect()
        yield socket_client.close()
        yield self.knock()
        for _ in range(3):
            data = request("/monitor", {**UPGRADE, "Sec-WebSocket-Version": "99"})
            peers.append((yield self.come(data)))
        yield self.get()
        for peer in peers:
            peer.transport.abortConnection()
        yield until_true(lambda: len(self.site.connections) == 0)


class DescriptorTests(TwistdTestCase):
    """A real gateway with few file descriptors."""

    def crowd(self, port: int, number: int) -> list[socket.socket]:
        """Idle connections, of as many addresses as necessary."""
        clients = []
        for each in range(number):
            client = socket.socket()
            self.addCleanup(client.close)
            client.bind((f"127.0.1.{each % 200 + 1}", 0))
            client.connect(("127.0.0.1", port))
            clients.append(client)
        return clients

    @inlineCallbacks
    def test_reserve(self) -> Any:
        """Idle connections of many addresses leave enough to find an IOC that restarts."""
        record = 'record(ao, "$(P)0") { field(VAL, "5") field(PINI, "YES") }'
        ioc = yield self.start_ioc(record)
        run = self.twistd(descriptors=(120, 120))
        options = ("--port", LOOPBACK, "--handshake-timeout=60", "--max-clients=50")
        ready = yield run.serve(*options)
        client = yield self.connect(ready[1].replace("http", "ws") + "monitor")
        self.subscribe(client, "0")
        yield client.until(msg_type="monitor", value=5)
        port = int(ready[1].rstrip("/").rpartition(":")[2])
        yield self.kill_ioc(ioc)
        yield client.until(msg_type="connection", conn=False)
        self.crowd(port, 300)
        yield self.start_ioc(record, self.ports)
        yield client.until(msg_type="connection", conn=True)
        yield client.until(msg_type="monitor", value=5)
        lines = [line for line in run.lines if "Refused" in line or "EMFILE" in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertFalse([line for line in run.lines if "File descriptors" in line])

    @inlineCallbacks
    def test_too_few(self) -> Any:
        """The limit of the system is requested; if it is too low, a line says so."""
        run = self.twistd(descriptors=(200, 200))
        yield run.serve("--port", LOOPBACK)
        warnings = [line for line in run.lines if "File descriptors" in line]
        self.assertEqual(len(warnings), 1, warnings)
        self.assertIn("enough for 150 connections but not for --max-clients 5000", warnings[0])

    @inlineCallbacks
    def test_raised(self) -> Any:
        """The soft limit becomes the hard one."""
        run = self.twistd(descriptors=(100, 7000))
        yield run.serve("--port", LOOPBACK)
        self.assertFalse([line for line in run.lines if "File descriptors" in line])
        limits = Path(f"/proc/{run.pid}/limits").read_text()
        self.assertRegex(limits, r"Max open files +7000 +7000 ")
