"""Every type of value in every dialect and encoding."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.values import FieldType, Image, Metadata, Reading
from pycawamp.wire.dialect import Dialect, Encoding
from pycawamp.wire.epics2web.dialect import Epics2Web
from pycawamp.wire.pvws.dialect import PVWS
from pycawamp.wire.v2.dialect import VERSION_2

VALUES: dict[FieldType, Any] = {
    FieldType.STRING: "text",
    FieldType.FLOAT: 0.5,
    FieldType.DOUBLE: 0.5,
    FieldType.BOOL: True,
    FieldType.TABLE: {"labels": ["a"], "columns": {"a": np.array([1, 2])}},
    FieldType.IMAGE: Image(np.zeros((2, 3), np.uint16), "", (2, 3)),
    FieldType.STRUCTURE: {"a": {"b": np.array([1.5]), "c": None}, "d": [1, "x"]},
}
ARRAYS: dict[FieldType, Any] = {
    FieldType.STRING: ["text", ""],
    FieldType.FLOAT: np.array([0.5], np.float32),
    FieldType.DOUBLE: np.array([0.5]),
    FieldType.BOOL: np.array([True, False]),
    FieldType.INT64: np.array([2**63 - 1]),
    FieldType.UINT64: np.array([2**64 - 1], np.uint64),
}
COMPOSED = (FieldType.TABLE, FieldType.IMAGE, FieldType.STRUCTURE)


def readings(field_type: FieldType, is_array: bool) -> list[Reading]:
    """Return an update with a time stamp, and one without."""
    value = ARRAYS.get(field_type, np.array([1, 2], np.int16)) if is_array else None
    if value is None:
        value = VALUES.get(field_type, 5)
    return [Reading("DEVICE", 2, seconds, 7, value) for seconds in (1795394771, 0)]


class AnyTypeTests(SynchronousTestCase):
    """Types of pvAccess in messages that were designed for Channel Access."""

    def render(self, encoding: Encoding) -> None:
        """Render each type."""
        for field_type in FieldType:
            for is_array in (False, True):
                if is_array and field_type in COMPOSED:
                    continue
                count = 0 if is_array else 1
                metadata = Metadata(field_type, count, is_array=is_array, write_access=None)
                renderer = encoding.dialect.renderer("x", encoding)
                renderer.describe(metadata)
                messages = [*renderer.connection(True, metadata), *renderer.described(metadata)]
                for reading in readings(field_type, is_array):
                    message = renderer.update(reading)
                    if renderer.is_binary:
                        size = int.from_bytes(message[:4], "little")
                        message = message[4 : 4 + size]
                    messages.append(message)
                for message in messages:
                    json.loads(message)

    def test_own(self) -> None:
        """Version 2, in all encodings."""
        for arrays in ("json", "base64", "binary"):
            for extras in (False, True):
                dialect: Dialect = VERSION_2
                self.render(Encoding(dialect, metadata=extras, text=extras, arrays=arrays))

    def test_others(self) -> None:
        """The protocols of other gateways."""
        self.render(Encoding(PVWS()))
        self.render(Encoding(Epics2Web()))

    def test_no_time_stamp(self) -> None:
        """If the server sends no time stamp, the message has none."""
        renderer = VERSION_2.renderer("x", Encoding(VERSION_2))
        renderer.describe(Metadata(FieldType.INT64, 1))
        self.assertEqual(
            renderer.update(Reading(0, 0, 0, 0, 2**53 + 1)),
            b'{"msg_type":"monitor","pvname":"x","value":9007199254740993,"count":1}',
        )

    def test_image(self) -> None:
        """An image has its rows and columns; as JSON, it has no pixels."""
        image = Reading(0, 0, 5, 0, Image(np.arange(6, dtype="<u2").reshape(2, 3), "", (2, 3)))
        frames = []
        for arrays in ("json", "binary"):
            encoding = Encoding(VERSION_2, arrays=arrays)
            renderer = VERSION_2.renderer("x", encoding)
            renderer.describe(Metadata(FieldType.IMAGE, 1))
            frames.append(renderer.update(image))
        received = json.loads(frames[0])
        self.assertEqual(
            (received["value"], received["shape"], received["dtype"]), (None, [2, 3], "<u2")
        )
        self.assertTrue(frames[1].endswith(np.arange(6, dtype="<u2").tobytes()))
