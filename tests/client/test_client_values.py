"""Decoding of messages and URLs."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from typing import Any

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.client import GatewayError, Target, Update, messages
from pycawamp.client.target import full_url
from pycawamp.pv.values import FieldType

MONITOR = {"msg_type": "monitor", "pvname": "X", "value": 5, "count": 1, "timestamp": 1.5}


class MessagesTests(SynchronousTestCase):
    """messages.decode, update and metadata."""

    def test_batch(self) -> None:
        """A frame contains one message, or an array of them."""
        decoded = {**MONITOR, "timestamp_ns": 1_500_000_000}
        self.assertEqual(messages.decode(json.dumps(MONITOR).encode(), False), [decoded])
        batch = json.dumps([MONITOR, MONITOR]).encode()
        self.assertEqual(messages.decode(batch, False), [decoded, decoded])

    def test_nanoseconds(self) -> None:
        """Time stamps keep their nine digits, whatever else looks like one."""
        stamps = [1795394771_407192027, 1795394771_999999999, 631152000_000000000]
        text = json.dumps('"timestamp":1.5,')
        batch = ",".join(
            f'{{"pvname":{text},"value":{text},"count":1,"timestamp":{stamp // 10**9}.'
            f'{stamp % 10**9:09d},"text":{text}}}'
            for stamp in stamps
        )
        found = messages.decode(f'[{{"pvname":{text}}},{batch}]'.encode(), False)[1:]
        self.assertEqual([messages.update(each).timestamp_ns for each in found], stamps)

    def test_binary(self) -> None:
        """A binary frame is a header and elements, of any type and with any padding."""
        for padding in range(8):
            for dtype in ("<f8", "<f4", "<i4", "<i2", "<u2", "|u1"):
                array = np.arange(5).astype(dtype)
                header = {"pvname": "X" * (padding + 1), "dtype": dtype, "shape": [5]}
                head = json.dumps(header).encode()
                frame = len(head).to_bytes(4, "little") + head
                frame += b" " * (-len(frame) % 8) + array.tobytes()
                [message] = messages.decode(frame, True)
                np.testing.assert_array_equal(message["value"], array)
                self.assertEqual(message["value"].dtype, array.dtype)

    def test_bad_frames(self) -> None:
        """Anything else is `bad_frame`, as text or binary."""
        for payload, is_binary in [
            (b"", False),
            (b"7", False),
            (b"[7]", False),
            (b"", True),
            (b"\x02\0\0\0{}", True),
            (b"\xff\xff\xff\x7f{}", True),
            (b"\x02\0\0\0[]", True),
            (_binary({"dtype": "<f8", "shape": [2]}, bytes(8)), True),
            (_binary({"dtype": "<f8", "shape": "many"}, bytes(8)), True),
        ]:
            error = self.assertRaises(GatewayError, messages.decode, payload, is_binary)
            self.assertEqual(error.code, "bad_frame", payload)

    def test_values(self) -> None:
        """Scalars are unchanged, null is NaN, lists of numbers become arrays, strings tuples."""
        for value in (5, 5.5, "text", ""):
            self.assertEqual(_value(value), value)
        self.assertTrue(math.isnan(_value(None)))
        empty = {"pvname": "X", "value": None, "count": 0, "timestamp": 1.5}
        self.assertIsNone(messages.update(empty).value)
        arrays: list[tuple[list[Any], type]] = [
            ([1, 2], np.int64),
            ([1, 2.5], float),
            ([], float),
            ([None, 1], float),
            ([2**64 - 1], np.uint64),
        ]
        for numbers, dtype in arrays:
            array = _value(numbers)
            np.testing.assert_array_equal(array, np.array(numbers, float))
            self.assertEqual(array.dtype, dtype)
        for exact in ([1, 2**64 - 1], [2**64 - 2, 2**63 + 1], [-(2**63), 2**63 - 1]):
            self.assertEqual(_value(exact).tolist(), exact)
        self.assertEqual(_value(["a", "b"]), ("a", "b"))
        packed = {"dtype": "<i4", "shape": [2], "base64": b64encode(b"\1\0\0\0\2\0\0\0").decode()}
        np.testing.assert_array_equal(_value(packed), [1, 2])

    def test_bad_updates(self) -> None:
        """An incomplete update is `bad_frame`."""
        for message in (
            {},
            {"pvname": "X", "value": 5},
            {**MONITOR, "value": {"base64": ""}},
            {**MONITOR, "value": {"dtype": "<f8", "shape": [1], "base64": "?"}},
        ):
            error = self.assertRaises(GatewayError, messages.update, message)
            self.assertEqual(error.code, "bad_frame")

    def test_metadata(self) -> None:
        """Metadata has the message's keys; missing ones do not apply."""
        metadata = messages.metadata({"type": "short", "count": 3, "alarm_limits": [None, 2]})
        self.assertEqual((metadata.type, metadata.count), (FieldType.SHORT, 3))
        assert metadata.alarm_limits is not None
        self.assertTrue(math.isnan(metadata.alarm_limits[0]))
        self.assertIsNone(metadata.display_limits)
        later = messages.metadata({"type": "quux", "count": 1, "write_access": None})
        self.assertEqual((later.type, later.write_access), (FieldType.STRUCTURE, None))

    def test_pvaccess(self) -> None:
        """A structure is a dict, and an update without a time stamp has 0."""
        unstamped = {key: part for key, part in MONITOR.items() if key != "timestamp"}
        update = messages.update({**unstamped, "value": {"a": [1, 2]}})
        self.assertEqual((update.value, update.timestamp), ({"a": [1, 2]}, 0))

    def test_equal_updates(self) -> None:
        """Updates are equal if all members are, arrays included."""
        for value in (np.array([1, 2]), ("a", "b"), 5.5, "text"):
            self.assertEqual(Update("X", value, 2, 1.5), Update("X", value, 2, 1.5))
        self.assertNotEqual(Update("X", np.array([1]), 1, 1.5), Update("X", np.array([2]), 1, 1.5))


class TargetTests(SynchronousTestCase):
    """full_url and Target."""

    def test_full_urls(self) -> None:
        """Missing parts of a URL are added; the address in a browser is accepted."""
        for text, url in [
            ("host:8888", "ws://host:8888/monitor"),
            ("ws://host", "ws://host/monitor"),
            ("wss://host/", "wss://host/monitor"),
            ("http://host:8888/", "ws://host:8888/monitor"),
            ("https://host/x/monitor?a=b#c", "wss://host/x/monitor?a=b"),
            ("[::1]:8888", "ws://[::1]:8888/monitor"),
        ]:
            self.assertEqual(full_url(text), url)

    def test_no_urls(self) -> None:
        """An invalid URL is a ValueError."""
        for text in ("", "ftp://host", "ws://", "ws://host:99999", "ws://host:0", "ws://a:b@host"):
            self.assertRaises(ValueError, full_url, text)

    def test_ports(self) -> None:
        """The default port is that of HTTP or HTTPS."""
        ports = [Target(url).port for url in ("ws://host", "wss://host", "host:8888")]
        self.assertEqual(ports, [80, 443, 8888])
        self.assertEqual(Target("[::1]:8888").host, "::1")


def _binary(header: dict[str, Any], elements: bytes) -> bytes:
    head = json.dumps(header).encode()
    head += b" " * (-(len(head) + 4) % 8)
    return len(head).to_bytes(4, "little") + head + elements


def _value(value: Any) -> Any:
    return messages.update({**MONITOR, "value": value}).value
