"""What the gateway holds for its clients is bounded, per client and in all."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access import Policy, Writers
from pycawamp.pv.budget import SHARE
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.values import FieldType, Metadata
from pycawamp.sessions.limits import Limits
from pycawamp.sessions.operations import ANSWER, LARGE_GETS_AT_ONCE, PUT_BYTES, PUTS
from pycawamp.sessions.session import Session
from tests.fanout.test_backlog import Pending
from tests.support.memory_gateway import MemoryGateway, Page, ask

MIB = 2**20
LIMIT = 64 * MIB
ARRAY = Metadata(FieldType.DOUBLE, MIB // 8)
"""A mebibyte."""
ANYONE = Policy(puts=True, writers=Writers.ANYONE)


class SlowRecords(MemoryBackend):
    """PVs whose puts finish when they are told to."""

    def __init__(self) -> None:
        super().__init__()
        self.puts: list[Deferred[None]] = []

    def put(self, name: str, value: Any) -> Deferred[None]:
        """Write; fires later."""
        self.puts.append(Deferred())
        return self.puts[-1]

    def finish(self) -> None:
        """Let all records finish."""
        puts, self.puts = self.puts, []
        for put in puts:
            if not put.called:
                put.callback(None)


def errors(page: Page) -> list[tuple[str, str]]:
    """Code and PV of the errors since the last time."""
    return [
        (each["code"], each.get("pvname", ""))
        for each in page.take()
        if each["msg_type"] == "error"
    ]


class ArrayTests(SynchronousTestCase):
    """Subscriptions to large arrays."""

    def setUp(self) -> None:
        """Make arrays: twice as many as a client may have."""
        self.gateway = MemoryGateway(limits=Limits(memory=LIMIT))
        self.most = LIMIT // SHARE // MIB
        self.names = [f"array{number}" for number in range(2 * self.most)]
        self.session, self.page = self.gateway.open()

    def add(self, *names: str) -> None:
        """Have PVs appear; each holds few elements now."""
        for name in names:
            self.gateway.backend.add(name, np.zeros(3), ARRAY)

    def connect(self, session: Session, *names: str) -> None:
        """Subscribe."""
        session.receive(json.dumps({"action": "connect", "pvs": names}).encode())
        while session.is_busy:
            session.go_on()
        self.gateway.flush_cycle()

    def test_of_a_client(self) -> None:
        """A client's arrays are bounded together; what is too much is told, and is not kept."""
        self.add(*self.names)
        self.connect(self.session, *self.names)
        self.assertEqual(
            errors(self.page), [("too_many_pvs", name) for name in self.names[self.most :]]
        )
        self.assertEqual(self.gateway.hub.names, self.names[: self.most])

    def test_found_later(self) -> None:
        """It makes no difference when the PVs are found."""
        self.connect(self.session, *self.names)
        self.add(*self.names)
        self.gateway.flush_cycle()
        self.assertEqual(
            errors(self.page), [("too_many_pvs", name) for name in self.names[self.most :]]
        )
        self.assertEqual(self.gateway.hub.names, self.names[: self.most])

    def test_room_again(self) -> None:
        """Who leaves an array may have another; asking for one again counts it once."""
        self.add(*self.names)
        first, last = self.names[0], self.names[-1]
        self.connect(self.session, *self.names[: self.most])
        self.connect(self.session, *self.names[: self.most])
        self.assertEqual(errors(self.page), [])
        self.connect(self.session, last)
        self.assertEqual(errors(self.page), [("too_many_pvs", last)])
        self.session.receive(json.dumps({"action": "disconnect", "pv": first}).encode())
        self.connect(self.session, last)
        self.assertEqual(errors(self.page), [])

    def test_others(self) -> None:
        """What one client has too much of, another may have; scalars are never counted."""
        self.add(*self.names)
        self.connect(self.session, *self.names)
        other, page = self.gateway.open()
        self.gateway.backend.add("X", 1.5)
        self.connect(other, *self.names[self.most :])
        self.connect(self.session, "X")
        self.assertEqual(errors(page), [])
        self.assertEqual(self.page.take()[-1]["pvname"], "X")

    def test_rendered(self) -> None:
        """Messages that are kept are counted once, however many clients get them, and let go."""
        budget = self.gateway.sessions.shared.budget
        self.gateway.backend.add("big", np.arange(100_000.0), ARRAY)
        sessions = [self.gateway.open()[0] for _ in range(5)]
        for session in sessions:
            self.connect(session, "big")
        size = len(json.dumps(list(np.arange(100_000.0)), separators=(",", ":")))
        self.assertLess(abs(budget.rendered - size), 1000)
        self.gateway.backend.set("big", np.zeros(3))
        self.assertLess(budget.rendered, 1000)
        self.gateway.backend.set("big", np.arange(100_000.0))
        for session in sessions:
            session.close()
        self.assertEqual(budget.rendered, 0)

    def test_full(self) -> None:
        """When memory is full, messages are made anew for each turn instead of kept."""
        budget = self.gateway.sessions.shared.budget
        self.gateway.backend.add("big", np.arange(100_000.0), ARRAY)
        self.connect(self.session, "big")
        budget.requests += LIMIT
        self.gateway.backend.set("big", np.arange(100_000.0))
        self.gateway.flush_cycle()
        self.assertEqual(budget.rendered, 0)
        self.page.take()
        self.connect(self.session, "big")
        self.assertEqual(self.page.take()[-1]["count"], 100_000)


class GetTests(SynchronousTestCase):
    """Gets of large arrays."""

    def setUp(self) -> None:
        """Open a client of an array whose IOC takes its time."""
        self.backend = Pending()
        self.gateway = MemoryGateway(backend=self.backend, limits=Limits(memory=LIMIT))
        self.budget = self.gateway.sessions.shared.budget
        self.backend.add("array", np.zeros(3), ARRAY)
        self.session, self.page = self.gateway.open()

    def test_few_at_once(self) -> None:
        """Of large arrays an IOC is asked for fewer at a time; all are answered."""
        for number in range(20):
            ask(self.session, "get", "array", id=number)
        self.assertEqual(self.budget.requests, LARGE_GETS_AT_ONCE * ANSWER * MIB)
        while self.backend.asked:
            self.assertLessEqual(len(self.backend.asked), LARGE_GETS_AT_ONCE)
            self.backend.answer()
            self.gateway.flush_cycle()
        self.assertEqual([each["id"] for each in self.page.take()], list(range(20)))
        self.assertEqual(self.budget.requests, 0)

    def test_full(self) -> None:
        """When memory is full a get of an array is `overloaded`; one of a scalar is answered."""
        self.backend.add("X", 1.5)
        self.budget.backlog += LIMIT
        ask(self.session, "get", "array")
        ask(self.session, "get", "X")
        self.backend.answer()
        self.gateway.flush_cycle()
        error, value = self.page.take()
        self.assertEqual((error["code"], error["action"]), ("overloaded", "get"))
        self.assertEqual(value["value"], 1.5)

    def test_client_leaves(self) -> None:
        """Nothing stays counted of a client that leaves."""
        for _ in range(20):
            ask(self.session, "get", "array")
        self.session.close()
        self.gateway.flush_cycle()
        self.assertEqual(self.budget.used, 0)


class PutTests(SynchronousTestCase):
    """Puts that wait for their records."""

    def setUp(self) -> None:
        """Open a client of records that take their time."""
        self.backend = SlowRecords()
        limits = Limits(memory=4 * PUT_BYTES, put_rate=PUTS)
        self.gateway = MemoryGateway(ANYONE, limits, self.backend)
        self.backend.add("X", 1.5)
        self.backend.add("array", np.zeros(3), Metadata(FieldType.DOUBLE, MIB))
        self.session, self.page = self.gateway.open()

    def put(self, session: Session, name: str, value: Any, times: int = 1) -> None:
        """Put a value as often."""
        request = json.dumps({"action": "put", "pv": name, "value": value}).encode()
        for _ in range(times):
            session.receive(request)

    def test_number(self) -> None:
        """A client's puts that have not finished are bounded in number; later it may go on."""
        self.put(self.session, "X", 1, PUTS + 3)
        self.gateway.flush_cycle()
        self.assertEqual(errors(self.page), 3 * [("rate_limited", "X")])
        self.assertEqual(len(self.backend.puts), PUTS)
        self.backend.finish()
        self.put(self.session, "X", 1)
        self.gateway.flush_cycle()
        self.assertEqual(errors(self.page), [])

    def test_bytes(self) -> None:
        """They are bounded in bytes too: those of the value that is written."""
        value = [1.5] * (MIB // 8)
        self.put(self.session, "array", value, PUT_BYTES // MIB + 8)
        self.gateway.flush_cycle()
        self.assertEqual(set(errors(self.page)), {("rate_limited", "array")})
        self.assertLessEqual(self.gateway.sessions.shared.budget.requests, PUT_BYTES)
        self.assertGreater(self.gateway.sessions.shared.budget.requests, PUT_BYTES - 5 * MIB)
        self.backend.finish()
        self.assertEqual(self.gateway.sessions.shared.budget.used, 0)

    def test_unfound(self) -> None:
        """So are those that wait for their PV, whatever their value is made of."""
        values: list[Any] = [[1.5] * 50_000, ["abc"] * 50_000, [[]] * 50_000, {"a": [{}] * 50_000}]
        for value in values:
            self.put(self.session, "nowhere", value, 50)
            self.gateway.flush_cycle()
            self.assertIn(("rate_limited", "nowhere"), errors(self.page))
            self.assertLessEqual(self.gateway.sessions.shared.budget.requests, PUT_BYTES)
            self.gateway.advance(5)
            self.assertEqual(self.gateway.sessions.shared.budget.used, 0)

    def test_in_all(self) -> None:
        """The puts of all clients are bounded together: beyond, they are `overloaded`."""
        value = [1.5] * (MIB // 8)
        codes, sessions = [], []
        for _ in range(8):
            session, page = self.gateway.open()
            sessions.append(session)
            self.put(session, "array", value, 20)
            self.gateway.flush_cycle()
            codes += errors(page)
        self.assertEqual(set(codes), {("overloaded", "array")})
        shared = self.gateway.sessions.shared
        self.assertLessEqual(shared.puts.bytes, shared.budget.share)
        for session in sessions:
            session.close()
        self.gateway.flush_cycle()
        self.assertEqual((shared.puts.number, shared.budget.used), (0, 0))
