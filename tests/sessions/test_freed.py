"""Closed objects are freed at once, without the garbage collector."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from weakref import ref

from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access import Policy, Writers
from pycawamp.pv.values import FieldType, Metadata
from tests.support.garbage import left_to_the_collector
from tests.support.memory_gateway import CONNECT_TIMEOUT, LINGER, MemoryGateway, send_request

ANYONE = Policy(puts=True, writers=Writers.ANYONE)


class FreedTests(SynchronousTestCase):
    """Sessions over in-memory PVs, with the collector off."""

    def setUp(self) -> None:
        """Make some PVs."""
        self.gateway = MemoryGateway(ANYONE)
        self.gateway.backend.add("X", 1.5)
        self.gateway.backend.add("mode", 0, Metadata(FieldType.ENUM, 1, enum_strs=("Off", "On")))

    def assert_freed(self, work: Callable[[MemoryGateway], None]) -> None:
        """Check that some work leaves nothing to the collector."""
        # What is made once, and kept, is made here.
        work(self.gateway)
        with left_to_the_collector() as left:
            work(self.gateway)
        self.assertEqual(left, Counter())

    def test_collector(self) -> None:
        """A cycle of the gateway's objects is found, if there is one."""
        with left_to_the_collector() as left:
            session, _ = self.gateway.open()
            session.close()
            session.itself = session  # type: ignore[attr-defined]
            del session
        self.assertEqual(left["pycawamp.sessions.session.Session"], 1)

    def test_session(self) -> None:
        """A closed session is freed with everything that it had open, found or not."""

        def work(gateway: MemoryGateway) -> None:
            session, page = gateway.open()
            for name in ("X", "mode", "never-found"):
                send_request(session, "connect", name)
            send_request(session, "connect", "X", metadata=True, max_rate=1)
            session.receive(b'{"action":"list"}')
            gateway.flush_cycle()
            session.close()
            gateway.advance(CONNECT_TIMEOUT + LINGER)
            self.assertEqual(gateway.backend.handles, [])
            freed.extend([ref(session), ref(page)])

        freed: list[ref[object]] = []
        self.assert_freed(work)
        self.assertEqual({each() for each in freed}, {None})

    def test_many(self) -> None:
        """So is one with so many PVs that ending it takes several reactor iterations."""
        names = [f"X.[0:{number}]" for number in range(40)] + [f"n{each}" for each in range(400)]

        def work(gateway: MemoryGateway) -> None:
            session, _ = gateway.open()
            for name in names:
                send_request(session, "connect", name)
            session.close()
            gateway.advance(CONNECT_TIMEOUT)
            gateway.advance(LINGER)
            self.assertEqual(gateway.backend.handles, [])

        self.assert_freed(work)

    def test_requests(self) -> None:
        """Answered requests are freed: get, put and info, successful or not."""
        session, page = self.gateway.open()

        def work(gateway: MemoryGateway) -> None:
            for action in ("get", "info"):
                send_request(session, action, "X")
                send_request(session, action, "never-found")
            send_request(session, "put", "X", value=2)
            send_request(session, "put", "mode", value="Neither")
            send_request(session, "put", "never-found", value=2)
            gateway.advance(CONNECT_TIMEOUT)
            gateway.advance(LINGER)
            self.assertEqual(len(page.take()), 7)

        self.assert_freed(work)

    def test_requests_of_one_who_left(self) -> None:
        """So are those of a client that disconnects before they are answered."""

        def work(gateway: MemoryGateway) -> None:
            session, _ = gateway.open()
            for action in ("get", "info"):
                send_request(session, action, "never-found")
            send_request(session, "put", "never-found", value=2)
            session.close()
            gateway.advance(CONNECT_TIMEOUT)
            gateway.advance(LINGER)

        self.assert_freed(work)

    def test_enabled_again(self) -> None:
        """The collector is enabled afterwards."""
        self.assertTrue(gc.isenabled())
