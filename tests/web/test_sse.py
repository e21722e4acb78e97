"""Streams of events: the messages of a WebSocket, for clients that only read."""

from __future__ import annotations

import base64
import time
from typing import Any

import jwt
import numpy as np
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater

from tests.support.api_case import API, ApiTestCase, EventClient
from tests.support.ioc_case import until_true
from tests.support.service_case import reactor


def is_monitor(message: Any) -> bool:
    """Return whether a message is an update."""
    return bool(message["msg_type"] == "monitor")


class EventStreamTests(ApiTestCase):
    """Streams of one PV, and of many."""

    @inlineCallbacks
    def updates(self, stream: EventClient, *values: Any) -> Any:
        """Set X to some values; fires when the stream has sent the last."""
        for value in values:
            self.backend.set("X", value)
        yield stream.until(lambda message: message.get("value") == values[-1])

    @inlineCallbacks
    def test_same_messages(self) -> Any:
        """A stream has the messages that a WebSocket has, with the same options."""
        self.serve()
        socket = yield self.connect()
        socket.send({"action": "connect", "pv": "X", "metadata": True, "text": True})
        yield socket.until(msg_type="monitor")
        path = f"{API}/pv/X/stream?metadata=1&text=1"
        stream = yield self.open_stream(path, Last_Event_ID="17", Accept="text/event-stream")
        yield stream.until(is_monitor)
        yield self.updates(stream, 2.5, 3.5)
        yield socket.until(value=3.5)
        self.assertEqual(stream.messages, socket.messages)
        self.assertIn("Content-Type: text/event-stream", stream.head)
        self.assertIn("Cache-Control: no-store", stream.head)

    @inlineCallbacks
    def test_many(self) -> Any:
        """A stream of many PVs has messages for each, and errors for invalid names."""
        names = [f"n{number}" for number in range(200)]
        for number, name in enumerate(names):
            self.backend.add(name, float(number))
        self.serve("--connect-timeout", "0.2", "--pvlist", self.write("l", "[nx].* ALLOW\n"))
        query = "&".join(f"name={name}" for name in [*names, "X", "nowhere"])
        stream = yield self.open_stream(f"{API}/stream?{query}")
        yield stream.until(lambda message: message.get("conn") is False)
        received = {each["pvname"]: each["value"] for each in stream.messages if is_monitor(each)}
        self.assertEqual(received, {name: float(number) for number, name in enumerate(names)})
        errors = [each for each in stream.messages if each["msg_type"] == "error"]
        self.assertEqual([(each["code"], each["pvname"]) for each in errors], [("forbidden", "X")])

    @inlineCallbacks
    def test_max_rate(self) -> Any:
        """A stream with a rate gets fewer updates, and the last one."""
        self.serve()
        stream = yield self.open_stream(f"{API}/pv/X/stream?max_rate=2")
        yield stream.until(is_monitor)
        yield self.updates(stream, *(float(number) for number in range(100)))
        self.assertLess(len(stream.messages), 10)

    @inlineCallbacks
    def test_comments(self) -> Any:
        """A silent stream gets comments, so that no proxy closes it."""
        self.serve("--ping-interval", "1")
        stream = yield self.open_stream(f"{API}/pv/X/stream")
        yield until_true(lambda: stream.comments >= 2)
        self.assertEqual(len([each for each in stream.messages if is_monitor(each)]), 1)

    @inlineCallbacks
    def test_left(self) -> Any:
        """When a client disconnects, its PVs are closed."""
        gateway = self.serve("--linger", "0.01").gateway
        stream = yield self.open_stream(f"{API}/pv/X/stream")
        yield stream.until(is_monitor)
        self.assertEqual(gateway.clients, 1)
        yield stream.abort()
        yield until_true(lambda: gateway.clients == 0)
        yield until_true(lambda: len(gateway.hub) == 0)

    @inlineCallbacks
    def test_stop(self) -> Any:
        """A gateway that stops ends the streams."""
        service = self.serve()
        stream = yield self.open_stream(f"{API}/pv/X/stream")
        yield stream.until(is_monitor)
        yield service.stopService()
        yield stream.when_closed()

    @inlineCallbacks
    def test_expiry(self) -> Any:
        """A stream ends when the login expires, with a message."""
        secret = "s" * 32
        self.serve("--jwt-key", self.write("key", secret))
        token = jwt.encode({"sub": "alice", "exp": time.time() + 2}, secret, "HS256")
        path = f"{API}/pv/X/stream"
        stream = yield self.open_stream(path, Authorization=f"Bearer {token}")
        yield stream.until(is_monitor)
        yield stream.when_closed()
        self.assertEqual(stream.messages[-1]["code"], "unauthenticated")

    @inlineCallbacks
    def test_slow(self) -> Any:
        """A slow reader gets the newest values when it reads again, and delays nobody."""
        self.backend.add("A", np.zeros(30_000))
        gateway = self.serve().gateway
        slow = yield self.open_stream(f"{API}/pv/A/stream?arrays=base64")
        other = yield self.open_stream(f"{API}/pv/X/stream")
        yield slow.until(is_monitor)
        slow.transport.pauseProducing()
        number = 0
        while gateway.statistics().conflated < 20:
            number += 1
            self.backend.set("A", np.full(30_000, float(number)))
            yield deferLater(reactor, 0)
        yield self.updates(other, 4.5)
        self.backend.set("A", np.full(30_000, -1.0))
        slow.transport.resumeProducing()
        last = np.full(30_000, -1.0).tobytes()
        yield slow.until(lambda message: is_monitor(message) and is_array(message, last))
        self.assertLess(len(slow.messages), number)

    @inlineCallbacks
    def test_stalled(self) -> Any:
        """A reader that reads nothing for the stall timeout is dropped."""
        self.backend.add("A", np.zeros(30_000))
        gateway = self.serve("--stall-timeout", "0.5").gateway
        stream = yield self.open_stream(f"{API}/pv/A/stream?arrays=base64")
        yield stream.until(is_monitor)
        stream.transport.pauseProducing()
        number = 0
        while gateway.clients:
            number += 1
            self.backend.set("A", np.full(30_000, float(number)))
            yield deferLater(reactor, 0.001)
        stream.transport.resumeProducing()
        yield stream.when_closed()


def is_array(message: Any, elements: bytes) -> bool:
    """Return whether an update in base64 has these elements."""
    return base64.b64decode(message["value"]["base64"]) == elements
