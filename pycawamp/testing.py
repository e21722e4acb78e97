"""Test helpers: a WebSocket client, and a gateway on a random port.

Example::

    @inlineCallbacks
    def test_value(self):
        backend = MemoryBackend()
        backend.add("X", 1.5)
        fixture = GatewayFixture(reactor, backend=backend)
        self.addCleanup(fixture.stop)
        yield fixture.start()
        client = yield fixture.connect()
        client.send({"action": "connect", "pv": "X"})
        message = yield client.until(msg_type="monitor")
        self.assertEqual(message["value"], 1.5)

Only the loopback interface is used. Deferreds fail after `TIMEOUT` seconds, with the messages that
were received instead.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Mapping
from typing import Any, cast

import attrs
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks, succeed
from twisted.internet.endpoints import HostnameEndpoint, TCP4ServerEndpoint
from twisted.internet.interfaces import IListeningPort, IStreamClientEndpoint
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from twisted.web.server import Site

from pycawamp.access.interfaces import IPolicy
from pycawamp.config.settings import GatewaySettings
from pycawamp.demo.ports import LOOPBACK, CAPorts
from pycawamp.pv.interfaces import IBackend
from pycawamp.service.backends import BackendFactory
from pycawamp.service.gateway import Gateway

TIMEOUT = 20.0 * float(os.environ.get("PYCASERVER_TEST_TIME_FACTOR", "1"))
"""Default timeout of all Deferreds in seconds: 20, times the environment variable
PYCASERVER_TEST_TIME_FACTOR, for slow or busy machines."""

Predicate = Callable[[Any], object]


class NotSeenError(AssertionError):
    """An expected message was not received; the text has the last messages."""


NotSeen = NotSeenError
"""The name that earlier releases documented."""


class WebSocketTestClient:
    """A WebSocket client that records messages. Created by `connect`.

    Text messages are parsed as JSON, binary messages are bytes.
    """

    def __init__(self, reactor: Any) -> None:
        self.messages: list[Any] = []
        """All received messages."""
        self.payloads: list[bytes] = []
        """The payloads of all received messages."""
        self.arrivals: list[float] = []
        """The reactor's time of each message."""
        self.close_code: int | None = None
        """The code of the close frame; 1006 if the connection ended without one."""
        self.position = 0
        """How many of the messages `until` and `receive` have taken."""
        self._reactor = reactor
        self._protocol: _ClientProtocol | None = None
        self._opening: Deferred[WebSocketTestClient] = Deferred()
        self._closed = False
        self._closing: list[Deferred[int]] = []
        self._waiting: tuple[Predicate, Deferred[Any]] | None = None

    def send(self, message: dict[str, Any] | list[Any] | str | bytes) -> None:
        """Send a message: an object as JSON, a str as text, bytes as a binary message."""
        binary = isinstance(message, bytes)
        text = message if isinstance(message, str | bytes) else json.dumps(message)
        self.protocol.sendMessage(text if isinstance(text, bytes) else text.encode(), binary)

    def send_raw_text(self, payload: bytes) -> None:
        """Send a text message with any bytes, even invalid UTF-8."""
        self.protocol.sendMessage(payload, False)

    def receive(self) -> Deferred[Any]:
        """Return a Deferred of the next message."""
        return cast("Deferred[Any]", self.until())

    def until(self, predicate: Predicate = bool, timeout: float = TIMEOUT, **keys: Any) -> Any:
        """Wait for a message, and skip those before it.

        Args:
            predicate: Returns whether a message is the expected one.
            timeout: Seconds.
            **keys: Keys and values that the message must have.

        Returns:
            A Deferred of the message. It fails with NotSeenError after the timeout, or when the
            connection is closed.
        """
        if self._waiting is not None:
            raise RuntimeError("this client is already waiting for a message")

        def fits(message: Any) -> bool:
            matches = not keys or all(message.get(key) == keys[key] for key in keys)
            return matches and (predicate is bool or bool(predicate(message)))

        found: Deferred[Any] = Deferred(self._give_up)
        found.addTimeout(timeout, self._reactor, lambda *_: self._not_seen(f"{timeout:g} s", keys))
        self._waiting = (fits, found)
        self._check()
        return found

    def stop_reading(self) -> None:
        """Stop reading from the socket, as a slow client."""
        self.protocol.transport.pauseProducing()

    def resume_reading(self) -> None:
        """Continue to read."""
        self.protocol.transport.resumeProducing()

    def close(self, code: int = 1000) -> Deferred[int]:
        """Close the connection; fires with the gateway's close code."""
        self.protocol.sendClose(code)
        return self.when_closed()

    def abort(self) -> Deferred[int]:
        """Abort the connection without a close frame; fires when it is closed."""
        if not self._closed:
            self.protocol.transport.abortConnection()
        return self.when_closed()

    def when_closed(self) -> Deferred[int]:
        """Return a Deferred that fires with the close code when the connection is closed."""
        if self._closed:
            return succeed(self.close_code or 0)
        closing: Deferred[int] = Deferred()
        self._closing.append(closing)
        return closing.addTimeout(TIMEOUT, self._reactor)

    @property
    def protocol(self) -> Any:
        """The protocol of Autobahn, for other uses."""
        if self._protocol is None:
            raise RuntimeError("this client is not connected")
        return self._protocol

    def _check(self) -> None:
        while self._waiting is not None and self.position < len(self.messages):
            fits, found = self._waiting
            message = self.messages[self.position]
            self.position += 1
            if fits(message):
                self._waiting = None
                found.callback(message)
        if self._waiting is not None and self._closed:
            _, found = self._waiting
            self._waiting = None
            found.errback(Failure(NotSeenError(f"closed with {self.close_code}")))

    def _give_up(self, _: Deferred[Any]) -> None:
        self._waiting = None

    def _not_seen(self, when: str, keys: Mapping[str, Any]) -> Any:
        last = [str(message)[:300] for message in self.messages[-5:]]
        criteria = f" with {dict(keys)}" if keys else ""
        raise NotSeenError(
            f"no such message{criteria} in {when}; the last of {len(self.messages)}: {last}"
        )

    def _opened(self, protocol: _ClientProtocol) -> None:
        self._protocol = protocol
        self._opening.callback(self)

    def _received(self, payload: bytes, is_binary: bool) -> None:
        self.payloads.append(payload)
        self.messages.append(payload if is_binary else json.loads(payload, parse_constant=_refuse))
        self.arrivals.append(self._reactor.seconds())
        self._check()

    def _ended(self, code: int | None, reason: str | None) -> None:
        self._closed = True
        self.close_code = code
        closing, self._closing = self._closing, []
        if self._protocol is None:
            self._opening.errback(Failure(ConnectionError(reason)))
        for waiter in closing:
            waiter.callback(code or 0)
        self._check()


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


class _ClientProtocol(WebSocketClientProtocol):  # type: ignore[misc]
    client: WebSocketTestClient

    def onOpen(self) -> None:
        self.client._opened(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.client._received(payload, isBinary)

    def onClose(self, _wasClean: bool, code: int | None, reason: str | None) -> None:
        self.client._ended(code, reason)


def connect(
    reactor: Any,
    url: str,
    endpoint: IStreamClientEndpoint | None = None,
    headers: Mapping[str, str] | None = None,
) -> Deferred[WebSocketTestClient]:
    """Open a WebSocket.

    Args:
        reactor: Twisted's reactor.
        url: A ws:// URL.
        endpoint: The endpoint to connect to, if it is not the host and port of the URL.
        headers: Additional HTTP headers.

    Returns:
        A Deferred of the client. It fails with ConnectionError if the handshake is refused.
    """
    client = WebSocketTestClient(reactor)
    factory = WebSocketClientFactory(url, reactor=reactor, headers=dict(headers or {}))
    factory.protocol = _ClientProtocol
    # Deferreds have a timeout. Autobahn's own would make a late close look like a lost connection.
    factory.setProtocolOptions(
        failByDrop=False, closeHandshakeTimeout=0, serverConnectionDropTimeout=0
    )
    factory.noisy = False
    where = endpoint or HostnameEndpoint(reactor, factory.host.strip("[]"), factory.port)

    def connected(protocol: _ClientProtocol) -> Deferred[WebSocketTestClient]:
        protocol.client = client
        return client._opening

    connecting = cast("Deferred[Any]", where.connect(factory))
    return connecting.addCallback(connected).addTimeout(TIMEOUT, reactor)


class GatewayFixture:
    """A gateway in this process, on a random loopback port.

    Only one at a time can use Channel Access.

    Args:
        reactor: Twisted's reactor.
        settings: The settings of the gateway.
        ports: The ports of an IOC. The EPICS_CA_* environment variables of the process are set
            accordingly until `stop`.
        backend: Serves the PVs instead of Channel Access.
        policy: The access policy.
        backends: Further backends by scheme, see `Gateway`.
    """

    def __init__(  # noqa: PLR0913 (the arguments of a gateway, and the IOC's ports)
        self,
        reactor: Any,
        settings: GatewaySettings | None = None,
        ports: CAPorts | None = None,
        backend: IBackend | None = None,
        policy: IPolicy | None = None,
        *,
        backends: Mapping[str, BackendFactory] | None = None,
    ) -> None:
        settings = attrs.evolve(settings or GatewaySettings(), own_repeater=True)
        self.gateway = Gateway(reactor, settings, backend, policy, backends=backends)
        self.url = ""
        """The URL of the WebSocket, once started."""
        self.clients: list[WebSocketTestClient] = []
        """All clients that were created by `connect`."""
        self._reactor = reactor
        self._ca_ports = ports
        self._environment: dict[str, str | None] = {}
        self._port: IListeningPort | None = None

    @inlineCallbacks
    def start(self, site: IResource | None = None) -> Generator[Deferred[Any], Any, None]:
        """Start the gateway, and listen.

        Args:
            site: The root resource; by default one with `monitor` only.
        """
        if self._ca_ports is not None:
            self._set_environment(self._ca_ports.client_environment())
        self.gateway.startService()
        if site is None:
            site = Resource()
            site.putChild(b"monitor", self.gateway.resource)
        factory = Site(site)
        factory.noisy = False
        self._port = yield TCP4ServerEndpoint(self._reactor, 0, interface=LOOPBACK).listen(factory)
        self.url = f"ws://{LOOPBACK}:{cast(Any, self._port).getHost().port}/monitor"

    @inlineCallbacks
    def connect(
        self, headers: Mapping[str, str] | None = None, path: str = "monitor"
    ) -> Generator[Deferred[Any], Any, WebSocketTestClient]:
        """Return a Deferred of a new client, which `stop` will close."""
        url = self.url.removesuffix("monitor") + path
        client = yield connect(self._reactor, url, headers=headers)
        self.clients.append(client)
        return cast(WebSocketTestClient, client)

    @inlineCallbacks
    def stop(self) -> Generator[Deferred[Any], Any, None]:
        """Stop the gateway and its clients; fires when all connections are closed."""
        if self._port is None:
            return
        port, self._port = self._port, None
        yield cast("Deferred[None]", port.stopListening())
        yield gatherResults([client.abort() for client in self.clients])
        yield self.gateway.stopService()
        self._set_environment(self._environment)

    def _set_environment(self, variables: Mapping[str, str | None]) -> None:
        self._environment = {name: os.environ.get(name) for name in variables}
        for name, value in variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
