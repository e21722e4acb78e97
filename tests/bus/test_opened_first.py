"""An edge that requests a PV gets its state before any update, whichever others request it."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.bus.client import NATSClient
from pycawamp.bus.messages import RecordKind, scalars, sections
from pycawamp.bus.published_pvs import PublishedPVs
from pycawamp.bus.stream import EdgeStream
from pycawamp.pv.hub import PVHub
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.values import Reading
from tests.support.recording_bus import Bus

OPENED = "opened"


class OpenedFirstTests(SynchronousTestCase):
    """Edges that request the same PV one after the other, before anything is sent."""

    def setUp(self) -> None:
        """Create a PV with the value 0, and three edges."""
        self.clock, self.bus, self.backend = Clock(), Bus(), MemoryBackend()
        self.backend.add("X", 0)
        self.published = PublishedPVs(self.clock, PVHub(self.clock, self.backend))
        client = cast("NATSClient", self.bus)
        self.edges = {name: EdgeStream(self.clock, client, 1, name) for name in ("a", "b", "c")}

    def open(self, edge: str, rate: float | None = None) -> None:
        """Request the PV for an edge."""
        self.published.open("X", self.edges[edge], 1, rate)

    def update(self, value: int) -> None:
        """Change the PV."""
        self.backend.handles[0].sink.reading(Reading(0, 0, 1, value, value))

    def received(self, edge: str) -> list[Any]:
        """Return what was sent to an edge, in order."""
        found: list[Any] = []
        for message in self.bus.bursts[edge]:
            for place, record in sections(message):
                if place is not None:
                    found += [int(scalar[-1]) for scalar in scalars(message, place)]
                elif record[1] == RecordKind.OPENED:
                    found.append(OPENED)
                elif record[1] == RecordKind.CONNECTION:
                    found.append(record[2])
        return found

    def check(self) -> None:
        """Check what was sent to edges: an update before the state would be lost."""
        self.published.flush()
        for edge in self.edges:
            self.assertEqual(self.received(edge)[0], OPENED, edge)

    def test_requested_by_another(self) -> None:
        """An edge requests it just after an update for another one."""
        self.open("a")
        self.open("b")
        self.update(1)
        self.open("c")
        self.check()
        self.assertEqual(self.received("b"), [OPENED, True, 0, 1])
        self.assertEqual(self.received("c"), [OPENED, True, 1])

    def test_limited(self) -> None:
        """The same if the others have a maximum rate."""
        self.open("a", 1.0)
        self.open("b", 1.0)
        self.update(1)
        self.open("c", 1.0)
        self.check()

    def test_left(self) -> None:
        """An edge releases it, or requests another rate."""
        self.open("c")
        self.open("a")
        self.open("b")
        self.backend.handles[0].sink.connection(False)
        self.published.close("X", self.edges["a"])
        self.update(1)
        self.published.limit("X", self.edges["c"], 1.0)
        self.check()
        self.assertEqual(self.received("b"), [OPENED, True, 0, False, 1])
