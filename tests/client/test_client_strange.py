"""The client with servers that are not gateways, fail, or require credentials."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import (
    HostnameEndpoint,
    SSL4ServerEndpoint,
    TCP4ServerEndpoint,
    UNIXClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import PrivateCertificate
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from pycawamp.client import GatewayClient, GatewayError, State, Target
from pycawamp.demo.ports import LOOPBACK
from tests.support.certificate import write_certificate
from tests.support.client_case import HASTY, ClientTestCase, Recorder, StateWatcher
from tests.support.timing import allowed


class Strange(WebSocketServerProtocol):  # type: ignore[misc]
    """A WebSocket server that behaves as its factory's test says."""

    def onConnect(self, request: Any) -> None:
        """Store the HTTP headers."""
        self.factory.request_headers = request.headers

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Answer with the prepared messages."""
        answers, self.factory.answers = self.factory.answers, []
        for answer, is_binary in answers:
            self.sendMessage(answer, is_binary)

    def onPing(self, payload: bytes) -> None:
        """Send nothing."""


class StrangeTests(TestCase):
    """GatewayClient and a server of this test."""

    timeout = allowed(60)

    @inlineCallbacks
    def serve(self, factory: Any) -> Any:
        """Run a server; fires with its URL."""
        endpoint = TCP4ServerEndpoint(reactor, 0, interface=LOOPBACK)
        port = yield endpoint.listen(factory)
        self.addCleanup(port.stopListening)
        return f"ws://{LOOPBACK}:{port.getHost().port}"

    @inlineCallbacks
    def start(self, *answers: tuple[bytes, bool]) -> Any:
        """Run a WebSocket server that answers with these messages; fires with it and its URL."""
        factory = WebSocketServerFactory()
        factory.protocol = Strange
        factory.answers, factory.request_headers = list(answers), {}
        factory.setProtocolOptions(closeHandshakeTimeout=0.2)
        url = yield self.serve(factory)
        return factory, url

    def client(self, target: str | Target, **options: Any) -> GatewayClient:
        """A client, which ends with the test."""
        client = GatewayClient(reactor, target, **{"backoff": HASTY, **options})
        self.addCleanup(client.close)
        return client

    @inlineCallbacks
    def problem_at(self, target: str | Target) -> Any:
        """Return a Deferred of the reason why the first attempt to connect fails."""
        error = yield self.assertFailure(self.client(target).when_open(), GatewayError)
        self.assertEqual(error.code, "unreachable")
        return error.message

    @inlineCallbacks
    def test_mute(self) -> Any:
        """A connection whose pings are not answered is closed."""
        _, url = yield self.start()
        watcher = StateWatcher()
        client = self.client(url, ping_interval=0.2, on_state=watcher)
        yield client.when_open()
        yield watcher.next(State.WAITING)
        self.assertIn("ping", client.problem)

    @inlineCallbacks
    def test_nonsense(self) -> Any:
        """Invalid messages are logged and ignored; later ones are received."""
        good = b'{"msg_type":"connection","pvname":"X","conn":true}'
        _, url = yield self.start(
            (b"{", False),
            (b"7", False),
            (b'[{"msg_type":"monitor","pvname":"X"},7]', False),
            (b"\xff\xff\xff\xff", True),
            (b'{"msg_type":"error","code":"internal"}', False),
            (b'{"msg_type":"metadata","pvname":"X","type":"quux"}', False),
            (b'{"msg_type":"fashion"}', False),
            (b"[]", False),
            (good, False),
            (b'{"msg_type":"monitor","pvname":"X"}', False),
            (b'{"msg_type":"monitor","pvname":"X","value":5,"count":1,"timestamp":1.5}', False),
        )
        recorder = Recorder()
        client = self.client(url)
        client.subscribe("X", recorder)
        update = yield recorder.until("update")
        self.assertEqual((update.value, update.severity), (5, None))
        self.assertEqual(recorder.kinds, ["connection", "update"])

    @inlineCallbacks
    def test_login(self) -> Any:
        """The server gets user and password, a token, and further headers."""
        factory, url = yield self.start()
        basic = "Basic " + b64encode("me:pä:ss".encode()).decode()
        for target, login in [
            (Target(url, user="me", password="pä:ss"), basic),
            (Target(url, token="abc", headers={"X-Beamline": "7"}), "Bearer abc"),
        ]:
            yield self.client(target).when_open()
            self.assertEqual(factory.request_headers["authorization"], login)
            self.assertNotIn("pä:ss", repr(target))
            self.assertNotIn("abc", repr(target))
        self.assertEqual(factory.request_headers["x-beamline"], "7")

    @inlineCallbacks
    def test_not_found(self) -> Any:
        """The error of a web server without such a path contains its status."""
        url = yield self.serve(Site(Resource()))
        message = yield self.problem_at(f"{url}/elsewhere?token=secret")
        self.assertEqual(
            message, f"cannot reach {url}/elsewhere: the server responded with 404 Not Found"
        )

    @inlineCallbacks
    def test_hangs_up(self) -> Any:
        """A server that closes the connection is reported as such."""

        class HangsUp(Protocol):
            def connectionMade(self) -> None:
                """Close the connection."""
                assert self.transport is not None
                self.transport.loseConnection()

        url = yield self.serve(Factory.forProtocol(HangsUp))
        self.assertIn("the server closed the connection", (yield self.problem_at(url)))

    @inlineCallbacks
    def test_close_in_handshake(self) -> Any:
        """A client whose server has not answered yet can be closed."""
        reached: Deferred[None] = Deferred()

        class Silent(Protocol):
            def dataReceived(self, data: bytes) -> None:
                """Record the request, and send nothing."""
                if not reached.called:
                    reached.callback(None)

        url = yield self.serve(Factory.forProtocol(Silent))
        client = self.client(url)
        yield reached
        yield client.close()
        self.assertIs(client.state, State.CLOSED)

    @inlineCallbacks
    def test_unknown_host(self) -> Any:
        """An unknown host is reported as such."""
        message = yield self.problem_at("ws://nonesuch.invalid:1")
        self.assertEqual(message, "cannot reach ws://nonesuch.invalid:1/monitor: no such host")

    @inlineCallbacks
    def test_missing_authorities(self) -> Any:
        """A missing file of certificates is reported as such."""
        target = Target("wss://localhost:1", authorities="/nonesuch.pem")
        self.assertIn("No such file", (yield self.problem_at(target)))


class EncryptedTests(ClientTestCase):
    """GatewayClient with wss."""

    @inlineCallbacks
    def start_encrypted(self) -> Any:
        """Serve the PVs by TLS, too; fires with the URL and the certificate's file."""
        yield self.start()
        files = write_certificate(Path(self.mktemp()))
        pem = files.key.read_bytes() + files.certificate.read_bytes()
        options = PrivateCertificate.loadPEM(pem).options()
        endpoint = SSL4ServerEndpoint(reactor, 0, options, interface=LOOPBACK)
        port = yield endpoint.listen(self.site)
        self.addCleanup(port.stopListening)
        return f"wss://localhost:{port.getHost().port}", str(files.certificate)

    @inlineCallbacks
    def value_by(self, target: Target) -> Any:
        """Fires with the value of X."""
        client = GatewayClient(reactor, target)
        self.addCleanup(client.close)
        update = yield client.get("X")
        yield client.close()
        return update.value

    @inlineCallbacks
    def test_trusted(self) -> Any:
        """A certificate of a trusted authority, for the right host, is accepted."""
        url, authorities = yield self.start_encrypted()
        self.assertEqual((yield self.value_by(Target(url, authorities=authorities))), 1.5)

    @inlineCallbacks
    def test_unknown(self) -> Any:
        """A certificate of an unknown authority is refused, unless verification is off."""
        url, _ = yield self.start_encrypted()
        error = yield self.assertFailure(self.value_by(Target(url)), GatewayError)
        self.assertIn("TLS: certificate verify failed", error.message)
        self.assertEqual((yield self.value_by(Target(url, verify=False))), 1.5)

    @inlineCallbacks
    def test_other_host(self) -> Any:
        """A trusted certificate of another host is refused."""
        url, authorities = yield self.start_encrypted()
        endpoint = HostnameEndpoint(reactor, LOOPBACK, Target(url).port)
        target = Target(
            url.replace("localhost", "gateway.example"), authorities=authorities, endpoint=endpoint
        )
        error = yield self.assertFailure(self.value_by(target), GatewayError)
        self.assertIn("cannot reach wss://gateway.example", error.message)

    @inlineCallbacks
    def test_endpoint(self) -> Any:
        """The client connects to a given endpoint, such as a UNIX socket."""
        yield self.start()
        path = self.mktemp()
        port = reactor.listenUNIX(path, self.site)  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        target = Target("ws://somewhere", endpoint=UNIXClientEndpoint(reactor, path))
        self.assertEqual((yield self.value_by(target)), 1.5)
