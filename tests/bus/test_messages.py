"""The formats of the bus: content is unpacked unchanged, and other bytes are refused."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, cast

import attrs
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.bus.control import (
    Action,
    Control,
    Heartbeat,
    PutRequest,
    StreamStatus,
    answer,
    failure,
    result,
)
from pycawamp.bus.errors import BadBusMessageError
from pycawamp.bus.messages import (
    BURST,
    HEADER,
    VERSION,
    Record,
    RecordKind,
    as_metadata,
    as_reading,
    bodies,
    burst,
    each_record,
    key,
    metadata_record,
    other,
    reading_record,
    scalars,
    sections,
)
from pycawamp.pv.errors import BadValueError, PutFailedError
from pycawamp.pv.interfaces import Requester
from pycawamp.pv.values import FieldType, Image, Metadata, Reading, Status
from tests.support.examples import examples

TEXT = st.text(st.characters(), max_size=20)
NUMBERS = st.one_of(
    st.floats(), st.integers(-(2**63), 2**64 - 1), st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1])
)
ARRAYS = arrays.arrays(
    st.sampled_from(["<f8", ">f4", "<i2", "<u8", "|b1", "|i1"]),
    arrays.array_shapes(max_dims=3, min_side=0),
)
SCALARS = st.one_of(NUMBERS, TEXT, st.booleans(), st.none())
VALUES: st.SearchStrategy[Any] = st.one_of(
    SCALARS,
    st.lists(TEXT, max_size=4),
    ARRAYS,
    st.builds(
        Image,
        ARRAYS,
        TEXT,
        st.tuples(st.integers(0, 9), st.integers(0, 9)),
        st.one_of(
            st.just(()),
            st.lists(
                st.fixed_dictionaries({"name": TEXT, "value": SCALARS}), min_size=1, max_size=2
            ),
        ),
    ),
    st.dictionaries(TEXT, st.one_of(SCALARS, ARRAYS, st.lists(TEXT)), max_size=4),
)
READINGS = st.builds(
    Reading,
    st.one_of(st.integers(0, 300), st.just("CUSTOM"), st.builds(Status, TEXT, TEXT)),
    st.integers(0, 255),
    st.integers(-(2**40), 2**40),
    st.integers(0, 2**32 - 1),
    VALUES,
)
LIMITS = st.one_of(st.none(), st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)))
METADATA = st.builds(
    Metadata,
    type=st.sampled_from(FieldType),
    count=st.integers(0, 10**7),
    host=TEXT,
    read_access=st.booleans(),
    write_access=st.one_of(st.none(), st.booleans()),
    units=TEXT,
    precision=st.one_of(st.none(), st.integers(-1, 20)),
    enum_strs=st.lists(TEXT, max_size=5).map(tuple),
    display_limits=LIMITS,
    alarm_limits=LIMITS,
    refusal=TEXT,
    description=TEXT,
    is_array=st.booleans(),
    capacity=st.integers(0, 10**9),
)


def through(records: Sequence[Record]) -> list[tuple[int, Reading]]:
    """Return the readings of records after a conversion to bursts and back, with their PVs."""
    found: list[tuple[int, Reading]] = []
    for number, (_, body) in enumerate(bodies(records)):
        message = HEADER.pack(VERSION, 7, 1, number) + body
        assert burst(message) == (VERSION, 7, 1, number)
        for place, record in sections(message):
            if place is None:
                pid, kind, content = record
                assert kind == RecordKind.READING
                found.append((pid, as_reading(content)))
                continue
            for pid, severity, status, is_whole, seconds, nanoseconds, value in scalars(
                message, place
            ):
                held = int(value) if is_whole else value
                found.append((pid, Reading(status, severity, seconds, nanoseconds, held)))
    return found


def is_same(one: Any, another: Any) -> bool:
    """Return whether two values and their types are equal; NaN equals NaN."""
    if isinstance(one, np.ndarray):
        return (
            isinstance(another, np.ndarray)
            and one.shape == another.shape
            and one.dtype.newbyteorder("<") == another.dtype.newbyteorder("<")
            and bool(np.array_equal(one, another, equal_nan=one.dtype.kind == "f"))
        )
    if type(one) is not type(another):
        return False
    if isinstance(one, Status) and one.message != another.message:
        return False
    if isinstance(one, dict):
        return one.keys() == another.keys() and all(is_same(one[k], another[k]) for k in one)
    if isinstance(one, tuple | list):
        return len(one) == len(another) and all(map(is_same, one, another))
    return repr(one) == repr(another)


class MessageTests(SynchronousTestCase):
    """Bursts."""

    @settings(max_examples=examples(200))
    @given(st.lists(st.tuples(st.integers(1, 2**32 - 1), READINGS), max_size=20))
    def test_readings(self, readings: list[tuple[int, Reading]]) -> None:
        """Readings of any kind are unpacked unchanged, in order."""
        found = through([reading_record(pid, reading) for pid, reading in readings])
        self.assertTrue(is_same(readings, found), (readings, found))

    def test_many(self) -> None:
        """Many readings are divided into small bursts."""
        records = [reading_record(pid, Reading(0, 0, 1, 2, 0.5)) for pid in range(1, 10_000)]
        joined = b"".join(cast("list[bytes]", records))
        for pieces in (records, [joined], [joined[:240], joined[240:]]):
            parts = [(part, len(body)) for part, body in bodies(pieces)]
            self.assertTrue(all(size <= BURST + 100 for _, size in parts))
            self.assertEqual([each for part, _ in parts for each in each_record(part)], records)
            self.assertEqual(len(through(pieces)), 9_999)
        large = reading_record(1, Reading(0, 0, 1, 2, np.zeros(10**6)))
        small = reading_record(2, Reading(0, 0, 1, 2, 1.0))
        sizes = [len(body) for _, body in bodies([small, large, small])]
        self.assertEqual([size > BURST for size in sizes], [False, True, False])

    @settings(max_examples=examples(100))
    @given(METADATA)
    def test_metadata(self, metadata: Metadata) -> None:
        """Metadata is unpacked unchanged."""
        ((_, body),) = bodies([metadata_record(3, metadata)])
        ((_, (pid, kind, content)),) = sections(HEADER.pack(VERSION, 1, 1, 1) + body)
        self.assertEqual((pid, kind, as_metadata(content)), (3, RecordKind.METADATA, metadata))

    def test_later_fields(self) -> None:
        """Unknown fields of metadata are ignored; missing ones have their defaults."""
        content = {"type": "double", "count": 1, "invented_later": [1]}
        self.assertEqual(as_metadata(content), Metadata(FieldType.DOUBLE, 1))

    @settings(max_examples=examples(300))
    @given(st.binary(max_size=60), st.booleans())
    def test_garbage(self, garbage: bytes, has_header: bool) -> None:
        """Bytes that are not a burst raise BadBusMessageError, and nothing else."""
        message = HEADER.pack(VERSION, 1, 1, 1) + garbage if has_header else garbage
        parsers: list[Any] = [Control.of, StreamStatus.of, Heartbeat.of, PutRequest.of, result]
        for parse in (lambda data: [burst(data), list(sections(data))], *parsers):
            with contextlib.suppress(BadBusMessageError):
                parse(message)

    def test_keys(self) -> None:
        """A newer value replaces an older one, and a state the previous state; nothing else."""
        scalar = reading_record(5, Reading(0, 0, 1, 2, 0.5))
        array = reading_record(5, Reading(0, 0, 1, 2, np.zeros(3)))
        connected, refused = (
            other(5, RecordKind.CONNECTION, True),
            other(5, RecordKind.REFUSED, "why"),
        )
        self.assertEqual(key(scalar), key(array))
        self.assertEqual(key(connected), key(refused))
        described = metadata_record(5, Metadata(FieldType.LONG, 1))
        keys = {key(scalar), key(connected), key(described), key(other(5, RecordKind.OPENED, 1))}
        self.assertEqual(len(keys), 4)
        self.assertNotEqual(key(scalar), key(reading_record(6, Reading(0, 0, 1, 2, 0.5))))


class ControlTests(SynchronousTestCase):
    """Requests and their replies."""

    def test_round_trip(self) -> None:
        """Requests are unpacked unchanged."""
        control = Control("session", 3, 9, Action.OPEN, [[1, "ca://X"], [2, "pva://Y.{}"]])
        self.assertEqual(Control.of(control.packed()), control)
        status = StreamStatus(2**62, 17, is_whole=True)
        self.assertEqual(StreamStatus.of(status.packed()), status)
        beat = Heartbeat(2**62, 1.5, is_leaving=True)
        self.assertEqual(Heartbeat.of(beat.packed()), beat)
        requester = Requester("ann", "192.0.2.1", None, "X")
        put = PutRequest(2**62, "ca://X", [1, 2.5, "x"], True, requester)
        self.assertEqual(PutRequest.of(put.packed()), put)

    def test_replies(self) -> None:
        """A reply is unpacked as the result or the error."""
        self.assertIsNone(result(answer(None)))
        for error in (BadValueError("expected a number"), PutFailedError("no")):
            raised = self.assertRaises(type(error), result, failure(error))
            self.assertEqual(str(raised), str(error))

    def test_values_that_cannot_be_sent(self) -> None:
        """Any value that msgpack does not support is an error."""
        requester = Requester(None, "", None, "X")
        large = PutRequest(1, "ca://X", 2**70, True, requester)
        self.assertRaises(ValueError, large.packed)
        nested: Any = 1
        for _ in range(1100):
            nested = [nested]
        deep = PutRequest(1, "ca://X", nested, True, requester)
        self.assertRaises(ValueError, deep.packed)

    def test_versions(self) -> None:
        """The newest version that both support is chosen; None if there is none in common."""
        beat = Heartbeat(1, 1.0, is_leaving=False)
        self.assertEqual(beat.version, VERSION)
        self.assertEqual(attrs.evolve(beat, versions=(VERSION, VERSION + 1)).version, VERSION)
        self.assertIsNone(attrs.evolve(beat, versions=(VERSION + 1, VERSION + 2)).version)
