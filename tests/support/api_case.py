"""Base class of tests of the API: HTTP and Server-Sent Events clients of a whole service."""

from __future__ import annotations

import json
from typing import Any, cast

import attrs
from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol

from pycawamp.testing import TIMEOUT, NotSeenError, Predicate
from tests.support.http_reader import Answer, request
from tests.support.service_case import MemoryServiceTestCase, reactor

API = "/api/v1"


@attrs.frozen
class Reply:
    """A response of the API."""

    status: int
    headers: dict[str, str]
    """By their names in lower case, each text in lower case too."""
    body: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class EventClient(Protocol):
    """Reads a stream of events, on the connection of its request."""

    def __init__(self) -> None:
        self.head = ""
        self.messages: list[Any] = []
        """The received messages, as JSON."""
        self.comments = 0
        self.is_closed = False
        self._data = b""
        self._position = 0
        self._waiting: tuple[Predicate, Deferred[Any]] | None = None
        self._ending: list[Deferred[None]] = []

    def send_request(self, data: bytes) -> EventClient:
        """Send a request."""
        self.transport.write(data)  # type: ignore[union-attr]
        return self

    def until(self, fits: Predicate) -> Deferred[Any]:
        """Fires with the next matching message; fails after a timeout."""
        found: Deferred[Any] = Deferred(lambda _: None)
        self._waiting = fits, found
        self._check()
        return found.addTimeout(TIMEOUT, reactor, self._not_seen)

    def when_closed(self) -> Deferred[None]:
        """Fires when the connection is closed."""
        if self.is_closed:
            return succeed(None)
        ended: Deferred[None] = Deferred()
        self._ending.append(ended)
        return ended.addTimeout(TIMEOUT, reactor)

    def abort(self) -> Deferred[None]:
        """Abort the connection; fires when it is closed."""
        if not self.is_closed:
            self.transport.abortConnection()  # type: ignore[union-attr]
        return self.when_closed()

    def dataReceived(self, data: bytes) -> None:
        """Handle a part of the response."""
        self._data += data
        if not self.head and b"\r\n\r\n" in self._data:
            head, _, self._data = self._data.partition(b"\r\n\r\n")
            self.head = head.decode()
        if self.head:
            *events, self._data = self._data.split(b"\n\n")
            for event in events:
                self._take(event.decode())
            self._check()

    def connectionLost(self, reason: Any = None) -> None:
        """Record the end."""
        self.is_closed = True
        ending, self._ending = self._ending, []
        for ended in ending:
            ended.callback(None)

    def _take(self, event: str) -> None:
        name, _, text = event.partition(":")
        if name == "data":
            self.messages.append(json.loads(text))
        elif name == "":
            self.comments += 1

    def _check(self) -> None:
        while self._waiting is not None and self._position < len(self.messages):
            fits, found = self._waiting
            message = self.messages[self._position]
            self._position += 1
            if fits(message):
                self._waiting = None
                found.callback(message)

    def _not_seen(self, *_: Any) -> Any:
        raise NotSeenError(f"no such event; {self.head!r}, {self.messages[-5:]}, {self._data!r}")


class ApiTestCase(MemoryServiceTestCase):
    """Tests of the API over in-memory PVs, on real sockets."""

    @inlineCallbacks
    def call(self, method: str, path: str, body: bytes | str | None = None, **headers: str) -> Any:
        """Fires with the reply to a request; `_` in a header's name is `-`."""
        data = body.encode() if isinstance(body, str) else body
        sized = {} if data is None else {"Content-Length": str(len(data))}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"Host": "127.0.0.1", "Connection": "close", **sized, **named}
        answer: Answer = yield self.exchange(request(path, sent, method) + (data or b""))
        return Reply(answer.status, answer.headers, answer.body)

    def open_stream(self, path: str, method: str = "GET", **headers: str) -> Deferred[EventClient]:
        """Fires with a client of a stream, which is closed after the test."""
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)
        connecting = cast("Deferred[Any]", endpoint.connect(Factory.forProtocol(EventClient)))
        named = {name.replace("_", "-"): value for name, value in headers.items()}

        def connected(client: EventClient) -> EventClient:
            self.addCleanup(client.abort)
            return client.send_request(request(path, {"Host": "127.0.0.1", **named}, method))

        return connecting.addCallback(connected)
