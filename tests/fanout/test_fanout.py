"""From one update to many clients: what is shared, and what a slow client gets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.values import FieldType, Metadata
from tests.support.live_objects import fanout_objects
from tests.support.memory_gateway import LINGER, MemoryGateway, Page, send_request


class FanoutTests(SynchronousTestCase):
    """Sessions that subscribe to the same in-memory PVs."""

    def setUp(self) -> None:
        """Make some PVs, each with the value 0."""
        self.gateway = MemoryGateway()
        for name in "abcd":
            self.gateway.backend.add(name, 0)

    def page_of(self, names: Iterable[str], **options: Any) -> Page:
        """Return a client's page that shows these PVs, and has read the first values."""
        session, page = self.gateway.open()
        for name in names:
            send_request(session, "connect", name, **options)
        self.gateway.flush_cycle()
        page.take()
        return page

    def values(self, page: Page) -> list[tuple[str, int]]:
        """Return the updates that a page got since the last call, at the end of a flush cycle."""
        self.gateway.flush_cycle()
        return [
            (message["pvname"], message["value"])
            for message in page.take()
            if message["msg_type"] == "monitor"
        ]

    def test_equal_pages_share(self) -> None:
        """Clients of equal pages get the very same bytes, in whatever order they joined."""
        pages = [self.page_of("abc"), self.page_of("cab"), self.page_of("bca")]
        for round_ in range(1, 4):
            for name in "abc":
                self.gateway.backend.set(name, round_)
        self.gateway.flush_cycle()
        (first,), *others = (page.writes for page in pages)
        for (data,) in others:
            self.assertIs(data, first)
        self.assertEqual(len(pages[0].messages), 9)

    def test_different_pages(self) -> None:
        """Each client gets the updates of its own PVs only."""
        pages = {names: self.page_of(names) for names in ("ab", "bc", "abcd", "d")}
        for name in "abcd":
            self.gateway.backend.set(name, 1)
        self.gateway.flush_cycle()
        for names, page in pages.items():
            self.assertEqual(sorted(self.values(page)), [(name, 1) for name in names])

    def test_one_encoding_fails(self) -> None:
        """A value that cannot be rendered for one client is sent to all the others."""
        chars = Metadata(FieldType.CHAR, 3)
        self.gateway.backend.add("odd", np.array([65, 66], np.uint8), chars)
        before = self.page_of(["odd"])
        session, page = self.gateway.open()
        send_request(session, "connect", "odd", text=True)
        behind = self.page_of(["odd"], metadata=True)
        self.gateway.flush_cycle()
        page.take()
        # No array, so there is no text in it.
        self.gateway.backend.set("odd", [67])  # type: ignore[list-item]
        for each in (before, behind):
            self.assertEqual(self.values(each), [("odd", [67])])
        self.assertEqual(page.take(), [])
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)
        session.close()

    def test_newcomer_fails(self) -> None:
        """A PV that cannot be rendered for a new client is an error for it, and leaves nothing."""
        publishers = self.gateway.sessions.shared.publishers
        self.gateway.backend.add("odd", [67], Metadata(FieldType.CHAR, 3))  # type: ignore[list-item]
        session, page = self.gateway.open()
        for names in (["odd", "a"], ["odd"]):
            session.receive(json.dumps({"action": "connect", "pvs": names, "text": True}).encode())
            self.gateway.flush_cycle()
            messages = page.take()
            self.assertIn("internal", [message.get("code") for message in messages])
        self.assertEqual(len(publishers), 1)
        self.gateway.backend.set("a", 5)
        self.assertEqual(self.values(page), [("a", 5)])
        session.close()
        self.assertEqual((len(publishers), len(publishers.cohorts)), (0, 0))
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 2)

    def test_order_across_joins(self) -> None:
        """Updates of a PV stay in order while others join and leave within a flush cycle."""
        page = self.page_of("ab")
        for value in range(1, 10):
            self.gateway.backend.set("a", value)
            session, _ = self.gateway.open()
            send_request(session, "connect", "a")
            if value % 2:
                session.close()
            self.gateway.backend.set("b", value)
        got = self.values(page)
        for name in "ab":
            self.assertEqual([v for n, v in got if n == name], list(range(1, 10)))

    def test_newcomer_gets_nothing_older(self) -> None:
        """A client that joins in a flush cycle gets the newest value, then all that follow."""
        self.page_of("a")
        self.gateway.backend.set("a", 1)
        self.gateway.backend.set("a", 2)
        session, page = self.gateway.open()
        send_request(session, "connect", "a")
        self.gateway.backend.set("a", 3)
        self.assertEqual(self.values(page), [("a", 2), ("a", 3)])

    def test_leaver_gets_nothing_newer(self) -> None:
        """A client that leaves in a flush cycle gets earlier updates, and nothing later."""
        session, page = self.gateway.open()
        send_request(session, "connect", "a")
        self.gateway.backend.set("a", 1)
        send_request(session, "disconnect", "a")
        self.gateway.backend.set("a", 2)
        self.assertEqual(self.values(page), [("a", 0), ("a", 1)])

    def test_swapped_membership(self) -> None:
        """Two clients that swap their PVs within a flush cycle each get their own updates."""
        (one, one_page), (two, two_page) = self.gateway.open(), self.gateway.open()
        send_request(one, "connect", "a")
        send_request(two, "connect", "b")
        self.values(one_page), self.values(two_page)
        for session, leaves, joins in ((one, "a", "b"), (two, "b", "a")):
            send_request(session, "disconnect", leaves)
            send_request(session, "connect", joins)
        self.gateway.backend.set("a", 5)
        self.gateway.backend.set("b", 6)
        self.assertEqual(self.values(one_page), [("b", 0), ("b", 6)])
        self.assertEqual(self.values(two_page), [("a", 0), ("a", 5)])

    def test_paused(self) -> None:
        """A paused client gets nothing, then the newest value of each PV that changed, once."""
        session, page = self.gateway.open()
        for name in "abc":
            send_request(session, "connect", name)
        self.values(page)
        session.outbox.pause()
        for value in range(1, 100):
            self.gateway.backend.set("a", value)
            self.gateway.backend.set("b", -value)
            self.gateway.flush_cycle()
        self.assertEqual(page.writes, [])
        session.outbox.resume()
        self.assertEqual(sorted(self.values(page)), [("a", 99), ("b", -99)])
        self.gateway.backend.set("a", 100)
        self.assertEqual(self.values(page), [("a", 100)])
        self.assertEqual(self.gateway.sessions.conflated, 2 * 98)

    def test_paused_beside_others(self) -> None:
        """A paused client does not affect those with an equal page."""
        slow, _ = self.gateway.open()
        for name in "ab":
            send_request(slow, "connect", name)
        quick = self.page_of("ab")
        slow.outbox.pause()
        for value in range(1, 50):
            self.gateway.backend.set("a", value)
        self.assertEqual(self.values(quick), [("a", value) for value in range(1, 50)])

    def test_paused_within_turn(self) -> None:
        """Frames collected before a pause are not sent in part: each update is complete."""
        session, page = self.gateway.open()
        send_request(session, "connect", "a")
        self.values(page)
        self.gateway.backend.set("a", 1)
        session.outbox.pause()
        self.gateway.backend.set("a", 2)
        self.gateway.flush_cycle()
        session.outbox.resume()
        self.assertEqual(self.values(page)[-1], ("a", 2))

    def test_resumed_within_turn(self) -> None:
        """A client that resumes in the cycle of an update gets nothing older after the newest."""
        session, page = self.gateway.open()
        send_request(session, "connect", "a")
        self.values(page)
        session.outbox.pause()
        self.gateway.backend.set("a", 1)
        self.gateway.backend.set("a", 2)
        session.outbox.resume()
        self.gateway.backend.set("a", 3)
        self.assertEqual(self.values(page), [("a", 2), ("a", 3)])

    def test_lost_while_paused(self) -> None:
        """When resumed, a client gets that a PV was lost, or that it was lost and is back."""
        session, page = self.gateway.open()
        send_request(session, "connect", "a")
        send_request(session, "connect", "b")
        self.values(page)
        session.outbox.pause()
        self.gateway.backend.remove("a")
        self.gateway.backend.remove("b")
        self.gateway.flush_cycle()
        self.gateway.backend.add("b", 7)
        self.gateway.flush_cycle()
        session.outbox.resume()
        self.gateway.flush_cycle()
        received = {"a": [], "b": []}  # type: dict[str, list[object]]
        for message in page.take():
            received[message["pvname"]].append(message.get("conn", message.get("value")))
        self.assertEqual(received, {"a": [False], "b": [True, 7]})

    def test_requests_while_paused(self) -> None:
        """A paused client that joins and leaves PVs gets its current ones when it resumes."""
        session, page = self.gateway.open()
        send_request(session, "connect", "a")
        self.values(page)
        session.outbox.pause()
        send_request(session, "connect", "b")
        send_request(session, "disconnect", "a")
        self.gateway.backend.set("a", 1)
        self.gateway.backend.set("b", 2)
        self.gateway.flush_cycle()
        session.outbox.resume()
        self.assertEqual(self.values(page), [("b", 2)])

    def test_no_leak(self) -> None:
        """After all clients have left, no objects are left."""
        before = fanout_objects()
        sessions = []
        for names in ("ab", "ab", "bc", "abcd", "d", "cd"):
            session, _ = self.gateway.open()
            sessions.append(session)
            for name in (*names, "never-found"):
                send_request(session, "connect", name)
            self.gateway.backend.set("a", len(sessions))
        self.gateway.flush_cycle()
        self.assertGreater(sum(fanout_objects().values()), sum(before.values()) + 5)
        send_request(sessions[3], "disconnect", "b")
        sessions[1].outbox.pause()
        self.gateway.backend.set("b", 5)
        while sessions:
            sessions.pop().close()
        del session
        self.gateway.advance(LINGER)
        self.assertEqual(self.gateway.backend.handles, [])
        # What another test has left may go meanwhile.
        self.assertEqual(fanout_objects() - before, Counter())
