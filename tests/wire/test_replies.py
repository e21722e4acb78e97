"""Messages to Version 1 clients, byte by byte."""

from __future__ import annotations

import json
import math
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.values import FieldType, Metadata, Reading, Value
from tests.support.examples import examples
from tests.support.memory_gateway import MemoryGateway, send_request

STAMP = b"1.500000000"


class MonitorTests(SynchronousTestCase):
    """`connection` and `monitor` messages, as a session writes them."""

    def setUp(self) -> None:
        """Create a gateway with PVs whose time stamp is always 1.5."""
        self.gateway = MemoryGateway()

    def payloads(self, name: str, value: Value, metadata: Metadata) -> list[bytes]:
        """Return the messages to a client that connects to a PV."""
        gateway = MemoryGateway()
        gateway.backend.add(name, value, metadata)
        session, page = gateway.open()
        send_request(session, "connect", name)
        gateway.flush_cycle()
        return page.payloads

    def value(self, value: Value, field_type: FieldType, count: int = 1) -> bytes:
        """Return the JSON of a value, after checking the rest of the message."""
        _, monitor = self.payloads("X", value, Metadata(field_type, count))
        length = 1 if count == 1 else len(value)  # type: ignore[arg-type]
        head = b'{"msg_type":"monitor","pvname":"X","value":'
        tail = b',"count":%d,"timestamp":%b}' % (length, STAMP)
        self.assertTrue(monitor.startswith(head) and monitor.endswith(tail), monitor)
        return monitor[len(head) : -len(tail)]

    def test_keys(self) -> None:
        """The message has the documented keys, in the documented order, and no others."""
        connection, monitor = self.payloads("X", 5, Metadata(FieldType.LONG, 1, units="mA"))
        self.assertEqual(connection, b'{"msg_type":"connection","pvname":"X","conn":true}')
        expected = (
            b'{"msg_type":"monitor","pvname":"X","value":5,"count":1,"timestamp":%b,"units":"mA"}'
        )
        self.assertEqual(monitor, expected % STAMP)

    def test_no_units(self) -> None:
        """A PV without units has no such key, whatever other metadata it has."""
        metadata = Metadata(FieldType.ENUM, 1, precision=3, enum_strs=("Off", "On"), host="h")
        _, monitor = self.payloads("X", 1, metadata)
        expected = b'{"msg_type":"monitor","pvname":"X","value":1,"count":1,"timestamp":%b}'
        self.assertEqual(monitor, expected % STAMP)

    def test_lost(self) -> None:
        """A lost PV is reported as conn false; when it is back, conn true and a value are sent."""
        self.gateway.backend.add("X", 5)
        session, page = self.gateway.open()
        send_request(session, "connect", "X")
        self.gateway.flush_cycle()
        page.take()
        self.gateway.backend.remove("X")
        self.gateway.flush_cycle()
        self.assertEqual(page.payloads, [b'{"msg_type":"connection","pvname":"X","conn":false}'])
        page.take()
        self.gateway.backend.add("X", 6)
        self.gateway.flush_cycle()
        self.assertEqual(
            [list(message) for message in page.take()],
            [
                ["msg_type", "pvname", "conn"],
                ["msg_type", "pvname", "value", "count", "timestamp"],
            ],
        )

    def test_numbers(self) -> None:
        """Numbers have the shortest digits that read back as the same number."""
        for value, field_type, text in [
            (0.1, FieldType.DOUBLE, b"0.1"),
            (-0.0, FieldType.DOUBLE, b"-0.0"),
            (123456789.125, FieldType.DOUBLE, b"123456789.125"),
            (5.0, FieldType.DOUBLE, b"5.0"),
            (float(np.float32(0.1)), FieldType.FLOAT, b"0.1"),
            (-(2**31), FieldType.LONG, b"-2147483648"),
            (255, FieldType.CHAR, b"255"),
            (65535, FieldType.ENUM, b"65535"),
        ]:
            self.assertEqual(self.value(value, field_type), text)

    def test_not_finite(self) -> None:
        """NaN and the infinities are null, alone and in arrays."""
        for value in (math.nan, math.inf, -math.inf):
            for field_type in (FieldType.DOUBLE, FieldType.FLOAT):
                self.assertEqual(self.value(value, field_type), b"null")
        for dtype, field_type in (("f8", FieldType.DOUBLE), ("f4", FieldType.FLOAT)):
            array = np.array([1, math.nan, math.inf, -math.inf], dtype)
            self.assertEqual(self.value(array, field_type, 9), b"[1.0,null,null,null]")

    def test_arrays(self) -> None:
        """A channel with a native count other than 1 has arrays, even with one element or none."""
        for held, text in [([], b"[]"), ([7], b"[7]"), ([1, 2, 3], b"[1,2,3]")]:
            for dtype, field_type in [
                ("i2", FieldType.SHORT),
                ("i4", FieldType.LONG),
                ("u1", FieldType.CHAR),
                ("u2", FieldType.ENUM),
            ]:
                array = np.array(held, dtype)
                self.assertEqual(self.value(array, field_type, 10), text)
            self.assertEqual(self.value(np.array(held, "i4"), FieldType.LONG, 0), text)
        self.assertEqual(self.value(np.array([0.1, 2], "f4"), FieldType.FLOAT, 5), b"[0.1,2.0]")
        self.assertEqual(self.value(np.array([0.1, 2], "f8"), FieldType.DOUBLE, 5), b"[0.1,2.0]")
        self.assertEqual(self.value(["a", "ö"], FieldType.STRING, 5), '["a","ö"]'.encode())
        self.assertEqual(self.value([], FieldType.STRING, 5), b"[]")

    def test_strings(self) -> None:
        """Strings are JSON in UTF-8, whatever they contain."""
        for value, text in [
            ("", '""'),
            ("Grüße µm ☃", '"Grüße µm ☃"'),
            ('a "b" \\ c', r'"a \"b\" \\ c"'),
            ("100% %s %d %b", '"100% %s %d %b"'),
            ("\ufffd\x01\t", '"\ufffd\\u0001\\t"'),
        ]:
            self.assertEqual(self.value(value, FieldType.STRING), text.encode())

    def test_names_and_units(self) -> None:
        """Names and units may contain characters that are special in templates or JSON."""
        for text in ("100%", "%s%b%d", 'a"b', "back\\slash", "{0}", 'X.{"dbnd":{"abs":1}}', "Öl"):
            metadata = Metadata(FieldType.LONG, 1, units=text)
            connection, monitor = map(json.loads, self.payloads(text, 5, metadata))
            self.assertEqual(connection, {"msg_type": "connection", "pvname": text, "conn": True})
            self.assertEqual((monitor["pvname"], monitor["units"]), (text, text))
            array = Metadata(FieldType.LONG, 5, units=text)
            *_, monitor = map(json.loads, self.payloads("A" + text, np.array([1]), array))
            self.assertEqual((monitor["pvname"], monitor["units"]), ("A" + text, text))

    def test_stamp(self) -> None:
        """The time stamp has all nine digits of the IOC's."""
        self.gateway.backend.add("X", 1)
        session, page = self.gateway.open()
        send_request(session, "connect", "X")
        (handle,) = self.gateway.backend.handles
        for seconds, nanoseconds, text in [
            (631152000, 0, "631152000.000000000"),
            (1447799204, 5, "1447799204.000000005"),
            (1795393681, 640200352, "1795393681.640200352"),
        ]:
            handle.sink.reading(Reading(0, 0, seconds, nanoseconds, 1))
            self.gateway.flush_cycle()
            timestamp = json.loads(page.payloads[-1], parse_float=Decimal)["timestamp"]
            self.assertEqual(timestamp, Decimal(text))

    @settings(max_examples=examples(150), deadline=None)
    @given(st.text(min_size=1, max_size=30), st.text(max_size=10), st.floats())
    def test_any_text(self, name: str, units: str, value: float) -> None:
        """For any name and value, messages are valid JSON with that name and value."""
        *_, monitor = self.payloads(
            "N" + name.replace("\0", ""), value, Metadata(FieldType.DOUBLE, 1, units=units)
        ) or [b"{}"]
        message = json.loads(monitor, parse_constant=self.fail)
        if message["msg_type"] == "monitor":
            self.assertEqual(message.get("units", ""), units)
            self.assertEqual(message["value"], value if math.isfinite(value) else None)
        else:
            self.assertEqual(message["code"], "bad_name")
