"""How connections end: clients that vanish or close, and a gateway that stops."""

from __future__ import annotations

import socket
from typing import Any, cast
from urllib.parse import urlsplit

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import gatherResults, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.tcp import Server
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from pycawamp.config.settings import GatewaySettings
from pycawamp.sessions.refusals import RefusalCounter
from pycawamp.testing import GatewayFixture
from pycawamp.web.channel import GatewayHTTPChannel, GatewaySite, HTTPLimits
from tests.support.gateway_case import MemoryGatewayTestCase, connect_all
from tests.support.ioc_case import until_true
from tests.support.timing import allowed

reactor = cast(Any, installed_reactor)

REQUESTS = (
    b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
    b"GET /monitor HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: invalid\r\n\r\n"
)
"""A request whose response does not fit into the kernel's buffers, and an invalid handshake."""


class Large(Resource):
    """A resource with a large response."""

    isLeaf = True

    def render_GET(self, _request: Request) -> bytes:
        """Respond."""
        return bytes(2**24)


def is_writing() -> bool:
    """Return whether the gateway has unsent data on a connection."""
    return any(isinstance(each, Server) for each in reactor.getWriters())


class ClosingTests(MemoryGatewayTestCase):
    """Clients of a gateway on a port."""

    @inlineCallbacks
    def test_vanished(self) -> Any:
        """The PVs of a client that vanishes are closed."""
        self.backend.add("X", 1)
        fixture = yield self.start()
        client, neighbour = yield connect_all(fixture, 2)
        for each in (client, neighbour):
            each.send("X")
            yield each.until(msg_type="monitor")
        yield client.abort()
        self.backend.set("X", 2)
        yield neighbour.until(value=2)
        code = yield neighbour.close()
        self.assertEqual(code, 1000)

    @inlineCallbacks
    def test_closed_unread(self) -> Any:
        """A client that closes and does not read is not waited for."""
        self.backend.add("X", "first")
        fixture = yield self.start()
        client = yield fixture.connect()
        client.send("X")
        yield client.until(value="first")
        client.stop_reading()
        # More than the kernel takes for one that does not read.
        for number in range(200):
            self.backend.set("X", f"{number}" + "x" * 100_000)
            yield deferLater(reactor, 0)
        client.protocol.sendClose()
        yield until_true(lambda: not fixture.gateway.clients)

    @inlineCallbacks
    def test_invalid_handshake(self) -> Any:
        """A client is not waited for that reads neither a response nor why it is refused."""
        fixture = GatewayFixture(reactor, GatewaySettings(), backend=self.backend)
        self.addCleanup(fixture.stop)
        root = Resource()
        root.putChild(b"large", Large())
        root.putChild(b"monitor", fixture.gateway.resource)
        yield fixture.start(root)
        address = urlsplit(fixture.url)
        client = socket.create_connection((address.hostname, address.port))
        self.addCleanup(client.close)
        client.sendall(REQUESTS)
        yield until_true(is_writing)
        yield until_true(lambda: not is_writing())

    @inlineCallbacks
    def test_stop(self) -> Any:
        """A stopping gateway closes each connection as `going away`, 1001."""
        fixture = yield self.start()
        clients = yield connect_all(fixture, 10)
        stopped = fixture.gateway.stopService()
        codes = yield gatherResults([client.when_closed() for client in clients])
        self.assertEqual(codes, [1001] * 10)
        yield stopped

    @inlineCallbacks
    def test_stop_beside_deaf(self) -> Any:
        """A client that does not read delays a stopping gateway by little more than a second."""
        fixture = yield self.start()
        deaf, client = yield connect_all(fixture, 2)
        deaf.stop_reading()
        started = reactor.seconds()
        yield fixture.gateway.stopService()
        self.assertLess(reactor.seconds() - started, allowed(2))
        code = yield client.when_closed()
        self.assertEqual(code, 1001)

    @inlineCallbacks
    def test_stop_beside_late(self) -> Any:
        """A client that reads only after the gateway has stopped still gets everything."""
        late, text = yield self._start_late()
        yield self.fixture.gateway.stopService()
        late.resume_reading()
        code = yield late.when_closed()
        self.assertEqual(code, 1001)
        self.assertEqual(late.messages[-1]["value"], text)

    @inlineCallbacks
    def test_late(self) -> Any:
        """A client that does not answer in time gets what was sent, if it reads then."""
        late, text = yield self._start_late()
        self.fixture.gateway.drain(0.1)
        yield until_true(lambda: not any(isinstance(each, Server) for each in reactor.getReaders()))
        late.resume_reading()
        code = yield late.when_closed()
        self.assertEqual(code, 1001)
        self.assertEqual(late.messages[-1]["value"], text)

    @inlineCallbacks
    def _start_late(self) -> Any:
        """Run a gateway; fires with a client that has stopped to read, and the last value."""
        self.backend.add("X", "first")
        self.fixture = yield self.start()
        late, client = yield connect_all(self.fixture, 2)
        for each in (late, client):
            each.send("X")
            yield each.until(value="first")
        late.stop_reading()
        # More than the kernel hands over to one that does not read.
        for number in range(6):
            text = f"{number}" + 50_000 * "x"
            self.backend.set("X", text)
            yield client.until(value=text)
        return late, text


class ResponseTests(TestCase):
    """HTTP clients that do not read a response."""

    timeout = allowed(60)

    @inlineCallbacks
    def test_unread(self) -> Any:
        """Their connections are closed after the idle time, whether they are to be kept or not."""
        self.patch(GatewayHTTPChannel, "abortTimeout", 0.1)
        site = GatewaySite(reactor, Large(), HTTPLimits(), RefusalCounter(reactor))
        site.timeOut = 0.1
        port = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        for more in (b"", b"Connection: close\r\n"):
            client = socket.create_connection(("127.0.0.1", port.getHost().port))
            self.addCleanup(client.close)
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n%b\r\n" % more)
            yield until_true(is_writing)
            yield until_true(lambda: not is_writing())
