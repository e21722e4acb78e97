"""The whole service over in-memory PVs, as a command line makes it: what tests of its door need."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, cast

import attrs
from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from pycawamp.config.options import Options
from pycawamp.pv.memory import MemoryBackend
from pycawamp.service.app import App, assemble
from pycawamp.testing import TIMEOUT, WebSocketTestClient, connect

reactor = cast(Any, installed_reactor)
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@attrs.frozen
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: str
    text: str
    """All of it."""


class GuardedTestCase(TestCase):
    """Tests with a service of their own; its PVs are `self.backend`'s."""

    timeout = 60

    def setUp(self) -> None:
        """Make the PVs and a folder."""
        self.backend = MemoryBackend()
        self.backend.add("X", 1.5)
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.port = 0

    def write(self, name: str, text: str) -> str:
        """A file of the test's own; its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def serve(self, *options: str) -> App:
        """Run the service with these options until the test ends."""
        parser = Options()
        endpoint = [] if "--port" in options else ["--port", "tcp:0:interface=127.0.0.1"]
        parser.parseOptions([*endpoint, *options])
        service = assemble(reactor, parser.settings, self.backend)
        service.startService()  # type: ignore[no-untyped-call]
        self.addCleanup(service.stopService)
        address = service.port.address
        self.port = getattr(address, "port", 0)
        return service

    @property
    def url(self) -> str:
        """Where WebSockets connect to."""
        return f"ws://127.0.0.1:{self.port}/monitor"

    @inlineCallbacks
    def connect(self, headers: dict[str, str] | None = None) -> Any:
        """Fires with a client that does not outlast the test."""
        client: WebSocketTestClient = yield connect(reactor, self.url, headers=headers)
        self.addCleanup(client.abort)
        return client

    def get(self, path: str = "/", **headers: str) -> Deferred[Answer]:
        """Fires with the answer to a plain request; `_` in a header's name is `-`."""
        return self.exchange(request(path, {"Connection": "close", **_named(headers)}))

    def knock(self, **headers: str) -> Deferred[Answer]:
        """Fires with the answer to a WebSocket handshake; the connection then ends."""
        return self.exchange(request("/monitor", {**UPGRADE, **_named(headers)}))

    def exchange(self, data: bytes) -> Deferred[Answer]:
        """Fires with the answer to some bytes."""
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)
        connecting = cast("Deferred[Any]", endpoint.connect(Factory.forProtocol(_Reader)))
        return connecting.addCallback(lambda reader: reader.ask(data)).addTimeout(TIMEOUT, reactor)


def request(path: str, headers: dict[str, str]) -> bytes:
    """The bytes of a GET."""
    lines = [f"{name}: {value}" for name, value in {"Host": "gateway:8888", **headers}.items()]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


def basic(user: str, password: str) -> str:
    """An Authorization header's value."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


class _Reader(Protocol):
    """Reads an answer: to the end, or to the end of the header of a handshake that succeeded."""

    def __init__(self) -> None:
        self._data = b""
        self._answer: Deferred[Answer] = Deferred()

    def ask(self, data: bytes) -> Deferred[Answer]:
        self.transport.write(data)  # type: ignore[union-attr]
        return self._answer

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        if self._data.startswith(b"HTTP/1.1 101") and b"\r\n\r\n" in self._data:
            self.transport.abortConnection()  # type: ignore[union-attr]

    def connectionLost(self, reason: Any = None) -> None:
        text = self._data.decode()
        head, _, body = text.partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        status = int(first.split(" ")[1]) if first else 0
        self._answer.callback(Answer(status, headers, body, text))
