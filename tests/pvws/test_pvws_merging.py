"""A client that merges updates always has the PV's state (Hypothesis)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from attrs import define
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access import Policy, Writers
from pycawamp.pv.values import FieldType, Metadata, Reading
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.session import Session
from pycawamp.wire import pvws
from pycawamp.wire.pvws.updates import PVRenderer
from tests.support.examples import examples
from tests.support.memory_gateway import MemoryGateway, Page

SLOWEST = 10.0
"""Seconds between two updates of the slowest encoding."""
NOW = 1_700_000_000.25


def now() -> float:
    """The time of day."""
    return NOW


ENCODINGS = (
    pvws.encoding(0, 0, now=now),
    pvws.encoding(1.0, SLOWEST, now=now),
    pvws.encoding(0.5, 0, now=now),
)
SEVERITIES = ("NONE", "MINOR", "MAJOR", "INVALID")


@define(eq=False)
class Display:
    """A client that merges each update into what it has, as pvws.js does."""

    session: Session
    page: Page
    has: dict[str, Any]

    def read(self) -> None:
        """Merge received updates."""
        for message in self.page.take():
            assert message["type"] == "update", message
            # A display that shows a value has received its type.
            assert (
                "vtype" in message
                or "value" not in message
                or "vtype" in self.has
                or (message["severity"] == "UNDEFINED")
            ), message
            self.has |= message


class MergingMachine(RuleBasedStateMachine):
    """One PV whose value, alarm, type, units and IOC change; clients of several rates."""

    def __init__(self) -> None:
        super().__init__()
        self.gateway = MemoryGateway(Policy(puts=True, writers=Writers.ANYONE))
        self.displays: list[Display] = []
        self.metadata = Metadata(FieldType.DOUBLE, 1, units="mm")
        self.severity = 0
        self.is_there = False

    @rule(encoding=st.sampled_from(ENCODINGS))
    def join(self, encoding: Any) -> None:
        """Add a client."""
        if len(self.displays) == 5:
            return
        page = Page()
        session = self.gateway.sessions.open(page, Peer("test"), encoding)
        session.receive(b'{"type":"subscribe","pvs":["X"]}')
        self.displays.append(Display(session, page, {}))

    @rule(number=st.integers(0, 4))
    def leave(self, number: int) -> None:
        """Remove a client."""
        if number < len(self.displays):
            self.displays.pop(number).session.close()

    @rule(value=st.integers(0, 3), severity=st.integers(0, 3))
    def update(self, value: int, severity: int) -> None:
        """Set a value."""
        if self.is_there:
            self.severity = severity
            self.gateway.backend.set("X", self._value(value), severity)

    @rule(
        encoding=st.sampled_from(ENCODINGS),
        severities=st.lists(st.sampled_from([0, 2]), max_size=4),
    )
    def join_amid_updates(self, encoding: Any, severities: list[int]) -> None:
        """Add a client between updates with alarms."""
        for number, severity in enumerate(severities):
            self.update(number, severity)
            if number == len(severities) // 2:
                self.join(encoding)

    @rule(units=st.sampled_from(["mm", "km"]), writable=st.booleans())
    def describe(self, units: str, writable: bool) -> None:
        """Change units or rights."""
        if self.is_there:
            kind, count = self.metadata.type, self.metadata.count
            self.metadata = Metadata(kind, count, units=units, write_access=writable)
            self.gateway.backend.describe("X", self.metadata)

    @rule(
        kind=st.sampled_from([FieldType.DOUBLE, FieldType.LONG]),
        count=st.sampled_from([1, 3]),
    )
    def come(self, kind: FieldType, count: int) -> None:
        """Connect its IOC, with a PV of this type."""
        if not self.is_there:
            self.metadata = Metadata(kind, count, units="mm")
            self.severity = 0
            self.gateway.backend.add("X", self._value(1), self.metadata)
            self.is_there = True

    @rule()
    def go(self) -> None:
        """Disconnect its IOC."""
        if self.is_there:
            self.gateway.backend.remove("X")
            self.is_there = False

    @rule(number=st.integers(0, 4))
    def stall(self, number: int) -> None:
        """Stop reading."""
        if number < len(self.displays):
            self.displays[number].session.outbox.pause()

    @rule(number=st.integers(0, 4))
    def go_on(self, number: int) -> None:
        """Read again."""
        if number < len(self.displays):
            self.displays[number].session.outbox.resume()

    @rule(seconds=st.sampled_from([0, 0.3, 1, 5]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.gateway.advance(seconds)

    @invariant()
    def reads(self) -> None:
        """Clients read at all times."""
        self.gateway.flush_cycle()
        for display in self.displays:
            display.read()

    def teardown(self) -> None:
        """When everything was sent, each client has the current state."""
        for display in self.displays:
            display.session.outbox.resume()
        self.gateway.advance(SLOWEST)
        self.gateway.advance(SLOWEST)
        self.gateway.flush_cycle()
        for display in self.displays:
            display.read()
            if self.is_there:
                assert display.has["severity"] == SEVERITIES[self.severity], display.has
                assert display.has["units"] == self.metadata.units, display.has
                assert display.has["readonly"] is not self.metadata.write_access, display.has
                self._check_value(display.has)
            elif "vtype" in display.has or "severity" in display.has:
                assert display.has["severity"] == "UNDEFINED", display.has
                assert display.has["value"] == "NaN", display.has
            else:
                assert display.has == {"type": "update", "pv": "X", "readonly": True}, display.has

    def _value(self, number: int) -> Any:
        if self.metadata.is_array:
            dtype = "<i4" if self.metadata.type is FieldType.LONG else "<f8"
            return np.full(3, number, dtype)
        return number

    def _check_value(self, has: dict[str, Any]) -> None:
        reading = self.gateway.hub.find("X")
        assert reading is not None and reading.latest is not None
        renderer = PVRenderer("X", True, now)
        renderer.describe(self.metadata)
        expected = json.loads(renderer.newest(reading.latest))
        for key in ("vtype", "value", "b64dbl", "b64int", "seconds", "nanos"):
            if key in expected:
                assert has[key] == expected[key], (key, has, expected)


class MergingTests(SynchronousTestCase):
    """Clients that merge."""

    def test_merging(self) -> None:
        """Merged updates are the current state."""
        run_state_machine_as_test(
            MergingMachine,
            settings=settings(max_examples=examples(300), stateful_step_count=25, deadline=None),
        )

    def test_severity_of_a_newcomer(self) -> None:
        """A client that joined during an alarm, in a pause, gets its end with the pause."""
        machine = MergingMachine()
        machine.come(FieldType.DOUBLE, 1)
        machine.join(ENCODINGS[1])
        machine.update(1, 0)
        machine.update(2, 2)
        machine.join(ENCODINGS[1])
        machine.update(3, 0)
        machine.reads()
        machine.teardown()

    def test_severity_at_other_rates(self) -> None:
        """Clients with a low rate get an alarm that others got before."""
        machine = MergingMachine()
        machine.come(FieldType.DOUBLE, 1)
        for encoding in ENCODINGS[:2]:
            machine.join(encoding)
        for number, severity in enumerate([0, 2, 2]):
            machine.update(number, severity)
        machine.reads()
        machine.teardown()


class NumberTests(SynchronousTestCase):
    """Numbers as JSON."""

    def shown(self, metadata: Metadata, values: Iterable[Any]) -> list[Any]:
        """Return the values of updates."""
        renderer = PVRenderer("X", True, now)
        renderer.describe(metadata)
        updates = [json.loads(renderer.update(Reading(0, 0, 1, 2, each))) for each in values]
        return [each.get("value") for each in updates]

    @given(st.lists(st.floats()))
    def test_doubles(self, numbers: list[float]) -> None:
        """Every double is exact; what JSON has no number for is a text that float() can read."""
        shown = self.shown(Metadata(FieldType.DOUBLE, 1), numbers)
        for got, number in zip(shown, numbers, strict=True):
            self.assertEqual(isinstance(got, str), not math.isfinite(number))
            self.assertTrue(float(got) == number or (math.isnan(number) and got == "NaN"), got)

    @given(st.lists(st.floats(width=32)))
    def test_floats(self, numbers: list[float]) -> None:
        """Every single is the nearest number, in its shortest digits."""
        shown = self.shown(Metadata(FieldType.FLOAT, 1), numbers)
        for got, number in zip(shown, numbers, strict=True):
            self.assertTrue(
                np.float32(float(got)) == np.float32(number)
                or (math.isnan(number) and got == "NaN")
            )
        self.assertEqual(self.shown(Metadata(FieldType.FLOAT, 1), [float(np.float32(0.1))]), [0.1])

    def test_chars(self) -> None:
        """A char has a sign."""
        shown = self.shown(Metadata(FieldType.CHAR, 1), [0, 127, 128, 255])
        self.assertEqual(shown, [0, 127, -128, -1])

    def test_no_value(self) -> None:
        """A scalar without an element is NaN."""
        self.assertEqual(self.shown(Metadata(FieldType.LONG, 1), [None, 3]), ["NaN", 3])

    def test_enum_without_labels(self) -> None:
        """It is a number, with limits that have no effect."""
        renderer = PVRenderer("X", True, now)
        renderer.describe(Metadata(FieldType.ENUM, 1))
        update = json.loads(renderer.update(Reading(0, 0, 1, 2, 3)))
        expected = {"vtype": "VShort", "value": 3, "units": "", "min": "NaN", "alarm_high": "NaN"}
        self.assertEqual({key: update.get(key) for key in expected}, expected)
        self.assertNotIn("text", update)
