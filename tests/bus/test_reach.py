"""Log lines about a bus that cannot be reached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks, maybeDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import LogEvent, capturedLogs, formatEvent

from harness.cluster import Cluster, Member, listens
from pycawamp.bus.client import ClientSettings, NATSClient, Server
from pycawamp.demo.ports import free_port
from tests.support.bus_case import BusTestCase, reactor, until_it


class Web(Protocol):
    """A web server that speaks first."""

    def connectionMade(self) -> None:
        """Send a response."""
        assert self.transport is not None
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n")


class ReachTests(BusTestCase):
    """Missing servers, and servers of another kind."""

    @inlineCallbacks
    def received(
        self,
        server: Server,
        user: str = "",
        password: str = "",
        tries: Callable[[], int] = lambda: 3,
    ) -> Any:
        """Fires with the warnings of a client, after three attempts."""
        client = NATSClient(reactor, ClientSettings([server], "A", user, password))
        with capturedLogs() as logs:
            client.startService()
            yield until_it(lambda: any(map(_is_warning, logs)) and tries() >= 3)
            yield maybeDeferred(client.stopService)
        return [formatEvent(each) for each in logs if _is_warning(each)]

    @inlineCallbacks
    def test_nobody(self) -> Any:
        """The reason is logged."""
        port = free_port()
        found = yield self.received(Server("127.0.0.1", port))
        self.assertIn(f"Cannot connect to the bus at nats://127.0.0.1:{port}: ", found[0])
        self.assertIn("refused", found[0])

    @inlineCallbacks
    def test_other_server(self) -> Any:
        """A server of another protocol is named, once."""
        made: list[Web] = []

        def make() -> Web:
            made.append(Web())
            return made[-1]

        listening = reactor.listenTCP(0, Factory.forProtocol(make), interface="127.0.0.1")
        self.addCleanup(listening.stopListening)
        server = Server("127.0.0.1", listening.getHost().port)
        found = yield self.received(server, tries=lambda: len(made))
        self.assertEqual(len(found), 1)
        self.assertIn("not a NATS server: b'HTTP/1.1 400 Bad Request'", found[0])

    @inlineCallbacks
    def test_login(self) -> Any:
        """A refused login is logged, and a server without the required TLS."""
        folder = Path(self.mktemp())
        folder.mkdir()
        port = free_port()
        configuration = folder / "nats.conf"
        configuration.write_text(
            f'listen: "127.0.0.1:{port}"\nauthorization {{ user: A, password: secret }}\n'
        )
        command = [Cluster(folder, {}).program, "-c", str(configuration)]
        node = Member("nats", command, folder / "nats.log", listens, port=port)
        self.addCleanup(node.kill)
        yield self.up(node)
        plain, secure = (Server("127.0.0.1", port, is_tls) for is_tls in (False, True))
        found = yield self.received(
            plain, "A", "wrong", lambda: node.output.count("authentication error")
        )
        self.assertEqual(found, [f"Cannot connect to the bus at {plain}: Authorization Violation"])
        found = yield self.received(secure, "A", "secret")
        self.assertIn("the server offers no TLS", found[0])


def _is_warning(event: LogEvent) -> bool:
    return event["log_level"].name in ("warn", "error", "critical")
