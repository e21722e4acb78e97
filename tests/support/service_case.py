"""The whole service over in-memory PVs, created from a command line."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.trial.unittest import TestCase

from pycawamp.config.options import Options
from pycawamp.pv.memory import MemoryBackend
from pycawamp.service.app import App, assemble
from pycawamp.testing import WebSocketTestClient, connect
from tests.support.http_client import exchange
from tests.support.http_reader import UPGRADE, Answer, request
from tests.support.timing import allowed

reactor = cast(Any, installed_reactor)


class MemoryServiceTestCase(TestCase):
    """Tests with their own service, whose PVs are in `self.backend`."""

    timeout = allowed(60)

    def setUp(self) -> None:
        """Create the PVs and a folder."""
        self.backend = MemoryBackend()
        self.backend.add("X", 1.5)
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.port = 0

    def write(self, name: str, text: str) -> str:
        """Write a file for this test; return its path."""
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
        address = service.ports[0].address
        self.port = getattr(address, "port", 0)
        return service

    @property
    def url(self) -> str:
        """The URL for WebSockets."""
        return f"ws://127.0.0.1:{self.port}/monitor"

    @inlineCallbacks
    def connect(self, headers: dict[str, str] | None = None) -> Any:
        """Fires with a client, which is closed after the test."""
        client: WebSocketTestClient = yield connect(reactor, self.url, headers=headers)
        self.addCleanup(client.abort)
        return client

    def get(self, path: str = "/", **headers: str) -> Deferred[Answer]:
        """Fires with the response to a plain request; `_` in a header's name is `-`."""
        return self.exchange(request(path, {"Connection": "close", **_named(headers)}))

    def knock(self, **headers: str) -> Deferred[Answer]:
        """Fires with the response to a WebSocket handshake; the connection then ends."""
        return self.exchange(request("/monitor", {**UPGRADE, **_named(headers)}))

    def exchange(self, data: bytes) -> Deferred[Answer]:
        """Fires with the response to some bytes."""
        return exchange(TCP4ClientEndpoint(reactor, "127.0.0.1", self.port), data)


def basic(user: str, password: str) -> str:
    """Return the value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
