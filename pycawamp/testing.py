"""What tests of a gateway need: a WebSocket client, and a gateway on a free port.

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

Everything stays on loopback. Whatever is awaited fails after `TIMEOUT` seconds, with what
came instead.
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
from pycawamp.service.gateway import BackendFactory, Gateway

TIMEOUT = 20.0
"""Seconds to wait for anything."""

Predicate = Callable[[Any], object]


class NotSeenError(AssertionError):
    """What a test waited for did not come; says what came instead."""


NotSeen = NotSeenError
"""The name that earlier releases documented."""


class WebSocketTestClient:
    """A WebSocket client that keeps all it gets. Made by `connect`.

    Texts are taken for JSON; binary messages stay bytes.
    """

    def __init__(self, reactor: Any) -> None:
        self.messages: list[Any] = []
        """All that came."""
        self.payloads: list[bytes] = []
        """The same, as the bytes that came."""
        self.arrivals: list[float] = []
        """When each came, by the reactor's clock."""
        self.close_code: int | None = None
        """As the close frame said; 1006 if the connection ended without one."""
        self._reactor = reactor
        self._protocol: _ClientProtocol | None = None
        self._opening: Deferred[WebSocketTestClient] = Deferred()
        self._closed = False
        self._closing: list[Deferred[int]] = []
        self._position = 0
        self._waiting: tuple[Predicate, Deferred[Any]] | None = None

    def send(self, message: dict[str, Any] | list[Any] | str | bytes) -> None:
        """Send an object as JSON, a str as it is, bytes as a binary message."""
        binary = isinstance(message, bytes)
        text = message if isinstance(message, str | bytes) else json.dumps(message)
        self.protocol.sendMessage(text if isinstance(text, bytes) else text.encode(), binary)

    def send_raw_text(self, payload: bytes) -> None:
        """Send a text message whatever its bytes, invalid UTF-8 too."""
        self.protocol.sendMessage(payload, False)

    def receive(self) -> Deferred[Any]:
        """Fires with the next message."""
        return cast("Deferred[Any]", self.until())

    def until(self, predicate: Predicate = bool, timeout: float = TIMEOUT, **keys: Any) -> Any:
        """Fires with the next message that has these keys and fits, passing by those before.

        Fails with NotSeenError if it does not come in time, or cannot come any more.
        """
        if self._waiting is not None:
            raise RuntimeError("this client waits for a message already")

        def fits(message: Any) -> bool:
            matches = not keys or all(message.get(key) == keys[key] for key in keys)
            return matches and (predicate is bool or bool(predicate(message)))

        found: Deferred[Any] = Deferred(self._give_up)
        found.addTimeout(timeout, self._reactor, lambda *_: self._not_seen(f"{timeout:g} s", keys))
        self._waiting = (fits, found)
        self._look()
        return found

    def stop_reading(self) -> None:
        """Take nothing more from the socket: be a slow client."""
        self.protocol.transport.pauseProducing()

    def resume_reading(self) -> None:
        """Read again."""
        self.protocol.transport.resumeProducing()

    def close(self, code: int = 1000) -> Deferred[int]:
        """Say goodbye; fires with the code that the gateway closed with."""
        self.protocol.sendClose(code)
        return self.when_closed()

    def abort(self) -> Deferred[int]:
        """Be gone without a goodbye; fires when the connection is gone."""
        if not self._closed:
            self.protocol.transport.abortConnection()
        return self.when_closed()

    def when_closed(self) -> Deferred[int]:
        """Fires with the close code when the connection is gone (at once, if it is)."""
        if self._closed:
            return succeed(self.close_code or 0)
        closing: Deferred[int] = Deferred()
        self._closing.append(closing)
        return closing.addTimeout(TIMEOUT, self._reactor)

    @property
    def protocol(self) -> Any:
        """Autobahn's protocol, for what this class does not offer."""
        if self._protocol is None:
            raise RuntimeError("this client is not connected")
        return self._protocol

    def _look(self) -> None:
        while self._waiting is not None and self._position < len(self.messages):
            fits, found = self._waiting
            message = self.messages[self._position]
            self._position += 1
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
        wanted = f" with {dict(keys)}" if keys else ""
        raise NotSeenError(
            f"no such message{wanted} in {when}; the last of {len(self.messages)}: {last}"
        )

    def _opened(self, protocol: _ClientProtocol) -> None:
        self._protocol = protocol
        self._opening.callback(self)

    def _received(self, payload: bytes, is_binary: bool) -> None:
        self.payloads.append(payload)
        self.messages.append(payload if is_binary else json.loads(payload, parse_constant=_refuse))
        self.arrivals.append(self._reactor.seconds())
        self._look()

    def _ended(self, code: int | None, reason: str | None) -> None:
        self._closed = True
        self.close_code = code
        closing, self._closing = self._closing, []
        if self._protocol is None:
            self._opening.errback(Failure(ConnectionError(reason)))
        for waiter in closing:
            waiter.callback(code or 0)
        self._look()


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


class _ClientProtocol(WebSocketClientProtocol):  # type: ignore[misc]
    client: WebSocketTestClient

    def onOpen(self) -> None:
        self.client._opened(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.client._received(payload, isBinary)

    def onClose(self, _wasClean: bool, code: int | None, reason: str | None) -> None:
        timer: Any = self.closeHandshakeTimeoutCall  # type: ignore[has-type]
        if timer is not None:
            timer.cancel()
            self.closeHandshakeTimeoutCall = None
        self.client._ended(code, reason)


def connect(
    reactor: Any,
    url: str,
    endpoint: IStreamClientEndpoint | None = None,
    headers: Mapping[str, str] | None = None,
) -> Deferred[WebSocketTestClient]:
    """Open a WebSocket; fires with the client, fails with ConnectionError if refused.

    `endpoint` is where to connect to if the URL does not tell: a UNIX socket, or TLS.
    """
    client = WebSocketTestClient(reactor)
    factory = WebSocketClientFactory(url, reactor=reactor, headers=dict(headers or {}))
    factory.protocol = _ClientProtocol
    factory.setProtocolOptions(failByDrop=False, closeHandshakeTimeout=2)
    factory.noisy = False
    where = endpoint or HostnameEndpoint(reactor, factory.host.strip("[]"), factory.port)

    def connected(protocol: _ClientProtocol) -> Deferred[WebSocketTestClient]:
        protocol.client = client
        return client._opening

    connecting = cast("Deferred[Any]", where.connect(factory))
    return connecting.addCallback(connected).addTimeout(TIMEOUT, reactor)


class GatewayFixture:
    """A gateway on a loopback port of its own, in this process.

    It speaks to the IOC on `ports` (the process's EPICS_CA_* environment is that IOC's
    until `stop`), or serves the PVs of a `backend`. One may follow another; only one at a
    time can speak Channel Access.
    """

    def __init__(  # noqa: PLR0913 (what a gateway takes, and the IOC's ports)
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
        """Where to connect to, once started."""
        self.clients: list[WebSocketTestClient] = []
        """All that `connect` made."""
        self._reactor = reactor
        self._ca_ports = ports
        self._environment: dict[str, str | None] = {}
        self._port: IListeningPort | None = None

    @inlineCallbacks
    def start(self, site: IResource | None = None) -> Generator[Deferred[Any], Any, None]:
        """Listen; fires when clients can come. `site` is the root, if not one of our own."""
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
        """Fires with a new client, which `stop` will end."""
        url = self.url.removesuffix("monitor") + path
        client = yield connect(self._reactor, url, headers=headers)
        self.clients.append(client)
        return cast(WebSocketTestClient, client)

    @inlineCallbacks
    def stop(self) -> Generator[Deferred[Any], Any, None]:
        """Stop the gateway and its clients; fires when all are gone."""
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
