"""Limits of connections, over real TCP: accepted, refused, and counted."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import gatherResults, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol

from pycawamp.testing import WebSocketTestClient, connect
from pycawamp.web.twisted_internals import unsent
from tests.support.http_reader import UPGRADE, request
from tests.support.ioc_case import until_true
from tests.support.service_case import MemoryServiceTestCase, reactor
from tests.support.timing import allowed
from tests.support.websocket_frames import client_frame


class ServedLimitTests(MemoryServiceTestCase):
    """Limits of connections."""

    def assert_counted(self, service: Any, kind: str) -> None:
        """Check that a refusal of a kind was counted."""
        self.assertGreater(service.files.refusals.counts[kind], 0)

    @inlineCallbacks
    def test_clients(self) -> Any:
        """One client above the limit is refused with 503; one that leaves allows another."""
        service = self.serve("--max-clients=2")
        first, second = yield gatherResults([self.connect(), self.connect()])
        refused = yield self.knock()
        self.assertEqual(refused.status, 503)
        self.assert_counted(service, "the limit of clients is reached")
        yield first.close()
        third = yield self.connect()
        for client in (second, third):
            client.send({"action": "ping"})
            yield client.until(msg_type="pong")

    @inlineCallbacks
    def test_clients_per_address(self) -> Any:
        """One client more of an address is refused; other addresses have their own limit."""
        service = self.serve("--max-clients-per-address=1", "--trust-proxy=127.0.0.1")
        yield self.connect({"X-Forwarded-For": "192.0.2.1"})
        refused = yield self.knock(X_Forwarded_For="192.0.2.1")
        other = yield self.knock(X_Forwarded_For="192.0.2.2")
        self.assertEqual((refused.status, other.status), (503, 101))
        self.assert_counted(service, "the limit of clients per address is reached")
        yield self.connect({"X-Forwarded-For": "2001:db8::1"})
        neighbour = yield self.knock(X_Forwarded_For="2001:db8::2")
        elsewhere = yield self.knock(X_Forwarded_For="2001:db8:0:1::1")
        self.assertEqual((neighbour.status, elsewhere.status), (503, 101))

    @inlineCallbacks
    def test_pipelined(self) -> Any:
        """A client that requests much and reads nothing gets no more than the limit of replies."""
        service = self.serve()
        site: Any = service.site
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)
        client: Any = yield endpoint.connect(Factory.forProtocol(Protocol))
        client.transport.pauseProducing()
        client.transport.write(b"GET /static/console.css HTTP/1.1\r\nHost: x\r\n\r\n" * 2500)

        def waits() -> int:
            transports = [each.transport for each in site.channels if each.transport is not None]
            return sum(map(unsent, transports))

        yield until_true(lambda: waits() > 0)
        for _ in range(3):
            yield self.get()
        self.assertLess(waits(), 4 * 2**20)
        client.transport.abortConnection()

    @inlineCallbacks
    def test_message(self) -> Any:
        """--max-message is the size of the largest message."""
        self.serve("--max-message=100")
        client = yield self.connect()
        client.send("{" + " " * 99)
        error = yield client.receive()
        self.assertEqual(error["code"], "bad_json")
        client.send("{" + " " * 100)
        code = yield client.when_closed()
        self.assertEqual(code, 1009)

    @inlineCallbacks
    def test_unfinished_messages(self) -> Any:
        """Incomplete messages count for --max-memory in total; their memory is released."""
        size = 2**20
        service = self.serve("--max-memory=16", f"--max-message={size}")

        def held() -> int:
            return service.statistics().memory.requests

        first_part = client_frame(b" " * (size - 1), first=0x01)
        holders = yield gatherResults([self.connect() for _ in range(20)])
        for client in holders:
            client.protocol.transport.write(first_part)
        yield until_true(lambda: sum(bool(client.messages) for client in holders) == 4)
        self.assertGreater(held(), 15 * size)
        for client in holders:
            if client.messages:
                self.assertEqual(client.messages[0]["code"], "overloaded")
                code = yield client.when_closed()
                self.assertEqual(code, 1013)
        for client in holders:
            client.protocol.transport.abortConnection()
        yield until_true(lambda: not held())
        other = yield self.connect()
        other.send({"action": "ping"})
        yield other.until(msg_type="pong")

    @inlineCallbacks
    def test_flood(self) -> Any:
        """A client with too many requests is closed with 1008; another is served."""
        service = self.serve("--max-request-rate=5")
        flooder, other = yield gatherResults([self.connect(), self.connect()])
        for _ in range(300):
            flooder.send({"action": "ping"})
        code = yield flooder.when_closed()
        self.assertEqual(code, 1008)
        self.assertEqual(flooder.messages[-1]["code"], "rate_limited")
        other.send({"action": "ping"})
        yield other.until(msg_type="pong")
        self.assert_counted(service, "too many requests per second")

    @inlineCallbacks
    def test_control_frames(self) -> Any:
        """So is one with too many pings."""
        self.serve("--max-request-rate=5")
        flooder = yield self.connect()
        for _ in range(300):
            flooder.protocol.sendPing(b"x")
        code = yield flooder.when_closed()
        self.assertEqual(code, 1008)

    @inlineCallbacks
    def test_header(self) -> Any:
        """A header at the limit is accepted, one byte more is 431; so are endless ones."""
        service = self.serve("--max-header=1000")
        plain = request("/", {"Connection": "close", "X": ""})
        # Line ends are not counted.
        fill = 1000 - len(plain.replace(b"\r\n", b""))
        for more, status in ((0, 200), (1, 431), (100_000, 431)):
            answer = yield self.exchange(
                request("/", {"Connection": "close", "X": "x" * (fill + more)})
            )
            self.assertEqual(answer.status, status, more)
        lines = {f"X-{number}": "x" * 50 for number in range(100)}
        for data in (request("/", lines), b"G" * 50_000):
            answer = yield self.exchange(data)
            self.assertEqual(answer.status, 431)
        self.assert_counted(service, "header too large")

    @inlineCallbacks
    def test_body(self) -> Any:
        """Requests with a body are refused: nothing of it is stored."""
        service = self.serve()
        for header, status in (
            ({"Content-Length": "5"}, 413),
            ({"Content-Length": "99999999999"}, 413),
            ({"Transfer-Encoding": "chunked"}, 413),
            ({"Content-Length": "0"}, 200),
        ):
            data = request("/", {"Connection": "close", **header})
            answer = yield self.exchange(data + (b"" if status == 200 else b"5\r\nhello\r\n"))
            self.assertEqual(answer.status, status, header)
        self.assert_counted(service, "request with a body")

    @inlineCallbacks
    def test_handshake_time(self) -> Any:
        """An incomplete request is closed after the timeout; an open WebSocket is not."""
        service = self.serve("--handshake-timeout=0.3")
        client: WebSocketTestClient = yield connect(reactor, self.url)
        self.addCleanup(client.abort)
        started = reactor.seconds()
        silent, half, late = yield gatherResults(
            [
                self.exchange(b""),
                self.exchange(request("/monitor", UPGRADE)[:-2]),
                self.exchange(request("/", {}) + b"GET / HT"),
            ]
        )
        self.assertEqual([silent.status, half.status, late.status], [0, 0, 200])
        self.assertLess(reactor.seconds() - started, allowed(5))
        self.assert_counted(service, "request too slow")
        client.send({"action": "ping"})
        yield client.until(msg_type="pong")
