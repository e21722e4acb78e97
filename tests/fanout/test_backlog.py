"""The pending data of a client is limited, whatever it requests and however slowly it reads."""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

import numpy as np
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from pycawamp.fanout.outbox import FLUSH_BYTES, MAX_UNREAD_BYTES, IWriter
from pycawamp.pv.values import FieldType, Metadata
from pycawamp.sessions.operations import MAX_GETS
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.session import Session
from pycawamp.web.frames import WEBSOCKET
from pycawamp.wire.v2.dialect import VERSION_1
from tests.support.memory_gateway import MemoryGateway, send_request
from tests.support.pending_gets import Pending
from tests.support.websocket_frames import text_payloads

LARGE = 100_000


@implementer(IWriter)
class SlowPage:
    """A page that reads only when a test calls `read`."""

    framing = WEBSOCKET

    def __init__(self) -> None:
        self.session: Session
        self.max_backlog = 0
        """The maximum pending bytes so far."""
        self._data = b""

    @property
    def backlog(self) -> int:
        """Pending bytes."""
        return len(self._data)

    def write(self, data: bytes) -> None:
        """Store frames."""
        self._data += data
        self.max_backlog = max(self.max_backlog, self.backlog)
        if self.backlog > FLUSH_BYTES:
            self.session.outbox.pause()

    def read(self) -> list[Any]:
        """Return all pending data."""
        data, self._data = self._data, b""
        if self.session.outbox.paused:
            self.session.outbox.resume()
        return [json.loads(payload) for payload in text_payloads(data)]


class BacklogTests(SynchronousTestCase):
    """A slow client of large PVs."""

    def setUp(self) -> None:
        """Open the client."""
        self.gateway = MemoryGateway()
        self.names = [f"pv{number}" for number in range(100)]
        for name in self.names:
            self.gateway.backend.add(name, "x" * LARGE)
        self.page = SlowPage()
        self.session = self.page.session = self.gateway.sessions.open(
            self.page, Peer("slow"), VERSION_1
        )

    def connect_all(self) -> None:
        """Request all PVs in one list."""
        self.session.receive(json.dumps({"action": "connect", "pvs": self.names}).encode())
        while self.session.is_busy:
            self.session.process_next()

    def read_all(self) -> list[Any]:
        """Return everything that the page gets, while it keeps reading."""
        messages: list[Any] = []
        while True:
            self.gateway.flush_cycle()
            paused = self.session.outbox.paused
            new = self.page.read()
            if not new and not paused:
                return messages
            messages += new

    def test_opening(self) -> None:
        """A page that opens gets all of its PVs, but no faster than it reads."""
        for batch in (False, True):
            self.page.max_backlog = 0
            send_request(self.session, "configure", "", batch=batch)
            self.connect_all()
            received = self.read_all()
            messages = list(chain.from_iterable(received)) if batch else received[1:]
            kinds = ["connection", "monitor"] * len(self.names)
            self.assertEqual([each["msg_type"] for each in messages][-len(kinds) :], kinds)
            self.assertEqual([each["pvname"] for each in messages[-len(kinds) :: 2]], self.names)
            self.assertLess(self.page.max_backlog, FLUSH_BYTES + 2 * LARGE)
            for name in self.names:
                send_request(self.session, "disconnect", name)

    def test_connect_again(self) -> None:
        """A client that requests a PV repeatedly without reading gets it once."""
        for _ in range(100):
            send_request(self.session, "connect", "pv0")
        self.assertLess(self.page.max_backlog, FLUSH_BYTES + 2 * LARGE)
        received = self.read_all()
        self.assertLess(len(received), 20)

    def test_catching_up(self) -> None:
        """A client that reads again gets the newest value of each PV, once, as fast as it reads."""
        self.connect_all()
        self.read_all()
        self.page.max_backlog = 0
        self.session.outbox.pause()
        for value in ("y", "z"):
            for name in self.names:
                self.gateway.backend.set(name, value * LARGE)
            self.gateway.flush_cycle()
        received = self.read_all()
        self.assertEqual([each["pvname"] for each in received], self.names)
        self.assertEqual({each["value"][0] for each in received}, {"z"})
        self.assertLess(self.page.max_backlog, FLUSH_BYTES + 2 * LARGE)

    def test_one_cannot_be_shown(self) -> None:
        """A value that cannot be rendered for a client that reads again does not affect others."""
        names = ["pv0", "odd", "pv1"]
        self.gateway.backend.add("odd", np.array([65], np.uint8), Metadata(FieldType.CHAR, 3))
        for name in names:
            send_request(self.session, "connect", name, text=True)
        self.read_all()
        self.session.outbox.pause()
        self.gateway.backend.set("pv0", "y")
        self.gateway.backend.set("odd", np.array([66], np.uint8))
        self.gateway.backend.set("pv1", "z")
        self.gateway.backend.set("odd", [67])  # type: ignore[list-item]
        self.gateway.flush_cycle()
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)
        received = self.read_all()
        self.assertEqual([each["value"] for each in received], ["y", "z"])
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)


class GetTests(SynchronousTestCase):
    """Gets that an IOC answers late."""

    def setUp(self) -> None:
        """Open a client."""
        self.backend = Pending()
        self.gateway = MemoryGateway(backend=self.backend)
        self.backend.add("X", 1.5)
        self.session, self.page = self.gateway.open()

    def test_few_at_once(self) -> None:
        """An IOC gets a few requests at a time; all are answered, in order."""
        for number in range(100):
            send_request(self.session, "get", "X", id=number)
        while self.backend.pending:
            self.assertLessEqual(len(self.backend.pending), MAX_GETS)
            self.backend.answer()
            self.gateway.flush_cycle()
        self.assertEqual([each["id"] for each in self.page.take()], list(range(100)))

    def test_lost(self) -> None:
        """Each get of a lost PV is refused, once; those of other PVs continue."""
        for number in range(1000):
            send_request(self.session, "get", "X", id=number)
        self.backend.remove("X")
        self.gateway.flush_cycle()
        refusals = self.page.take()
        self.assertEqual(sorted(each["id"] for each in refusals), list(range(1000)))
        self.assertEqual({each["code"] for each in refusals}, {"not_connected"})
        self.backend.add("Y", 2.5)
        for _ in range(MAX_GETS):
            send_request(self.session, "get", "Y")
        self.assertEqual(len(self.backend.pending), MAX_GETS)

    def test_comes_back_as_another(self) -> None:
        """If the type of a PV changes while a get waits, the reply has the new type."""
        for number in range(MAX_GETS + 1):
            send_request(self.session, "get", "X", id=number)
        self.backend.remove("X")
        self.backend.add("X", np.arange(3.0))
        self.gateway.flush_cycle()
        while self.backend.pending:
            self.backend.answer()
            self.gateway.flush_cycle()
        self.assertEqual(self.page.take()[-1]["value"], [0, 1, 2])

    def test_client_leaves(self) -> None:
        """For a client that disconnects, no more requests are sent."""
        send_request(self.session, "get", "late")
        for _ in range(100):
            send_request(self.session, "get", "X")
        self.backend.add("late", 1.5)
        self.session.close()
        self.gateway.flush_cycle()
        self.assertEqual({name for name, _ in self.backend.pending}, {"X"})
        self.assertEqual(len(self.backend.pending), MAX_GETS)

    def test_later_options(self) -> None:
        """A `configure` after a get does not affect its reply."""
        send_request(self.session, "get", "X")
        send_request(self.session, "configure", "", text=True, metadata=True)
        self.backend.answer()
        self.gateway.flush_cycle()
        value = self.page.take()[1]
        self.assertEqual((value["msg_type"], "text" in value), ("value", False))

    def test_unread(self) -> None:
        """A client that does not read its replies gets no more of them."""
        send_request(self.session, "get", "X")
        self.page.backlog = MAX_UNREAD_BYTES + 1
        self.backend.answer()
        self.gateway.flush_cycle()
        (refusal,) = self.page.take()
        self.assertEqual((refusal["code"], refusal["pvname"]), ("rate_limited", "X"))
