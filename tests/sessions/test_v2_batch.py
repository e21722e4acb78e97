"""batch: the messages of one flush cycle are one JSON array."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.sessions.peer import Peer
from pycawamp.sessions.session import Session
from pycawamp.wire.v2.dialect import VERSION_1
from tests.support.memory_gateway import CONNECT_TIMEOUT, MemoryGateway, send_request
from tests.support.version2_case import ANYONE, AnyPage


class Counted(list[str]):
    """An array that counts how often its length was read: once by each rendering."""

    rendered = 0

    def __len__(self) -> int:
        self.rendered += 1
        return super().__len__()


class BatchTests(SynchronousTestCase):
    """Clients with batches, of PVs in memory."""

    def setUp(self) -> None:
        """Make some PVs."""
        self.gateway = MemoryGateway(ANYONE)
        for name in "abc":
            self.gateway.backend.add(name, 0)
        self.gateway.backend.add("array", np.arange(3.0))

    def open(self, **options: Any) -> tuple[Session, AnyPage]:
        """Return a client that has configured its connection."""
        page = AnyPage()
        session = self.gateway.sessions.open(page, Peer("test"), VERSION_1)
        if options:
            session.receive(json.dumps({"action": "configure", **options}).encode())
            self.gateway.flush_cycle()
            page.take()
        return session, page

    def set_all(self, value: int) -> None:
        """Set a new value of each PV."""
        for name in "abc":
            self.gateway.backend.set(name, value)

    def test_not_found(self) -> None:
        """The message that a PV was not found is in an array or not, as its subscription."""
        for configured, is_batched in ((False, True), (True, False)):
            session, page = self.open(batch=configured)
            send_request(session, "connect", "nowhere", batch=is_batched)
            self.gateway.advance(CONNECT_TIMEOUT)
            self.gateway.flush_cycle()
            (received,) = page.take()
            self.assertEqual((received[0] if is_batched else received)["conn"], False)

    def test_burst(self) -> None:
        """All updates of a flush cycle are one array in one frame, in order."""
        session, page = self.open(batch=True)
        for name in "abc":
            send_request(session, "connect", name)
        self.gateway.flush_cycle()
        (first,) = page.take()
        self.assertEqual([each.get("conn", each.get("value")) for each in first], [True, 0] * 3)
        for value in (1, 2):
            self.set_all(value)
        self.gateway.flush_cycle()
        (burst,) = page.take()
        got = [(each["pvname"], each["value"]) for each in burst]
        self.assertEqual(got, [(name, value) for value in (1, 2) for name in "abc"])
        self.gateway.flush_cycle()
        self.assertEqual(page.take(), [], "a turn without news is no empty array")

    def test_lone_message(self) -> None:
        """A single message is an array of one."""
        session, page = self.open(batch=True)
        session.receive(b'{"action":"ping"}')
        self.gateway.flush_cycle()
        self.assertEqual(page.take(), [[{"msg_type": "pong"}]])

    def test_replies(self) -> None:
        """Set by configure, it applies to replies and errors too, also to its own reply."""
        session, page = self.open()
        session.receive(b'{"action":"configure","batch":true,"id":1}')
        session.receive(b'{"action":"fly","id":2}')
        send_request(session, "connect", "a")
        send_request(session, "put", "a", value=5, id=3)
        send_request(session, "get", "a", id=4)
        self.gateway.flush_cycle()
        (batch,) = page.take()
        kinds = sorted((each["msg_type"], each.get("id", 0)) for each in batch)
        expected = [("configured", 1), ("connection", 0), ("error", 2)]
        expected += [("monitor", 0), ("monitor", 0), ("put", 3), ("value", 4)]
        self.assertEqual(kinds, expected)

    def test_one_pv(self) -> None:
        """Set with connect, it applies to that PV's messages only."""
        session, page = self.open()
        send_request(session, "connect", "a", batch=True)
        send_request(session, "connect", "b")
        session.receive(b'{"action":"ping"}')
        self.gateway.flush_cycle()
        page.take()
        self.set_all(1)
        session.receive(b'{"action":"ping"}')
        self.gateway.flush_cycle()
        kinds = sorted(type(message).__name__ for message in page.take())
        self.assertEqual(kinds, ["dict", "dict", "list"])

    def test_binary(self) -> None:
        """A PV whose updates are binary frames has frames of its own."""
        session, page = self.open(batch=True, arrays="binary")
        send_request(session, "connect", "array")
        send_request(session, "connect", "a")
        send_request(session, "get", "array")
        self.gateway.flush_cycle()
        kinds = sorted(type(message).__name__ for message in page.take())
        self.assertEqual(kinds, ["bytes", "bytes", "dict", "list"])

    def test_requested_again_without(self) -> None:
        """If a PV is requested again without it, the old messages still come first."""
        session, page = self.open()
        send_request(session, "connect", "a", batch=True)
        self.gateway.backend.set("a", 1)
        send_request(session, "connect", "a")
        self.gateway.flush_cycle()
        batch, *single = page.take()
        received = [each.get("conn", each.get("value")) for each in (*batch, *single)]
        self.assertEqual(received, [True, 0, 1, True, 1])

    def test_becomes_binary(self) -> None:
        """If a PV reconnects as an array, in its own frames, its loss comes first."""
        session, page = self.open(batch=True, arrays="binary")
        send_request(session, "connect", "a")
        self.gateway.flush_cycle()
        page.take()
        self.gateway.backend.remove("a")
        self.gateway.backend.add("a", np.arange(3.0))
        self.gateway.flush_cycle()
        (lost,), connected, update = page.take()
        self.assertEqual((lost["conn"], connected["conn"]), (False, True))
        self.assertIsInstance(update, bytes)

    def test_off_again(self) -> None:
        """Messages collected while it was on are sent before later ones."""
        session, page = self.open(batch=True)
        session.receive(b'{"action":"ping","id":1}')
        session.receive(b'{"action":"configure","batch":false,"id":2}')
        session.receive(b'{"action":"ping","id":3}')
        self.gateway.flush_cycle()
        batch, configured, pong = page.take()
        self.assertEqual([each["id"] for each in (*batch, configured, pong)], [1, 2, 3])

    def test_shared(self) -> None:
        """An update is rendered once, for clients with batches and without, at any rate."""
        self.gateway.backend.add("text", ["a"])
        pages = [
            self.open(**options)
            for options in ({"batch": True}, {"batch": True}, {}, {"max_rate": 5}, {"max_rate": 7})
        ]
        for session, _ in pages:
            send_request(session, "connect", "text")
        self.gateway.flush_cycle()
        value = Counted(["b"])
        self.gateway.backend.set("text", value)
        self.gateway.flush_cycle()
        self.gateway.advance(1)
        self.assertEqual(value.rendered, 1)
        for _, page in pages:
            message = page.take()[-1]
            message = message[-1] if isinstance(message, list) else message
            self.assertEqual(message["value"], ["b"])
