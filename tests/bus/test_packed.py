"""Events of libca are packed for edges as the same bytes in C and in Python (Hypothesis)."""

from __future__ import annotations

from itertools import count
from typing import Any, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.bus.client import NATSClient
from pycawamp.bus.messages import scalars, sections
from pycawamp.bus.published_pvs import PublishedPVs
from pycawamp.bus.stream import EdgeStream
from pycawamp.pv.ca import dbr
from pycawamp.pv.ca.libca import Refusal
from pycawamp.pv.hub import PVHub
from pycawamp.pv.router import Router
from pycawamp.pv.values import FieldType, Metadata
from tests.support.compiled import NATIVE, NOT_COMPILED
from tests.support.examples import examples
from tests.support.libca_events import PollingReactor
from tests.support.offline_ca import OfflineCA
from tests.support.random_events import events, time_bytes
from tests.support.recording_bus import Bus

NAMES = ("a", "b", "c")
EDGES = ("one", "two", "three")
RATES = (None, None, None, 1.0, 4.0)
NO_METADATA = Refusal(152, "there is none")


class OfflineIngest(OfflineCA):
    """An ingest with three edges, without the network of Channel Access and without NATS."""

    def __init__(self, is_compiled: bool) -> None:
        assert NATIVE is not None
        super().__init__(PollingReactor(), self._flush, is_compiled)
        self.hub = PVHub(self.clock, Router({"ca": self.backend}, default="ca"))
        self.published = PublishedPVs(
            self.clock,
            self.hub,
            NATIVE.FrameBuffer if is_compiled else None,
        )
        self.bus = Bus()
        client = cast("NATSClient", self.bus)
        self.edges = {name: EdgeStream(self.clock, client, 1, name) for name in EDGES}

    def _flush(self) -> None:
        self.published.flush()

    @property
    def direct(self) -> int:
        """The number of updates that were packed in C."""
        routes = [channel.at_libca.monitors[-1].route for channel in self.channels.values()]
        return sum(route.direct for route in routes if route is not None)


class PackingMachine(RuleBasedStateMachine):
    """Two ingests with the same records and the same edges."""

    names = st.sampled_from(NAMES)
    edges = st.sampled_from(EDGES)

    def __init__(self) -> None:
        super().__init__()
        self.both = (OfflineIngest(False), OfflineIngest(True))
        self.types: dict[str, FieldType] = {}
        for name in NAMES:
            self.open("one", name, None)
            self.connect(name, FieldType.DOUBLE)

    @rule(edge=edges, name=names, rate=st.sampled_from(RATES))
    def open(self, edge: str, name: str, rate: float | None) -> None:
        """An edge requests a PV, or requests it again with another rate."""
        for each in self.both:
            each.published.open(name, each.edges[edge], EDGES.index(edge), rate)

    @rule(edge=edges, name=names, rate=st.sampled_from(RATES))
    def limit(self, edge: str, name: str, rate: float | None) -> None:
        """An edge requests another rate of a PV."""
        for each in self.both:
            each.published.limit(name, each.edges[edge], rate)

    @rule(edge=edges, name=names)
    def close(self, edge: str, name: str) -> None:
        """An edge releases a PV."""
        for each in self.both:
            each.published.close(name, each.edges[edge])

    @rule(name=names, field_type=st.sampled_from(list(dbr.DBR_TYPES)))
    def connect(self, name: str, field_type: FieldType) -> None:
        """An IOC is found, or reconnects with another type."""
        if not self.has(name):
            return
        if name in self.types:
            self.lose(name)
        self.types[name] = field_type
        for each in self.both:
            each.connect(name, Metadata(field_type, 1, "ioc:5064"))
            # There are no units and limits.
            each.post(name, "metadata_refused", NO_METADATA)

    @rule(name=names)
    def lose(self, name: str) -> None:
        """The IOC dies."""
        if self.has(name) and name in self.types:
            del self.types[name]
            for each in self.both:
                each.post(name, "lose", None)

    @rule(name=names, writable=st.booleans())
    def describe(self, name: str, writable: bool) -> None:
        """An IOC sends changed access rights."""
        if self.has(name) and name in self.types:
            for each in self.both:
                each.post(name, "set_access", (True, writable))

    @rule(name=names, data=st.data(), times=st.integers(1, 4), soon=st.booleans())
    def update(self, name: str, data: Any, times: int, soon: bool) -> None:
        """The record is processed."""
        if not self.has(name) or name not in self.types:
            return
        for _ in range(times):
            raw, count = data.draw(events(self.types[name]))
            for each in self.both:
                each.event(name, raw, count, -1)
            if soon:
                self.wait(0.001)

    @rule(seconds=st.sampled_from([0.001, 0.1, 0.3, 2.0, 20.0]), is_handled=st.booleans())
    def wait(self, seconds: float, is_handled: bool = True) -> None:
        """Time passes: pauses end, unused channels close, edges acknowledge bursts."""
        for each in self.both:
            each.clock.advance(seconds)
            for edge in each.edges.values():
                if is_handled:
                    edge.handled(edge.number)
        for name in list(self.types):
            if not self.has(name):
                del self.types[name]
        self.compare()

    def has(self, name: str) -> bool:
        """Return whether the channel is open."""
        return name in self.both[0].channels

    def compare(self) -> None:
        """Both have sent the same bytes, and replaced the same number of updates."""
        python, in_c = self.both
        assert in_c.bus.bursts == python.bus.bursts
        for name in EDGES:
            assert in_c.edges[name].conflated == python.edges[name].conflated

    def teardown(self) -> None:
        """All edges catch up."""
        self.wait(0.001)
        self.wait(10.0)
        for each in self.both:
            each.end()


class PackedTests(SynchronousTestCase):
    """With and without the compiled part."""

    skip = NOT_COMPILED

    def test_same(self) -> None:
        """For any events and requests, each edge gets the same bytes."""
        run_state_machine_as_test(
            PackingMachine,
            settings=settings(max_examples=examples(30), stateful_step_count=30, deadline=None),
        )

    def setUp(self) -> None:
        """Create records, and the edge `one`, which gets all updates."""
        self.machine = PackingMachine()
        self.addCleanup(self.machine.teardown)
        self.machine.wait(0.001)
        self.ingest = self.machine.both[1]
        self.numbers = count(1)

    def update(self, times: int = 1) -> None:
        """Process a record, and run all pending calls."""
        for _ in range(times):
            number = next(self.numbers)
            raw = time_bytes(FieldType.DOUBLE, [float(number)], (3, 2), (10**9, number))
            for each in self.machine.both:
                each.event("a", raw, 1, -1)
        self.machine.wait(0.001)

    def received(self, edge: str) -> list[int]:
        """Return the values that were sent to an edge."""
        return [each for each in self.ingest.bus.received(edge) if each is not True]

    def test_packed(self) -> None:
        """From the second one on, updates are packed in C, once for all edges that get them."""
        self.update(5)
        self.machine.open("two", "a", None)
        self.machine.wait(0.001)
        before = self.ingest.direct
        self.update(5)
        self.assertEqual(self.ingest.direct - before, 4)
        one, two = (self.ingest.bus.bursts[name][-1] for name in ("one", "two"))
        ((place, _),) = sections(two)
        assert place is not None
        found = [(scalar[1:3], scalar[-1]) for scalar in scalars(two, place)]
        self.assertEqual(found, [((2, 3), float(number)) for number in range(6, 11)])
        self.assertEqual(one[place], two[place])

    def test_limited(self) -> None:
        """Updates that an edge with a low rate does not get cause no work in Python."""
        self.machine.open("two", "a", 1.0)
        self.machine.wait(0.001)
        before = self.ingest.direct
        for _ in range(40):
            self.update()
            self.machine.wait(0.1)
        self.assertGreaterEqual(self.ingest.direct - before, 35)
        self.assertEqual(self.received("one"), list(range(1, 41)))
        self.assertLess(len(self.received("two")), 8)

    def test_after_pause(self) -> None:
        """An update after a pause is sent at once, even if there was none for a long time."""
        self.machine.open("one", "a", 1.0)
        for _ in range(3):
            self.update(3)
            # The newest one is sent after the pause, and is followed by another pause.
            self.machine.wait(2.0)
            self.machine.wait(2.0)
        self.assertEqual(self.received("one"), [1, 3, 4, 6, 7, 9])

    def test_state_in_pause(self) -> None:
        """A change of state ends a pause; the newest update is sent before it."""
        self.machine.open("one", "a", 0.1)
        self.update(3)
        for each in self.machine.both:
            each.post("a", "set_access", (True, False))
        self.update(3)
        self.assertEqual(self.received("one"), [1, 3, 4])
