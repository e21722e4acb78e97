"""The PVs of an ingest: which updates each edge gets."""

from __future__ import annotations

from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.bus.client import NATSClient
from pycawamp.bus.messages import HEADER
from pycawamp.bus.published_pvs import PublishedPVs
from pycawamp.bus.stream import EdgeStream
from pycawamp.pv.hub import PVHub
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.values import Reading
from tests.support.examples import examples
from tests.support.recording_bus import Bus


class RateTests(SynchronousTestCase):
    """A PV that edges request at different rates."""

    def setUp(self) -> None:
        """Create a PV with the value 0, and three edges."""
        self.clock, self.bus, backend = Clock(), Bus(), MemoryBackend()
        backend.add("X", 0)
        self.published = PublishedPVs(self.clock, PVHub(self.clock, backend))
        client = cast("NATSClient", self.bus)
        self.edges = {
            name: EdgeStream(self.clock, client, 1, name) for name in ("all", "one", "two")
        }
        self.backend = backend

    def open(self, edge: str, rate: float | None) -> None:
        """Request the PV for an edge."""
        self.published.open("X", self.edges[edge], 1, rate)
        self.published.flush()

    def update(self, value: int) -> None:
        """Change the PV."""
        self.backend.handles[0].sink.reading(Reading(0, 0, 1, value, value))

    def pass_time(self, seconds: float) -> None:
        """Advance the time; the edges acknowledge what they get."""
        self.clock.advance(seconds)
        self.published.flush()
        for edge in self.edges.values():
            edge.handled(edge.number)

    def test_rates(self) -> None:
        """Each edge gets the first update at once, then the newest of each pause."""
        self.open("all", None)
        self.open("one", 1.0)
        self.open("two", 2.0)
        for value in range(1, 31):
            self.update(value)
            self.pass_time(0.125)
        self.assertEqual(self.bus.received("all"), [True, *range(31)])
        self.assertEqual(self.bus.received("two"), [True, 0, 1, *range(4, 31, 4)])
        self.assertEqual(self.bus.received("one"), [True, 0, 1, *range(8, 31, 8)])
        self.pass_time(1)
        self.assertEqual(self.bus.received("two")[-1], 30)
        self.assertEqual(self.bus.received("one")[-1], 30)
        self.pass_time(100)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_faster(self) -> None:
        """When the rate changes, a delayed update is sent at once."""
        self.open("one", 0.1)
        for value in range(1, 5):
            self.update(value)
        self.pass_time(0.1)
        self.assertEqual(self.bus.received("one"), [True, 0, 1])
        self.published.limit("X", self.edges["one"], None)
        self.assertEqual(self.bus.received("one"), [True, 0, 1, 4])
        for value in range(5, 8):
            self.update(value)
        self.pass_time(0.1)
        self.assertEqual(self.bus.received("one"), [True, 0, 1, 4, 5, 6, 7])

    def test_disconnected(self) -> None:
        """The last value is sent before a disconnect, and the next one at once."""
        self.open("one", 1.0)
        for value in range(1, 4):
            self.update(value)
        sink = self.backend.handles[0].sink
        sink.connection(False)
        sink.connection(True)
        self.update(4)
        self.pass_time(0)
        self.assertEqual(self.bus.received("one"), [True, 0, 1, 3, False, True, 4])

    @settings(max_examples=examples(60))
    @given(st.lists(st.tuples(st.sampled_from("uclt"), st.integers(0, 3)), max_size=40))
    def test_never_lost(self, steps: list[tuple[str, int]]) -> None:
        """For any changes of rates, values never go back, and the newest one is sent."""
        self.setUp()
        rates = (None, 0.5, 1.0, 4.0)
        for edge in self.edges:
            self.open(edge, None)
        value = 0
        for step, number in steps:
            edge = sorted(self.edges)[number % 3]
            if step == "u":
                value += 1
                self.update(value)
            elif step == "c":
                self.published.close("X", self.edges[edge])
                self.bus.bursts.clear()
                self.open(edge, rates[number])
            elif step == "l":
                self.published.limit("X", self.edges[edge], rates[number])
            else:
                self.pass_time(number / 4)
        self.pass_time(10)
        for edge in self.edges:
            values = [each for each in self.bus.received(edge) if each is not True]
            self.assertEqual(values, sorted(set(values)))
            if values:
                self.assertEqual(values[-1], value)


class VersionTests(SynchronousTestCase):
    """The format of bursts."""

    def test_requested_rates(self) -> None:
        """Bursts have the version that the edge supports."""
        bus, clock = Bus(), Clock()
        stream = EdgeStream(clock, cast("NATSClient", bus), 1, "e1")
        for version in (1, 2):
            stream.start(version, version)
            stream.send([], b"")
        versions = [HEADER.unpack_from(each)[0] for each in bus.bursts["e1"]]
        self.assertEqual(versions, [1, 2])
