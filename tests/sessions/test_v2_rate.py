"""max_rate: the first update at once, then the newest of each pause."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.fanout.throttle import MAX_LEFT_BEHIND
from pycawamp.pv.values import FieldType, Metadata
from tests.support.examples import examples
from tests.support.live_objects import fanout_objects
from tests.support.memory_gateway import LINGER, MemoryGateway, Page, send_request
from tests.support.timing import allowed
from tests.support.version2_case import V2TestCase, like

RATE = 2.0
PAUSE = 1 / RATE


class RateTests(SynchronousTestCase):
    """Clients with a max_rate, on a clock that the test controls."""

    def setUp(self) -> None:
        """Make a PV with the value 0."""
        self.gateway = MemoryGateway()
        self.gateway.backend.add("X", 0)

    def page_of(self, **options: Any) -> Page:
        """Return the page of a client that connects to X."""
        session, page = self.gateway.open()
        send_request(session, "connect", "X", **options)
        self.gateway.flush_cycle()
        return page

    def values(self, page: Page) -> list[Any]:
        """Return the values of the updates since the last call."""
        self.gateway.flush_cycle()
        return [each["value"] for each in page.take() if each["msg_type"] == "monitor"]

    def test_first_at_once(self) -> None:
        """The current value comes at once, and so does the first change after a pause."""
        page = self.page_of(max_rate=RATE)
        self.assertEqual(self.values(page), [0])
        self.gateway.advance(10)
        self.gateway.backend.set("X", 1)
        self.assertEqual(self.values(page), [1])

    def test_nothing_left(self) -> None:
        """When its clients have left, no object of a rate remains, however low it was."""
        session, _ = self.gateway.open()
        before = fanout_objects()
        for number in range(10):
            send_request(session, "connect", "X", max_rate=1e-6 * (1 + number % 2))
            self.gateway.backend.set("X", number)
            self.gateway.flush_cycle()
            send_request(session, "disconnect", "X")
        self.assertLessEqual(fanout_objects()["ThrottledStream"], before["ThrottledStream"])
        self.gateway.advance(LINGER)
        self.assertEqual(self.gateway.clock.getDelayedCalls(), [])

    def test_little_left_behind(self) -> None:
        """For clients that leave while others have the same rate, little is kept."""
        rate = 1e-6
        self.page_of(max_rate=rate)
        self.gateway.backend.add("Y", 0)
        session, _ = self.gateway.open()
        for number in range(MAX_LEFT_BEHIND + 10):
            send_request(session, "connect", "Y", max_rate=rate)
            self.gateway.backend.set("Y", number)
            send_request(session, "disconnect", "Y")
        self.assertLess(len(self.gateway.sessions.shared.publishers.throttle(rate)), 20)

    def test_delayed_value_cannot_be_rendered(self) -> None:
        """A value that cannot be rendered does not hide that its PV was lost."""
        self.gateway.backend.add("odd", np.array([65], np.uint8), Metadata(FieldType.CHAR, 3))
        session, page = self.gateway.open()
        send_request(session, "connect", "odd", text=True, max_rate=RATE)
        for value in (np.array([66], np.uint8), [67]):
            self.gateway.backend.set("odd", value)  # type: ignore[arg-type]
        self.gateway.backend.remove("odd")
        self.gateway.flush_cycle()
        self.assertEqual(page.take()[-1]["conn"], False)
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)

    def test_newest_wins(self) -> None:
        """Of the updates within a pause only the newest is sent, when the pause is over."""
        page = self.page_of(max_rate=RATE)
        for value in range(1, 100):
            self.gateway.backend.set("X", value)
        self.assertEqual(self.values(page), [0, 1])
        self.gateway.advance(PAUSE * 0.99)
        self.assertEqual(self.values(page), [])
        self.gateway.advance(PAUSE * 0.02)
        self.assertEqual(self.values(page), [99])
        self.gateway.advance(10)
        self.assertEqual(self.values(page), [], "nothing twice")

    @settings(max_examples=examples(100), deadline=None)
    @given(st.lists(st.floats(0, 2 * PAUSE), min_size=1, max_size=30))
    def test_any_times(self, waits: list[float]) -> None:
        """At any times: never faster than the rate, in order, and always the last one."""
        self.setUp()
        session, page = self.gateway.open()
        send_request(session, "connect", "X", max_rate=RATE)
        self.gateway.flush_cycle()
        page.take()
        arrivals: list[tuple[float, Any]] = []

        def collect() -> None:
            arrivals.extend((self.gateway.clock.seconds(), value) for value in self.values(page))

        for number, wait in enumerate(waits, 1):
            # In two steps, so that values which come due in between are collected on time.
            for step in (wait / 2, wait / 2):
                self.gateway.advance(step)
                collect()
            self.gateway.backend.set("X", number)
            collect()
        for _ in range(4):
            self.gateway.advance(PAUSE / 4 + 1e-9)
            collect()
        times, values = [at for at, _ in arrivals], [value for _, value in arrivals]
        self.assertEqual(values, sorted(set(values)))
        self.assertEqual((values[0], values[-1]), (1, len(waits)))
        # The clock moves in steps of a pause at most, so an arrival is seen so much late.
        span = times[-1] - times[0] + PAUSE
        self.assertLessEqual(len(times), span / PAUSE + 2)

    def test_exact_times(self) -> None:
        """On a record of 1 kHz, updates come a pause apart, to the millisecond."""
        page = self.page_of(max_rate=RATE)
        self.values(page)
        arrivals = []
        for number in range(1, 3000):
            self.gateway.backend.set("X", number)
            arrivals += [(self.gateway.clock.seconds(), value) for value in self.values(page)]
            self.gateway.advance(0.001)
        times = [at for at, _ in arrivals]
        self.assertEqual(len(times), 6)
        for earlier, later in pairwise(times):
            self.assertApproximates(later - earlier, PAUSE, 0.0015)

    def test_together(self) -> None:
        """Pauses that end soon after each other end together, as each end is a write to all."""
        names = [f"x{number}" for number in range(100)]
        session, page = self.gateway.open()
        for name in names:
            self.gateway.backend.add(name, 0)
            send_request(session, "connect", name, max_rate=RATE)
        for value in range(1, 4):
            for name in names:
                self.gateway.backend.set(name, value)
                self.gateway.advance(0.001)
        page.take()
        for _ in range(500):
            self.gateway.advance(0.001)
        self.assertLess(len(page.writes), 20)
        self.assertEqual([each["value"] for each in page.messages], 100 * [3])

    def test_others(self) -> None:
        """Clients with other rates, or none, each get their own; equal ones the same bytes."""
        slow, twin = self.page_of(max_rate=RATE), self.page_of(max_rate=RATE)
        slower, full = self.page_of(max_rate=RATE / 2), self.page_of()
        for page in (slow, twin, slower, full):
            page.take()
        for value in range(1, 9):
            self.gateway.backend.set("X", value)
            self.gateway.flush_cycle()
            self.gateway.advance(PAUSE / 2)
        self.assertEqual(slow.writes, twin.writes)
        self.assertEqual(self.values(slow), [1, 2, 4, 6, 8])
        self.assertEqual(self.values(slower), [1, 4, 8])
        self.assertEqual(self.values(full), [*range(1, 9)])

    def test_joins_within_a_pause(self) -> None:
        """A client that joins in a pause gets the current value, then shares the phase."""
        first = self.page_of(max_rate=RATE)
        self.gateway.backend.set("X", 1)
        self.gateway.advance(PAUSE / 2)
        self.gateway.backend.set("X", 2)
        second = self.page_of(max_rate=RATE)
        self.assertEqual((self.values(first), self.values(second)), ([0, 1], [2]))
        self.gateway.backend.set("X", 3)
        self.gateway.advance(PAUSE / 2)
        self.assertEqual((self.values(first), self.values(second)), ([3], [3]))

    def test_lost(self) -> None:
        """A lost PV's last value comes before its loss, its next one at once."""
        page = self.page_of(max_rate=RATE)
        for value in (1, 2):
            self.gateway.backend.set("X", value)
        self.gateway.backend.remove("X")
        self.gateway.flush_cycle()
        received = [each.get("value", each.get("conn")) for each in page.take()]
        self.assertEqual(received, [True, 0, 1, 2, False])
        self.gateway.backend.add("X", 3)
        self.gateway.flush_cycle()
        received = [each.get("value", each.get("conn")) for each in page.take()]
        self.assertEqual(received, [True, 3])
        self.gateway.backend.set("X", 4)
        self.assertEqual(self.values(page), [])
        self.gateway.advance(PAUSE)
        self.assertEqual(self.values(page), [4])
        self.gateway.backend.set("X", 5)
        self.assertEqual(self.values(page), [], "the old pause did not cut the new one short")

    def test_alarm_last(self) -> None:
        """An alarm within a pause is not lost: it comes with the newest value."""
        page = self.page_of(max_rate=RATE, metadata=True)
        self.gateway.backend.set("X", 1)
        self.gateway.backend.set("X", 1, severity=2, status=3)
        self.gateway.advance(PAUSE)
        self.assertEqual(page.messages[-1]["severity"], "MAJOR")

    def test_leaves(self) -> None:
        """A client that leaves within a pause gets nothing more; a new one is served at once."""
        session, page = self.gateway.open()
        send_request(session, "connect", "X", max_rate=RATE)
        self.gateway.backend.set("X", 1)
        self.gateway.backend.set("X", 2)
        send_request(session, "disconnect", "X")
        self.gateway.flush_cycle()
        page.take()
        self.gateway.advance(PAUSE)
        self.assertEqual(self.values(page), [])
        send_request(session, "connect", "X", max_rate=RATE)
        self.assertEqual(self.values(page), [2])

    def test_configured(self) -> None:
        """A rate can be this connection's default, and be removed for one PV by null."""
        session, page = self.gateway.open()
        session.receive(b'{"action":"configure","max_rate":2}')
        send_request(session, "connect", "X", max_rate=None)
        for value in range(1, 5):
            self.gateway.backend.set("X", value)
        self.assertEqual(self.values(page), [0, 1, 2, 3, 4])


class RealRateTests(V2TestCase):
    """A fast record of a real IOC."""

    @inlineCallbacks
    def test_fast_record(self) -> Any:
        """A client with 5 Hz gets 5 of 100 updates per second, and the last of all."""
        ioc, _, client = yield self.start_all(
            'record(calc, "$(P)fast") { field(SCAN, ".01 second") field(CALC, "VAL+1") }'
        )
        client.send({"action": "connect", "pv": self.prefix + "fast", "max_rate": 5})
        for _ in range(6):
            yield client.until(like(msg_type="monitor"))
        stamps = [each["timestamp"] for each in client.messages if each["msg_type"] == "monitor"]
        gaps = [later - earlier for earlier, later in pairwise(stamps[1:])]
        self.assertGreater(sum(gaps) / len(gaps), 0.1, gaps)
        self.assertLess(sum(gaps) / len(gaps), allowed(0.6), gaps)
        yield self.dbpf(ioc, "fast.SCAN", "Passive")
        got = yield self.value(client, "fast")
        monitors = [each for each in client.messages if each["msg_type"] == "monitor"]
        if monitors[-1]["value"] != got:
            yield client.until(like(msg_type="monitor", value=got))
