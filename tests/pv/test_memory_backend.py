"""The in-memory backend, which is part of the product and used by tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.errors import BadValueError
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.values import FieldType, Metadata
from tests.support.memory_gateway import SinkRecorder


class MemoryTests(SynchronousTestCase):
    """MemoryBackend with one sink."""

    def setUp(self) -> None:
        """Make a backend whose time does not change."""
        self.backend = MemoryBackend(now=lambda: 12.25)
        self.sink = SinkRecorder()

    def received(self) -> list[object]:
        """Return what the sink got since the last call, without metadata."""
        received, self.sink.received = self.sink.received, []
        return [each for each in received if each[0] != "metadata"]

    def test_present(self) -> None:
        """A PV that exists is reported on opening: metadata, connection, value."""
        metadata = Metadata(FieldType.LONG, 1, units="mA")
        self.backend.add("X", 5, metadata)
        self.backend.open("X", self.sink)
        expected = [("metadata", metadata), ("connection", True), ("reading", 5)]
        self.assertEqual(self.sink.received, expected)

    def test_life(self) -> None:
        """A PV appears, changes, disappears and comes back, and the sink gets all of it."""
        self.backend.open("X", self.sink)
        self.assertEqual(self.received(), [])
        self.backend.add("X", 1.0)
        self.backend.set("X", 2.0)
        self.backend.remove("X")
        self.backend.add("X", 3.0)
        expected = [("connection", True), ("reading", 1.0), ("reading", 2.0)]
        expected += [("connection", False), ("connection", True), ("reading", 3.0)]
        self.assertEqual(self.received(), expected)

    def test_unreadable(self) -> None:
        """A PV that may not be read is reported as not connected."""
        self.backend.add("X", 1.0, Metadata(FieldType.DOUBLE, 1, read_access=False))
        self.backend.open("X", self.sink)
        self.assertEqual(self.received(), [("connection", False)])

    def test_close(self) -> None:
        """A closed handle's sink gets nothing more; other sinks of the PV do."""
        other = SinkRecorder()
        self.backend.add("X", 1.0)
        handle = self.backend.open("X", self.sink)
        self.backend.open("X", other)
        handle.close()
        self.received()
        self.backend.set("X", 2.0)
        self.assertEqual(self.received(), [])
        self.assertEqual(other.received[-1], ("reading", 2.0))

    def test_stamp(self) -> None:
        """Updates carry the time, and the alarm that they were given."""
        self.backend.add("X", 1.0)
        reading = self.backend.set("X", 2.0, severity=2, status=3)
        self.assertEqual((reading.seconds, reading.nanoseconds), (12, 250_000_000))
        self.assertEqual((reading.severity_name, reading.status_name), ("MAJOR", "HIHI"))

    def test_types(self) -> None:
        """Without metadata, type and count follow from the value."""
        types = {}
        values = {"i": 1, "f": 1.0, "s": "x", "a": np.zeros(3), "l": ["a", "b", "c"]}
        for name, value in values.items():
            sink = SinkRecorder()
            self.backend.add(name, value)  # type: ignore[arg-type]
            self.backend.open(name, sink)
            metadata = sink.received[0][1]
            types[name] = (metadata.type.name, metadata.count)
        expected = {"i": ("LONG", 1), "f": ("DOUBLE", 1), "s": ("STRING", 1)}
        self.assertEqual(types, {**expected, "a": ("DOUBLE", 3), "l": ("STRING", 3)})

    def test_put(self) -> None:
        """A written value has the PV's type; an invalid one is refused, and changes nothing."""
        labels = ("Off", "On")
        for kind, count, value, expected in (
            (FieldType.DOUBLE, 1, 3, 3.0),
            (FieldType.FLOAT, 1, 0.1, float(np.float32(0.1))),
            (FieldType.LONG, 1, 7, 7),
            (FieldType.INT64, 1, 2**53 + 1, 2**53 + 1),
            (FieldType.STRING, 1, "text", "text"),
            (FieldType.ENUM, 1, "On", 1),
            (FieldType.ENUM, 1, 2, 2),
            (FieldType.SHORT, 3, [1, 2], [1, 2]),
            (FieldType.STRING, 3, ["a"], ["a"]),
            (FieldType.CHAR, 3, "ab", [97, 98]),
            (FieldType.DOUBLE, 3, [], []),
        ):
            metadata = Metadata(kind, count, enum_strs=labels if kind is FieldType.ENUM else ())
            self.backend.add("X", 0, metadata)
            self.assertIsNone(self.successResultOf(self.backend.put("X", value)))
            found = self.successResultOf(self.backend.get("X")).value
            plain = found.tolist() if isinstance(found, np.ndarray) else found
            self.assertEqual((plain, type(plain)), (expected, type(expected)), kind)
        refused: tuple[tuple[FieldType, int, Any], ...] = (
            (FieldType.DOUBLE, 1, "3"),
            (FieldType.LONG, 1, 0.5),
            (FieldType.SHORT, 1, 40_000),
            (FieldType.SHORT, 2, [1, 2, 3]),
            (FieldType.ENUM, 1, "Neither"),
            (FieldType.STRING, 1, 5),
            (FieldType.TABLE, 1, {}),
        )
        for kind, count, value in refused:
            self.backend.add("X", 0, Metadata(kind, count))
            self.failureResultOf(self.backend.put("X", value), BadValueError)
            self.assertEqual(self.successResultOf(self.backend.get("X")).value, 0)
