"""Values of puts: any JSON value is written exactly, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.ca.dbr import DBR_TYPES
from pycawamp.pv.values import FieldType, Metadata
from tests.support.dbr_backend import DBRBackend
from tests.support.examples import examples
from tests.support.memory_gateway import MemoryGateway, send_request
from tests.support.version2_case import ANYONE

LABELS = ("Off", "On", "", "Grün")
MAX_BYTES = 6

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.integers(-40000, 40000)
    | st.integers(0, 20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(max_size=50)
    | st.sampled_from([*LABELS, "x" * 39, "x" * 40, "\0", "a\0b", "ü" * 20])
)
values = (
    scalars
    | st.lists(scalars, max_size=MAX_BYTES + 2)
    | st.lists(st.integers(-300, 300), max_size=MAX_BYTES + 2)
    | st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=MAX_BYTES + 2)
    | st.lists(st.sampled_from(LABELS), max_size=MAX_BYTES + 2)
    | st.dictionaries(st.text(max_size=3), scalars, max_size=2)
    | st.lists(st.lists(scalars, max_size=2), max_size=3)
)
START: dict[FieldType, Any] = {
    FieldType.STRING: "before",
    FieldType.ENUM: 3,
    FieldType.FLOAT: 0.5,
    FieldType.DOUBLE: 0.1,
}


def described(kind: FieldType, count: int) -> Metadata:
    """Return a channel of this type."""
    return Metadata(kind, count, enum_strs=LABELS if kind is FieldType.ENUM else ())


def is_same(metadata: Metadata, requested: Any, got: Any) -> bool:
    """Return whether the value read is the one written: the nearest number of the type."""
    if metadata.type is FieldType.CHAR and isinstance(requested, str) and metadata.is_array:
        return bool(bytes(got) == requested.encode() + b"\0")
    if metadata.is_array:
        element = Metadata(metadata.type, 1, enum_strs=metadata.enum_strs)
        return len(requested) == len(got) and all(
            map(is_same, [element] * len(got), requested, got)
        )
    if metadata.type is FieldType.ENUM and isinstance(requested, str):
        return bool(LABELS.index(requested) == got)
    if metadata.type is FieldType.FLOAT:
        return bool(np.float32(requested) == np.float32(got))
    if metadata.type is FieldType.DOUBLE:
        return bool(float(requested) == got)
    return type(requested) is not bool and bool(requested == got)


class PutValueTests(SynchronousTestCase):
    """Puts to PVs of every type that Channel Access has."""

    def put(self, metadata: Metadata, value: Any) -> tuple[dict[str, Any], Any, Any]:
        """Write a PV; return the reply, and the values before and after."""
        gateway = MemoryGateway(ANYONE, backend=DBRBackend())
        before = START.get(metadata.type, 1)
        gateway.backend.add("X", _as_array(metadata, before), metadata)
        session, page = gateway.open()
        send_request(session, "get", "X")
        session.receive(orjson.dumps({"action": "put", "pv": "X", "value": value}))
        send_request(session, "get", "X")
        gateway.flush_cycle()
        first, reply, second = page.take()
        return reply, first["value"], second["value"]

    @settings(max_examples=examples(700), deadline=None)
    @given(st.sampled_from(sorted(DBR_TYPES, key=str)), st.sampled_from([1, MAX_BYTES, 0]), values)
    def test_all_or_nothing(self, kind: FieldType, count: int, value: Any) -> None:
        """Any JSON value is read back as it was written, or is refused and changes nothing."""
        metadata = described(kind, count)
        reply, before, after = self.put(metadata, value)
        if reply["msg_type"] == "put":
            self.assertTrue(is_same(metadata, value, after), (metadata, value, after))
        else:
            self.assertEqual((reply["msg_type"], reply["code"]), ("error", "bad_value"))
            self.assertEqual(after, before)

    @settings(max_examples=examples(50), deadline=None)
    @given(st.lists(st.integers(0, 255), min_size=1, max_size=MAX_BYTES))
    def test_fitting(self, numbers: list[int]) -> None:
        """Numbers that every numeric type has are never refused."""
        for kind in DBR_TYPES:
            if kind in (FieldType.STRING, FieldType.ENUM):
                continue
            reply, _, after = self.put(described(kind, MAX_BYTES), numbers)
            self.assertEqual((reply["msg_type"], after), ("put", numbers), kind)
            reply, _, after = self.put(described(kind, 1), numbers[0])
            self.assertEqual((reply["msg_type"], after), ("put", numbers[0]), kind)

    @settings(max_examples=examples(150), deadline=None)
    @given(st.text(max_size=12))
    def test_text(self, text: str) -> None:
        """A string is accepted if its UTF-8 fits, with a NUL after it, and contains no NUL."""
        size = len(text.encode())
        reply, _, after = self.put(described(FieldType.STRING, 1), text)
        self.assertEqual(reply["msg_type"] == "put", "\0" not in text and size < 40)
        reply, _, after = self.put(described(FieldType.CHAR, MAX_BYTES), text)
        self.assertEqual(reply["msg_type"] == "put", size < MAX_BYTES)
        if size < MAX_BYTES:
            self.assertEqual(bytes(after), text.encode() + b"\0")

    def test_labels(self) -> None:
        """An enum accepts its labels, and an index within its range, with a label or without."""
        for value, expected in [("On", 1), (2, 2), ("", 2), ("Grün", 3), (0, 0), (9, 9)]:
            _, _, after = self.put(described(FieldType.ENUM, 1), value)
            self.assertEqual(after, expected)
        bare, few = Metadata(FieldType.ENUM, 1), described(FieldType.ENUM, 1)
        # A menu with more labels than the 16 of Channel Access.
        menu = Metadata(FieldType.ENUM, 1, enum_strs=tuple("abcdefghijklmnop"))
        for metadata, highest in [(bare, 15), (few, 15), (menu, 65535)]:
            for value, kind in [(highest, "put"), (highest + 1, "error"), (-1, "error")]:
                reply, _, _ = self.put(metadata, value)
                self.assertEqual(reply["msg_type"], kind, (metadata, value))
            reply, _, _ = self.put(metadata, "Nowhere")
            self.assertEqual(reply["msg_type"], "error")

    def test_messages(self) -> None:
        """A refusal says what was expected, and the value, if it is not too long."""
        for kind, count, value, message in [
            (FieldType.DOUBLE, 1, "1", "expected a number, got the string '1'"),
            (FieldType.LONG, 1, 0.5, "expected a whole number, got a fraction"),
            (FieldType.SHORT, 1, 40000, "expected numbers from -32768 to 32767"),
            (FieldType.LONG, 3, [1] * 4, "expected at most 3 elements, got 4"),
            (FieldType.LONG, 3, 1, "expected an array of whole numbers, got the number 1"),
            (FieldType.STRING, 1, "x" * 99, "expected at most 39 bytes of UTF-8, got 99"),
            (FieldType.DOUBLE, 1, "y" * 99, f"expected a number, got the string '{'y' * 39}…"),
        ]:
            reply, _, _ = self.put(Metadata(kind, count), value)
            self.assertEqual(reply["message"], message)

    def test_no_numbers(self) -> None:
        """NaN, the infinities and numbers beyond them are not JSON, and write nothing."""
        gateway = MemoryGateway(ANYONE)
        gateway.backend.add("X", 1.5)
        session, page = gateway.open()
        for number in ("NaN", "Infinity", "-Infinity", "1e999"):
            session.receive(f'{{"action":"put","pv":"X","value":{number}}}'.encode())
        send_request(session, "get", "X")
        gateway.flush_cycle()
        *refused, value = page.take()
        self.assertEqual([each["code"] for each in refused], ["bad_json"] * 4)
        self.assertEqual(value["value"], 1.5)

    def test_forbidden(self) -> None:
        """Without --allow-put every put is `forbidden`, found or not, and metadata says so."""
        gateway = MemoryGateway()
        gateway.backend.add("X", 1.5)
        session, page = gateway.open()
        for name, value in [("X", 5), ("X", "nonsense"), ("nowhere", 1)]:
            send_request(session, "put", name, value=value)
        send_request(session, "info", "X")
        send_request(session, "get", "X")
        gateway.flush_cycle()
        *refused, info, got = page.take()
        self.assertEqual([each["code"] for each in refused], ["forbidden"] * 3)
        self.assertEqual((info["write_access"], got["value"]), (False, 1.5))

    def test_not_found(self) -> None:
        """A missing PV is `not_connected` after a while; a put has its own, if shorter."""
        gateway = MemoryGateway(ANYONE)
        session, page = gateway.open()
        send_request(session, "put", "nowhere", value=1, timeout=0.5)
        send_request(session, "put", "nowhere", value=1, timeout=100)
        send_request(session, "get", "nowhere")
        send_request(session, "info", "nowhere")
        for seconds, actions in [(0.4, []), (0.2, ["put"]), (4, []), (1, ["put", "get", "info"])]:
            gateway.advance(seconds)
            gateway.flush_cycle()
            received = [(each["code"], each["action"]) for each in page.take()]
            self.assertEqual(received, [("not_connected", action) for action in actions])


def _as_array(metadata: Metadata, value: Any) -> Any:
    if not metadata.is_array:
        return value
    return [value] if metadata.type is FieldType.STRING else np.array([value])
