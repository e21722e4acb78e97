"""Puts of one client to one PV are sent in the order in which they arrived."""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.interfaces import IHandle, ISink
from pycawamp.pv.memory import MemoryHandle
from pycawamp.pv.values import FieldType, Metadata
from pycawamp.sessions.session import Session
from tests.support.garbage import left_to_the_collector
from tests.support.memory_gateway import MemoryGateway, send_request
from tests.support.pending_gets import Pending
from tests.support.version2_case import ANYONE


class JustFound(Pending):
    """PVs that are connected, and whose first update has not come yet."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Any] = []

    def open(self, name: str, sink: ISink) -> IHandle:
        """Report everything but the value."""
        handle = MemoryHandle(name, sink, self)
        self.handles.append(handle)
        sink.metadata(Metadata(FieldType.DOUBLE, 1))
        sink.connection(True)
        return handle

    def put(self, name: str, value: Any) -> Deferred[None]:
        """Store the values in order."""
        self.written.append(value)
        return super().put(name, value)


class PutOrderTests(SynchronousTestCase):
    """Puts that first read the old value, for the log, and puts that know it."""

    def setUp(self) -> None:
        """Make a client of two PVs."""
        self.backend = JustFound()
        for name in ("X", "Y"):
            self.backend.add(name, 0.0, Metadata(FieldType.DOUBLE, 1))
        self.gateway = MemoryGateway(ANYONE, backend=self.backend)
        self.session, self.page = self.gateway.open()

    def put(self, value: Any, name: str = "X", session: Session | None = None) -> None:
        """Put, without completion."""
        send_request(session or self.session, "put", name, value=value, wait=False, id=value)

    def begin(self) -> None:
        """Send two puts that read the old value, and a third that knows it."""
        self.put(1)
        self.put(2)
        self.backend.set("X", 0.5)
        self.put(3)

    def test_one_pv(self) -> None:
        """They stay in order, though the PV's first update arrives between them."""
        self.begin()
        self.assertEqual(self.backend.written, [])
        self.backend.answer()
        self.assertEqual(self.backend.written, [1])
        self.backend.answer()
        self.gateway.flush_cycle()
        self.assertEqual(self.backend.written, [1, 2, 3])
        self.put(4)
        self.assertEqual(self.backend.written, [1, 2, 3, 4])

    def test_no_answer(self) -> None:
        """If the IOC does not answer, they are written without the old value."""
        self.begin()
        self.gateway.advance(1)
        self.assertEqual(self.backend.written, [1, 2, 3])

    def test_many(self) -> None:
        """However many wait for the old value that the first one reads, all are written."""
        numbers = list(range(900))
        for number in numbers:
            self.put(number)
            if not number:
                self.backend.set("X", 0.5)
        self.assertEqual(self.backend.written, [])
        self.backend.answer()
        self.gateway.flush_cycle()
        self.assertEqual(self.backend.written, numbers)
        replies = [each["id"] for each in self.page.messages if each.get("ok")]
        self.assertEqual(replies, numbers)

    def test_others(self) -> None:
        """Puts to other PVs, and of other clients, are not delayed."""
        self.begin()
        self.put(5, "Y", session=self.session)
        self.backend.set("Y", 0.5)
        other, _ = self.gateway.open()
        self.put(6, session=other)
        self.assertEqual(self.backend.written, [6])

    def test_refused(self) -> None:
        """A refused put, and one with an invalid value, do not delay others."""
        self.put("nonsense")
        self.put(2)
        self.backend.set("X", 0.5)
        self.put(3)
        while self.backend.pending:
            self.backend.answer()
            self.gateway.flush_cycle()
        self.assertEqual(self.backend.written, ["nonsense", 2, 3])
        send_request(self.session, "get", "X")
        self.backend.answer()
        self.gateway.flush_cycle()
        self.assertEqual(self.page.messages[-1]["value"], 3.0)

    def test_client_leaves(self) -> None:
        """Nothing is written for a client that disconnected before; it is freed."""
        with left_to_the_collector() as left:
            self.begin()
            self.session.close()
            self.gateway.advance(1)
        self.assertEqual(self.backend.written, [])
        self.assertEqual(left, Counter())
