"""WebSockets over real TCP: what is accepted, refused and closed, and how."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.trial.unittest import FailTest
from twisted.web.resource import Resource
from twisted.web.static import Data

from pycawamp.testing import GatewayFixture, WebSocketTestClient, connect
from tests.support.gateway_case import MemoryGatewayTestCase, connect_all
from tests.support.http_client import exchange
from tests.support.http_reader import Answer, request


class MessageTests(MemoryGatewayTestCase):
    """Messages to a gateway on a port."""

    @inlineCallbacks
    def assert_serves(self, client: WebSocketTestClient) -> Any:
        """Check that a client is served as before."""
        self.backend.add("alive", 5)
        client.send({"action": "connect", "pv": "alive"})
        connection = yield client.receive()
        self.assertEqual(connection, {"msg_type": "connection", "pvname": "alive", "conn": True})
        monitor = yield client.receive()
        self.assertEqual(monitor["value"], 5)

    @inlineCallbacks
    def test_conversation(self) -> Any:
        """A page connects, gets each update, disconnects, and gets nothing more."""
        self.backend.add("X", 1)
        client = yield self.start_client()
        client.send({"action": "connect", "pv": "X"})
        yield client.until(msg_type="monitor")
        self.backend.set("X", 2)
        monitor = yield client.receive()
        self.assertEqual(monitor["value"], 2)
        client.send({"action": "disconnect", "pv": "X"})
        client.send("alive")
        self.backend.add("alive", 1)
        yield client.until(pvname="alive", msg_type="monitor")
        self.backend.set("X", 3)
        self.backend.set("alive", 2)
        last = yield client.until(pvname="alive", value=2)
        self.assertEqual(client.messages.index(last), len(client.messages) - 1)
        self.assertNotIn(3, [message.get("value") for message in client.messages])

    @inlineCallbacks
    def test_mistakes(self) -> Any:
        """Each invalid message is answered by one error, and the connection stays open."""
        client = yield self.start_client()
        for sent, code in [
            ("{", "bad_json"),
            ("", "bad_json"),
            ("[1]", "bad_request"),
            ("12", "bad_request"),
            ({"pv": "X"}, "bad_request"),
            ({"action": "fly"}, "unknown_action"),
            ({"action": "connect", "pv": 5}, "bad_request"),
            ({"action": "connect", "pv": "x" * 5000}, "bad_name"),
            ({"action": "connect", "pv": "a\0b"}, "bad_name"),
            ("[" * 500_000, "bad_json"),
            (b'{"action":"connect","pv":"X"}', "bad_request"),
            (b"\xff\x00", "bad_request"),
        ]:
            client.send(sent)
            error = yield client.receive()
            self.assertEqual((error["msg_type"], error["code"]), ("error", code))
        self.assertEqual(len(client.messages), 12)
        yield self.assert_serves(client)

    @inlineCallbacks
    def test_invalid_utf8(self) -> Any:
        """Text that is not UTF-8 is answered by one error, and the connection closed as 1007."""
        fixture = yield self.start()
        client, neighbour = yield connect_all(fixture, 2)
        client.send_raw_text(b'{"action":"connect","pv":"\xff"}')
        code = yield client.when_closed()
        self.assertEqual(code, 1007)
        self.assertEqual([message["code"] for message in client.messages], ["bad_json"])
        yield self.assert_serves(neighbour)

    @inlineCallbacks
    def test_huge(self) -> Any:
        """A message over the limit closes the connection as 1009; one at the limit does not."""
        fixture = yield self.start(max_message=1000)
        client, neighbour = yield connect_all(fixture, 2)
        client.send("{" + " " * 999)
        error = yield client.receive()
        self.assertEqual(error["code"], "bad_json")
        client.send("{" + " " * 1000)
        code = yield client.when_closed()
        self.assertEqual(code, 1009)
        yield self.assert_serves(neighbour)

    @inlineCallbacks
    def test_huge_by_default(self) -> Any:
        """A message of more than a mebibyte is too large without any setting."""
        client = yield self.start_client()
        client.send("[" + " " * 2**20)
        code = yield client.when_closed()
        self.assertEqual(code, 1009)

    @inlineCallbacks
    def test_fragments(self) -> Any:
        """A message in many fragments is one message."""
        self.backend.add("X", 5)
        client = yield self.start_client()
        client.protocol.sendMessage(b'{"action":"connect","pv":"X"}', fragmentSize=3)
        monitor = yield client.until(msg_type="monitor")
        self.assertEqual(monitor["value"], 5)

    @inlineCallbacks
    def test_ping(self) -> Any:
        """A client's ping is answered with its payload."""
        client = yield self.start_client()
        answer: Deferred[bytes] = Deferred()
        client.protocol.onPong = answer.callback
        client.protocol.sendPing(b"payload")
        payload = yield answer
        self.assertEqual(payload, b"payload")

    @inlineCallbacks
    def test_dead_peer(self) -> Any:
        """A client that answers no ping is dropped; one that answers stays."""
        fixture = yield self.start(ping_interval=1.0)
        dead, live = yield connect_all(fixture, 2)
        dead.protocol.onPing = lambda payload: None
        yield dead.when_closed()
        yield self.assert_serves(live)


class ResourceTests(MemoryGatewayTestCase):
    """The gateway's resource in a Site of someone's own."""

    @inlineCallbacks
    def test_own_site(self) -> Any:
        """It can be mounted at any path, beside other resources."""
        self.backend.add("X", 5)
        fixture = GatewayFixture(reactor, backend=self.backend)
        self.addCleanup(fixture.stop)
        root, below = Resource(), Resource()
        root.putChild(b"page", Data(b"hello", "text/plain"))
        root.putChild(b"below", below)
        below.putChild(b"pvs", fixture.gateway.resource)
        yield fixture.start(root)
        client = yield connect(reactor, fixture.url.replace("monitor", "below/pvs"))
        fixture.clients.append(client)
        client.send("X")
        monitor = yield client.until(msg_type="monitor")
        self.assertEqual(monitor["value"], 5)
        answer = yield http_get(fixture, "/page")
        self.assertIn("hello", answer.body)
        yield self.assertFailure(fixture.connect(), ConnectionError)

    @inlineCallbacks
    def test_plain_http(self) -> Any:
        """A plain HTTP request to it gets an HTTP response that explains the resource."""
        fixture = yield self.start()
        answer = yield http_get(fixture, "/monitor")
        self.assertGreater(answer.status, 0)
        self.assertIn("WebSocket", answer.text)


class ClientTests(MemoryGatewayTestCase):
    """The test client itself: it must not let a test pass that should fail."""

    @inlineCallbacks
    def test_not_seen(self) -> Any:
        """If a message does not arrive, the wait fails, with the received messages in the error."""
        self.backend.add("X", 5)
        client = yield self.start_client()
        client.send("X")
        yield client.until(msg_type="monitor")
        failure = yield self.assertFailure(client.until(timeout=0.1, value=6), AssertionError)
        self.assertIn("'value': 5", str(failure))
        self.backend.set("X", 6)
        message = yield client.until(value=6)
        self.assertEqual(message["value"], 6)

    @inlineCallbacks
    def test_closed(self) -> Any:
        """A wait fails at once when the connection ends."""
        fixture = yield self.start()
        client = yield fixture.connect()
        waiting = client.until(value=6)
        yield fixture.gateway.stopService()
        failure = yield self.assertFailure(waiting, AssertionError)
        self.assertIn("1001", str(failure))

    @inlineCallbacks
    def test_no_server(self) -> Any:
        """Without a gateway there is no client."""
        fixture = yield self.start()
        yield fixture.stop()
        try:
            yield connect(reactor, fixture.url)
        except Exception:
            return
        raise FailTest("connected to nothing")


def http_get(fixture: GatewayFixture, path: str) -> Deferred[Answer]:
    """Fires with the response to a plain HTTP request."""
    port = int(fixture.url.split(":")[2].split("/")[0])
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    return exchange(endpoint, request(path, {"Connection": "close"}))
