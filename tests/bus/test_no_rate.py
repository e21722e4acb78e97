"""An edge that requests an invalid rate is not served; others are."""

from __future__ import annotations

import math
from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.bus.client import NATSClient
from pycawamp.bus.control import Action, Control
from pycawamp.bus.messages import VERSION
from pycawamp.bus.published_pvs import PublishedPVs
from pycawamp.bus.served_edges import ServedEdges
from pycawamp.bus.subjects import data
from pycawamp.pv.hub import PVHub
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.values import Reading
from tests.support.recording_bus import Bus


class Rules:
    """Lets edges read everything."""

    def channel_name(self, name: str) -> str:
        """Return the name of a channel."""
        return name

    def may_read(self, _edge: str, _name: str) -> bool:
        """Return whether an edge may read a PV."""
        return True


class NoRateTests(SynchronousTestCase):
    """Invalid rates."""

    def setUp(self) -> None:
        """Create an ingest with a PV."""
        self.clock, self.bus, self.backend = Clock(), Bus(), MemoryBackend()
        self.backend.add("X", 0)
        client = cast("NATSClient", self.bus)
        self.edges = ServedEdges(
            self.clock,
            client,
            PublishedPVs(self.clock, PVHub(self.clock, self.backend)),
            run=1,
            rules=Rules(),
            max_channels=10,
            changed=lambda: None,
        )

    def send_control(
        self, edge: str, number: int, send_control: Action, content: Any = None
    ) -> None:
        """Send a request of an edge."""
        self.edges.control_received(
            edge, Control(edge, 1, number, send_control, content, VERSION), ""
        )
        self.clock.pump([0.01] * 3)

    def test_refused(self) -> None:
        """With a text or NaN as the rate, the other edge still gets its updates."""
        for edge in ("strange", "good"):
            self.send_control(edge, 0, Action.START)
        self.send_control("strange", 1, Action.OPEN, [[1, "X", math.nan]])
        self.send_control("good", 1, Action.OPEN, [[1, "X", 2.0]])
        self.send_control("strange", 2, Action.OPEN, [[1, "X", 1.0]])
        self.send_control("strange", 3, Action.LIMIT, [["X", math.nan], ["X", "fast"]])
        for value in range(1, 4):
            self.backend.handles[0].sink.reading(Reading(0, 0, 1, value, value))
            self.clock.pump([0.1] * 11)
            self.send_control("good", 1, Action.STATUS, 99)
            self.send_control("strange", 3, Action.STATUS, 99)
        errors = [str(each.value) for each in self.flushLoggedErrors(ValueError)]
        for edge in ("strange", "good"):
            self.assertEqual(self.bus.received(data(edge, edge)), [True, 0, 1, 2, 3], edge)
        expected = "expected updates per second, got nan"
        self.assertEqual(errors, [expected, expected, "could not convert string to float: 'fast'"])
