"""DBR bytes to readings and metadata; the bytes are laid out as in db_access.h."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.ca import dbr
from pycawamp.pv.values import FieldType, Metadata, Reading
from tests.support.dbr_bytes import control_bytes, time_bytes

NUMBERS = [field_type for field_type in dbr.DBR_TYPES if field_type is not FieldType.STRING]
EPICS_EPOCH = 631152000


def decode(field_type: FieldType, count: int, *values: Any) -> Reading:
    """Return the value of a channel with a native count for these elements."""
    return dbr.decoder(field_type, count)(time_bytes(field_type, *values))


class TimeTests(SynchronousTestCase):
    """Readings of DBR_TIME values."""

    def test_header(self) -> None:
        """Status, severity and the IOC's stamp come with each type, scalar and array alike."""
        for field_type in dbr.DBR_TYPES:
            value = b"x" if field_type is FieldType.STRING else 1
            for count in (1, 10):
                reading = decode(field_type, count, value)
                self.assertEqual((reading.status_name, reading.severity_name), ("HIHI", "MAJOR"))
                self.assertEqual(reading.seconds, EPICS_EPOCH + 86400)
                self.assertEqual(reading.nanoseconds, 789)
                self.assertAlmostEqual(reading.timestamp, EPICS_EPOCH + 86400 + 789e-9)

    def test_scalars(self) -> None:
        """Scalars of each type are numbers, or text, over the whole range of the type."""
        extremes: list[tuple[FieldType, Any]] = [
            (FieldType.SHORT, -(2**15)),
            (FieldType.SHORT, 2**15 - 1),
            (FieldType.FLOAT, -0.5),
            (FieldType.ENUM, 2**16 - 1),
            (FieldType.CHAR, 255),
            (FieldType.LONG, -(2**31)),
            (FieldType.LONG, 2**31 - 1),
            (FieldType.DOUBLE, 1e308),
            (FieldType.DOUBLE, -math.inf),
        ]
        for field_type, value in extremes:
            self.assertEqual(decode(field_type, 1, value).value, value)
        self.assertEqual(decode(FieldType.STRING, 1, b"text").value, "text")

    def test_arrays(self) -> None:
        """Channels with a native count other than 1 give arrays, whatever their current length."""
        for field_type in NUMBERS:
            for held in ((), (7,), (1, 2, 3)):
                value = decode(field_type, 10, *held).value
                assert isinstance(value, np.ndarray)
                self.assertEqual(value.tolist(), list(held))
        self.assertEqual(decode(FieldType.STRING, 10, b"a", b"b").value, ["a", "b"])
        self.assertEqual(decode(FieldType.STRING, 10).value, [])
        self.assertEqual(decode(FieldType.STRING, 0, b"a").value, ["a"])

    def test_array_extremes(self) -> None:
        """Elements keep their sign and width."""
        for field_type, held in [
            (FieldType.SHORT, [-(2**15), 2**15 - 1]),
            (FieldType.ENUM, [0, 2**16 - 1]),
            (FieldType.CHAR, [0, 255]),
            (FieldType.LONG, [-(2**31), 2**31 - 1]),
        ]:
            value = decode(field_type, 2, *held).value
            assert isinstance(value, np.ndarray)
            self.assertEqual(value.tolist(), held)

    def test_strings(self) -> None:
        """A string ends at its NUL or its 40 bytes; if it is not UTF-8, it is Latin-1."""
        for raw, text in [
            (b"", ""),
            (b"a\0rest", "a"),
            (b"x" * 40, "x" * 40),
            ("Grüße µm".encode(), "Grüße µm"),
            (b"20 \xb0C", "20 °C"),
            (b"caf\xe9", "café"),
            (b"x" * 39 + "°".encode()[:1], "x" * 39 + "\ufffd"),
        ]:
            self.assertEqual(decode(FieldType.STRING, 1, raw).value, text)
            self.assertEqual(decode(FieldType.STRING, 5, raw, b"b").value, [text, "b"])


class ControlTests(SynchronousTestCase):
    """Metadata of DBR_CTRL values."""

    def describe(self, field_type: FieldType, raw: bytes) -> Metadata:
        """Return a channel's metadata, completed by these bytes."""
        self.assertLessEqual(dbr.control_size(field_type), len(raw))
        native = Metadata(field_type, 3, host="ioc:5064", write_access=False)
        metadata = dbr.describe(native, raw)
        self.assertEqual((metadata.count, metadata.host), (3, "ioc:5064"))
        self.assertEqual((metadata.read_access, metadata.write_access), (True, False))
        return metadata

    def test_numbers(self) -> None:
        """Units and limits of each numeric type are decoded, and the precision if there is one."""
        for field_type, head, limits, precision in [
            (FieldType.SHORT, b"", "h", None),
            (FieldType.CHAR, b"", "B", None),
            (FieldType.LONG, b"", "i", None),
            (FieldType.FLOAT, struct.pack("=hh", 4, -1), "f", 4),
            (FieldType.DOUBLE, struct.pack("=hh", 0, -1), "d", 0),
        ]:
            metadata = self.describe(field_type, control_bytes(head, b"mm\0junk", limits))
            self.assertEqual(metadata.units, "mm")
            self.assertEqual(metadata.precision, precision)
            self.assertEqual(metadata.display_limits, (2, 1))
            self.assertEqual(metadata.alarm_limits, (6, 3))
            self.assertEqual(metadata.warning_limits, (5, 4))
            self.assertEqual(metadata.control_limits, (8, 7))
            self.assertEqual(metadata.enum_strs, ())

    def test_units(self) -> None:
        """Units that fill their 8 bytes, or are truncated within a character, are still text."""
        for raw, units in [
            (b"", ""),
            (b"furlongs", "furlongs"),
            ("°C".encode(), "°C"),
            ("1234567°".encode()[:8], "1234567\ufffd"),
            (b"\xb0C", "°C"),
        ]:
            control = control_bytes(struct.pack("=hh", 3, 0), raw, "d")
            self.assertEqual(self.describe(FieldType.DOUBLE, control).units, units)

    def test_enums(self) -> None:
        """The labels of an enum are decoded, whatever their number; one may fill its 26 bytes."""
        for labels in ([], ["Off", "On"], ["x" * 26, "", "Grün"], list("abcdefghijklmnop")):
            padded = b"".join(label.encode().ljust(26, b"\0") for label in labels)
            raw = struct.pack("=hhh", 0, 0, len(labels)) + padded.ljust(26 * 16, b"\0") + b"\0\0"
            metadata = self.describe(FieldType.ENUM, raw)
            self.assertEqual(metadata.enum_strs, tuple(labels))
            self.assertEqual((metadata.units, metadata.display_limits), ("", None))

    def test_strings(self) -> None:
        """Strings have no further metadata."""
        self.assertEqual(dbr.control_size(FieldType.STRING), 0)
