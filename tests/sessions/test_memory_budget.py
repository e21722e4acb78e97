"""The gateway's memory for its clients is limited, per client and in total."""

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
from pycawamp.sessions import operations
from pycawamp.sessions.limits import Limits
from pycawamp.sessions.operations import ANSWER, MAX_LARGE_GETS
from pycawamp.sessions.session import Session
from tests.support.memory_gateway import MemoryGateway, Page, send_request
from tests.support.pending_gets import Pending

MIB = 2**20
LIMIT = 64 * MIB
ARRAY = Metadata(FieldType.DOUBLE, MIB // 8)
"""A mebibyte."""
PUTS, PUT_BYTES = 100, 4 * MIB
"""Instead of a client's limits, which are ten times and 16 times as much: to have it soon."""
NUMBERS = PUT_BYTES // 512
"""Elements of arrays; some dozens of these exceed the limit."""
ANYONE = Policy(puts=True, writers=Writers.ANYONE)


class SlowRecords(MemoryBackend):
    """PVs whose puts finish when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.puts: list[Deferred[None]] = []

    def put(self, name: str, value: Any) -> Deferred[None]:
        """Write; fires later."""
        self.puts.append(Deferred())
        return self.puts[-1]

    def finish(self) -> None:
        """Finish all puts."""
        puts, self.puts = self.puts, []
        for put in puts:
            if not put.called:
                put.callback(None)


def errors(page: Page) -> list[tuple[str, str]]:
    """Return code and PV of the errors since the last call."""
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
        self.max_arrays = LIMIT // SHARE // MIB
        self.names = [f"array{number}" for number in range(2 * self.max_arrays)]
        self.session, self.page = self.gateway.open()

    def add(self, *names: str) -> None:
        """Create the PVs; each has few elements now."""
        for name in names:
            self.gateway.backend.add(name, np.zeros(3), ARRAY)

    def connect(self, session: Session, *names: str) -> None:
        """Subscribe."""
        session.receive(json.dumps({"action": "connect", "pvs": names}).encode())
        while session.is_busy:
            session.process_next()
        self.gateway.flush_cycle()

    def test_of_a_client(self) -> None:
        """A client's arrays are limited together; those above the limit are refused and dropped."""
        self.add(*self.names)
        self.connect(self.session, *self.names)
        self.assertEqual(
            errors(self.page), [("too_many_pvs", name) for name in self.names[self.max_arrays :]]
        )
        self.assertEqual(self.gateway.hub.names, self.names[: self.max_arrays])

    def test_found_later(self) -> None:
        """This does not depend on when the PVs are found."""
        self.connect(self.session, *self.names)
        self.add(*self.names)
        self.gateway.flush_cycle()
        self.assertEqual(
            errors(self.page), [("too_many_pvs", name) for name in self.names[self.max_arrays :]]
        )
        self.assertEqual(self.gateway.hub.names, self.names[: self.max_arrays])

    def test_room_again(self) -> None:
        """Disconnecting from an array allows another; a repeated request counts once."""
        self.add(*self.names)
        first, last = self.names[0], self.names[-1]
        self.connect(self.session, *self.names[: self.max_arrays])
        self.connect(self.session, *self.names[: self.max_arrays])
        self.assertEqual(errors(self.page), [])
        self.connect(self.session, last)
        self.assertEqual(errors(self.page), [("too_many_pvs", last)])
        self.session.receive(json.dumps({"action": "disconnect", "pv": first}).encode())
        self.connect(self.session, last)
        self.assertEqual(errors(self.page), [])

    def test_others(self) -> None:
        """An array that one client may not have is available to another; scalars do not count."""
        self.add(*self.names)
        self.connect(self.session, *self.names)
        other, page = self.gateway.open()
        self.gateway.backend.add("X", 1.5)
        self.connect(other, *self.names[self.max_arrays :])
        self.connect(self.session, "X")
        self.assertEqual(errors(page), [])
        self.assertEqual(self.page.take()[-1]["pvname"], "X")

    def test_rendered(self) -> None:
        """Stored messages are counted once, however many clients get them, and released."""
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
        """When memory is full, messages are rendered again in each flush cycle, not stored."""
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
        """Make a client of an array whose IOC answers late."""
        self.backend = Pending()
        self.gateway = MemoryGateway(backend=self.backend, limits=Limits(memory=LIMIT))
        self.budget = self.gateway.sessions.shared.budget
        self.backend.add("array", np.zeros(3), ARRAY)
        self.session, self.page = self.gateway.open()

    def test_few_at_once(self) -> None:
        """Fewer gets of large arrays are sent to an IOC at a time; all are answered."""
        for number in range(20):
            send_request(self.session, "get", "array", id=number)
        self.assertEqual(self.budget.requests, MAX_LARGE_GETS * ANSWER * MIB)
        while self.backend.pending:
            self.assertLessEqual(len(self.backend.pending), MAX_LARGE_GETS)
            self.backend.answer()
            self.gateway.flush_cycle()
        self.assertEqual([each["id"] for each in self.page.take()], list(range(20)))
        self.assertEqual(self.budget.requests, 0)

    def test_full(self) -> None:
        """When memory is full, a get of an array is `overloaded`; one of a scalar is answered."""
        self.backend.add("X", 1.5)
        self.budget.backlog += LIMIT
        send_request(self.session, "get", "array")
        send_request(self.session, "get", "X")
        self.backend.answer()
        self.gateway.flush_cycle()
        error, value = self.page.take()
        self.assertEqual((error["code"], error["action"]), ("overloaded", "get"))
        self.assertEqual(value["value"], 1.5)

    def test_client_leaves(self) -> None:
        """Nothing stays counted for a client that has disconnected."""
        for _ in range(20):
            send_request(self.session, "get", "array")
        self.session.close()
        self.gateway.flush_cycle()
        self.assertEqual(self.budget.used, 0)


class PutTests(SynchronousTestCase):
    """Puts that wait for their records."""

    def setUp(self) -> None:
        """Make a client of records that take long."""
        self.patch(operations, "PUTS", PUTS)
        self.patch(operations, "PUT_BYTES", PUT_BYTES)
        self.backend = SlowRecords()
        limits = Limits(memory=4 * PUT_BYTES, put_rate=PUTS)
        self.gateway = MemoryGateway(ANYONE, limits, self.backend)
        self.backend.add("X", 1.5)
        self.backend.add("array", np.zeros(3), Metadata(FieldType.DOUBLE, MIB))
        self.session, self.page = self.gateway.open()

    def put(self, session: Session, name: str, value: Any, times: int = 1) -> None:
        """Put a value this number of times."""
        request = json.dumps({"action": "put", "pv": name, "value": value}).encode()
        for _ in range(times):
            session.receive(request)

    def test_number(self) -> None:
        """The number of a client's unfinished puts is limited; later it may continue."""
        self.put(self.session, "X", 1, PUTS + 3)
        self.gateway.flush_cycle()
        self.assertEqual(errors(self.page), 3 * [("rate_limited", "X")])
        self.assertEqual(len(self.backend.puts), PUTS)
        self.backend.finish()
        self.put(self.session, "X", 1)
        self.gateway.flush_cycle()
        self.assertEqual(errors(self.page), [])

    def test_bytes(self) -> None:
        """So are their bytes: those of the value."""
        self.put(self.session, "array", [1.5] * NUMBERS, 72)
        self.gateway.flush_cycle()
        self.assertEqual(set(errors(self.page)), {("rate_limited", "array")})
        self.assertLessEqual(self.gateway.sessions.shared.budget.requests, PUT_BYTES)
        self.assertGreater(self.gateway.sessions.shared.budget.requests, 0.92 * PUT_BYTES)
        self.backend.finish()
        self.assertEqual(self.gateway.sessions.shared.budget.used, 0)

    def test_unfound(self) -> None:
        """So are those that wait for their PV, whatever their value consists of."""
        values: list[Any] = [[1.5] * 3000, ["abc"] * 3000, [[]] * 3000, {"a": [{}] * 3000}]
        for value in values:
            self.put(self.session, "nowhere", value, 50)
            self.gateway.flush_cycle()
            self.assertIn(("rate_limited", "nowhere"), errors(self.page))
            self.assertLessEqual(self.gateway.sessions.shared.budget.requests, PUT_BYTES)
            self.gateway.advance(5)
            self.assertEqual(self.gateway.sessions.shared.budget.used, 0)

    def test_in_all(self) -> None:
        """The puts of all clients are limited together: beyond, they are `overloaded`."""
        value = [1.5] * NUMBERS
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
