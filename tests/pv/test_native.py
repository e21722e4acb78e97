"""The compiled part with unusual bytes, and with callbacks that change its state."""

from __future__ import annotations

import math
import random
import struct
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.ca.dbr import DBR_TYPES
from pycawamp.pv.event_queue import InboxLimits
from pycawamp.pv.pva.messages import Command
from pycawamp.pv.values import EPICS_EPOCH, FieldType, Reading
from tests.support.compiled import NATIVE, NOT_COMPILED, compiled
from tests.support.examples import examples
from tests.support.pva_messages import message

HEAD = struct.pack("<IB", 5, 0)
NOON = 1795394771
LONG = struct.pack("<IBBBxIId", 7, 0, 0, 1, NOON, 0, math.nan)
"""Make a whole number of the bus that is NaN."""


@attrs.define(eq=False, slots=False)
class Updates:
    """A monitor of a double or int, with the time and the alarm, and its updates."""

    code: str = "d"
    events: list[bytes] = attrs.Factory(list)

    def __attrs_post_init__(self) -> None:
        self.intake = compiled(InboxLimits())
        self.form = self.intake.form(self.code)
        leaves = f"{self.code}vqs".encode()
        assert self.form.add(b"\x03", leaves)
        assert self.form.add(b"\x07", b"iasm" + leaves)
        number = self.intake.listen(self.form.type, 1, 0, 0, self, lambda *_: None, None)
        self.updates = self.intake.updates()
        self.direct = self.updates.listen(5, self.form, number, 4)
        self.direct.release(0, (0, 0, "", EPICS_EPOCH, 0, 0))

    def receive(self, raw: bytes) -> None:
        """Store an update."""
        self.events.append(raw)

    def work(self) -> list[Any]:
        """Return the updates."""
        self.intake.work(lambda: 0.0, 1.0)
        return [self.form.fields(raw) for raw in self.events]

    def update(self, value: float, seconds: int) -> bytes:
        """Return an update of the value and the time."""
        values = struct.pack(f"<{self.code}q", value, seconds)
        return message(Command.MONITOR, HEAD + b"\x01\x03" + values + b"\0")


class UpdatesTests(SynchronousTestCase):
    """Monitor messages."""

    skip = NOT_COMPILED

    def test_times(self) -> None:
        """The last time of Channel Access is decoded; a later one is not."""
        last = EPICS_EPOCH + 2**32 - 1
        for seconds, taken in (
            *((EPICS_EPOCH, True), (2**32, True), (last, True)),
            *((EPICS_EPOCH - 1, False), (last + 1, False), (-(2**63), False), (2**63 - 1, False)),
        ):
            monitor = Updates()
            data = monitor.update(1.5, seconds)
            self.assertEqual(monitor.updates.take(data, 0), taken * len(data))
            self.assertEqual(monitor.work(), [(0, 0, seconds, 0, 1.5)] if taken else [])
            monitor.intake.close()

    def test_any_bytes(self) -> None:
        """Whatever the bytes are, each complete message is handled once, or left to Python."""
        chance = random.Random(5)
        for _ in range(examples(300)):
            monitor = Updates(chance.choice("dfbBhHiIqQ"))
            alarm = struct.pack("<i", chance.randrange(-1, 5)) + chance.choice(
                [b"\0", b"\4HIHI", b"\4HI\0I", b"\xfe\xff\xff\xff\xff", b"\xff", b"\x7fHIHI"]
            )
            values = struct.pack(f"<{monitor.code}q", 7, NOON)
            plain = monitor.update(7, NOON)
            other = message(Command.MONITOR, HEAD + b"\x01\x07" + alarm + values + b"\0")
            data = bytearray(b"".join(chance.choices([plain, other], k=4)))
            for _ in range(chance.randrange(4)):
                data[chance.randrange(len(data))] = chance.choice([0, 1, 127, 128, 254, 255])
            for end in range(len(data) + 1):
                position = monitor.updates.take(bytes(data[:end]), 0)
                self.assertLessEqual(position, end)
                fields = chance.choice(
                    [None, 5, (), (0, 0, "H\0", 0, 0, 0), *3 * [(0, 0, "", NOON, 0, 1)]]
                )
                monitor.direct.release(0, fields)  # type: ignore[arg-type]
            monitor.updates.forget(5)
            self.assertEqual(monitor.updates.take(plain, 0), 0)
            monitor.intake.close()
            self.assertEqual(monitor.updates.take(plain, 0), 0)


class Cohort:
    """A cohort whose buffer is a property that runs code first."""

    def __init__(self, action: Any) -> None:
        self.action = action

    @property
    def buffer(self) -> Any:
        """The buffer."""
        self.action()
        assert NATIVE is not None
        return NATIVE.FrameBuffer(b"")


class CallbackTests(SynchronousTestCase):
    """Calls of Python from C."""

    skip = NOT_COMPILED

    def route(self, field_type: FieldType = FieldType.DOUBLE) -> tuple[Any, Any, Any]:
        """Return an intake, a route that is direct, and the buffer that it fills."""
        assert NATIVE is not None
        buffer = NATIVE.FrameBuffer(b"")
        streams = [(None, buffer, self, lambda _: None, False, (b"x", 0), None)]
        planner = type("Planner", (), {"direct_streams": lambda _: streams})()
        intake = compiled(InboxLimits())
        route = intake.route(DBR_TYPES[field_type], planner, lambda _: Reading(0, 0, 0, 0, 0))
        intake.send_scalars(LONG[:4] + b"\4" + LONG[5:], 0, len(LONG), {7: route}, lambda *_: True)
        self.assertTrue(route.is_direct)
        return intake, route, buffer

    def test_clear_while_reserving_memory(self) -> None:
        """A route may be cleared, and get another history, while its history grows."""
        assert NATIVE is not None
        intake, route, buffer = self.route()

        def reserve(size: int) -> bool:
            route.clear()
            route.keep(NATIVE.History(60, 40, lambda _: True))
            return True

        route.keep(NATIVE.History(60, 40, reserve))
        one = struct.pack("<IBBBxIId", 7, 0, 0, 0, NOON, 0, 1.5)
        intake.send_scalars(12 * one, 0, 12 * len(one), {7: route}, lambda *_: True)
        self.assertEqual(buffer.take()[0], 12 * b"x1.5")

    def test_clear_while_redirecting(self) -> None:
        """A route may be cleared while it is redirected."""
        _, route, _ = self.route()
        route.redirect(self, Cohort(route.clear))
        self.assertFalse(route.is_direct)

    def test_append_while_reserving_memory(self) -> None:
        """A history may be used, and closed, while it grows."""
        for close_at in (0, 2, 9):
            self.grow(close_at)

    def grow(self, close_at: int) -> None:
        """Use a history while it grows, and close it at one of the times."""
        assert NATIVE is not None
        reserved: list[int] = []

        def reserve(size: int) -> bool:
            reserved.append(size)
            if len(reserved) < 4:
                for _ in range(40):
                    history.append(Reading(0, 0, NOON, 0, 2.5))
            if len(reserved) == close_at:
                history.close()
            return True

        history = NATIVE.History(60, 1000, reserve)
        for _ in range(100):
            history.append(Reading(0, 0, NOON, 0, 1.5))
        self.assertLessEqual(len(history.samples()), sum(reserved))
        history.close()
        self.assertEqual((sum(reserved), len(history)), (0, 0))

    def test_whole_number_that_is_none(self) -> None:
        """Python handles a whole number that is NaN; it is not sent to any stream."""
        intake, route, buffer = self.route(FieldType.LONG)
        received: list[Any] = []

        def take(*scalar: Any) -> bool:
            received.append(scalar)
            return True

        intake.send_scalars(LONG, 0, len(LONG), {7: route}, take)
        self.assertEqual((len(received), len(buffer)), (1, 0))
