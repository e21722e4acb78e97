"""Every type of a server, compared with p4p's server."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import numpy as np
from twisted.internet.defer import Deferred, inlineCallbacks

from pycawamp.pv.errors import BadValueError
from pycawamp.pv.interfaces import IHandle
from pycawamp.pv.pva.backend import PVABackend
from pycawamp.pv.values import FieldType, Image
from tests.support.pva_case import PVATestCase, RecordingSink

SCALARS: tuple[tuple[str, FieldType, Any], ...] = (
    ("?", FieldType.BOOL, True),
    ("b", FieldType.INT8, -128),
    ("B", FieldType.UINT8, 255),
    ("h", FieldType.SHORT, -(2**15)),
    ("H", FieldType.UINT16, 2**16 - 1),
    ("i", FieldType.LONG, -(2**31)),
    ("I", FieldType.UINT32, 2**32 - 1),
    ("l", FieldType.INT64, -(2**63)),
    ("L", FieldType.UINT64, 2**64 - 1),
    ("f", FieldType.FLOAT, 1.5),
    ("d", FieldType.DOUBLE, 1e-300),
    ("s", FieldType.STRING, "ö" * 10_000),
)
ODD_TYPE = """Type([
 ("whole", "i"), ("name", "s"), ("texts", "as"),
 ("inner", ("S", "inner_t", [("x", "d"), ("y", "ad")])),
 ("choice", ("U", "choice_t", [("number", "i"), ("words", "s")])),
 ("nothing", ("U", "choice_t", [("number", "i"), ("words", "s")])),
 ("anything", "v"),
 ("rows", ("aS", "row_t", [("a", "i"), ("b", "s")])),
 ("alarm", ("S", "alarm_t", [("severity", "i"), ("status", "i"), ("message", "s")])),
], id="odd_t")"""
ODD = """{"whole": 5, "name": "n", "texts": ["a", "b"], "inner": {"x": 1.5, "y": [1, 2]},
 "choice": ("words", "w"), "anything": np.array([1, 2, 3]),
 "rows": [{"a": 1, "b": "eins"}, {"a": 2}],
 "alarm": {"severity": 1, "status": 2, "message": "HIGH"}}"""


def plain(value: Any) -> Any:
    """Return a value without arrays, for comparisons."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


class TypeTests(PVATestCase):
    """PVs of p4p."""

    @inlineCallbacks
    def monitor(
        self, backend: PVABackend, name: str
    ) -> Generator[Deferred[Any], Any, tuple[RecordingSink, IHandle, Any]]:
        """Open a PV; fires with its first value."""
        sink = RecordingSink()
        handle = backend.open(name, sink)
        reading = yield sink.until("reading")
        return sink, handle, reading.value

    @inlineCallbacks
    def test_scalars(self) -> Generator[Deferred[Any], Any, None]:
        """Scalars and arrays of every type are monitored, read, and written back unchanged."""
        lines = [
            line
            for code, _, value in SCALARS
            for line in (
                f'add("s{code}", nt.NTScalar("{code}"), {value!r})',
                f'add("a{code}", nt.NTScalar("a{code}"), [{value!r}] * 2)',
            )
        ]
        yield self.serve(*lines)
        backend = self.start_backend()
        for code, field_type, value in SCALARS:
            for name, expected in ((f"s{code}", value), (f"a{code}", [value] * 2)):
                sink, handle, got = yield self.monitor(backend, name)
                self.assertEqual(plain(got), expected, name)
                self.assertEqual(sink.described.type, field_type)
                self.assertEqual(sink.described.is_array, name.startswith("a"))
                yield handle.put(expected, True)
                again = yield handle.get()
                self.assertEqual(plain(again.value), expected, name)
                self.assertIs(type(again.value), type(got))

    @inlineCallbacks
    def test_no_time_stamp(self) -> Generator[Deferred[Any], Any, None]:
        """A PV without a time stamp has 0."""
        yield self.serve('add("x", nt.NTScalar("d"), 1)')
        sink, _, _ = yield self.monitor(self.start_backend(), "x")
        self.assertEqual(sink.readings[0][:4], (0, 0, 0, 0))

    @inlineCallbacks
    def test_alarm(self) -> Generator[Deferred[Any], Any, None]:
        """A status of Channel Access is reported by its name there, any other by its own name."""
        server = yield self.serve('add("x", nt.NTScalar("d"), 1)')
        sink, _, _ = yield self.monitor(self.start_backend(), "x")
        for status, message, name in (
            (3, "LOLO", "LOLO"),
            (1, "the motor is hot", "DEVICE"),
            (99, "", "99"),
            (0, "", "NO_ALARM"),
        ):
            yield server.run(
                f'pvs["x"].post({{"value": 1, "alarm.severity": 2, "alarm.status": {status},'
                f' "alarm.message": "{message}"}})'
            )
            reading = yield sink.until("reading")
            self.assertEqual((reading.severity_name, reading.status_name), ("MAJOR", name))

    @inlineCallbacks
    def test_enum(self) -> Generator[Deferred[Any], Any, None]:
        """Choices may change with any value; an index may have no choice."""
        server = yield self.serve('add("e", nt.NTEnum(), {"index": 1, "choices": ["a", "b"]})')
        sink, handle, value = yield self.monitor(self.start_backend(), "e")
        self.assertEqual((value, sink.described.enum_strs), (1, ("a", "b")))
        yield server.run('pvs["e"].post({"value.index": 7, "value.choices": ["x", "y", "z"]})')
        reading = yield sink.until("reading")
        self.assertEqual((reading.value, sink.described.enum_strs), (7, ("x", "y", "z")))
        yield handle.put("z", True)
        reading = yield sink.until("reading")
        self.assertEqual(reading.value, 2)

    @inlineCallbacks
    def test_table(self) -> Generator[Deferred[Any], Any, None]:
        """A table has labels and columns, and cannot be written."""
        yield self.serve(
            't = nt.NTTable([("n", "i"), ("s", "s"), ("x", "d")])',
            'add("t", t, t.wrap([{"n": 1, "s": "a", "x": 1.5}, {"n": 2, "s": "b", "x": 2.5}]))',
        )
        sink, handle, value = yield self.monitor(self.start_backend(), "t")
        self.assertEqual(sink.described.type, FieldType.TABLE)
        self.assertEqual(
            plain(value),
            {"labels": ["n", "s", "x"], "columns": {"n": [1, 2], "s": ["a", "b"], "x": [1.5, 2.5]}},
        )
        error = yield self.assertFailure(handle.put({}, True), BadValueError)
        self.assertEqual(str(error), "expected another PV: tables cannot be written")

    @inlineCallbacks
    def test_image(self) -> Generator[Deferred[Any], Any, None]:
        """An image has rows and columns."""
        server = yield self.serve(
            "frame = np.arange(12, dtype=np.uint16).reshape(3, 4)",
            'add("i", nt.NTNDArray(), frame)',
        )
        sink, _, image = yield self.monitor(self.start_backend(), "i")
        self.assertEqual(sink.described.type, FieldType.IMAGE)
        self.assertIsInstance(image, Image)
        self.assertEqual((image.pixels.dtype.str, image.codec), ("<u2", ""))
        self.assertEqual(image.pixels.tolist(), [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]])
        yield server.run('pvs["i"].post(frame + 1)')
        reading = yield sink.until("reading")
        self.assertEqual(reading.value.pixels[2, 3], 12)

    @inlineCallbacks
    def test_structure(self) -> Generator[Deferred[Any], Any, None]:
        """Any other structure is an object with all fields; fields are written by name."""
        server = yield self.serve(
            f"odd = {ODD_TYPE}".replace("\n", ""),
            f'add("o", None, Value(odd, {ODD}))'.replace("\n", ""),
        )
        sink, handle, value = yield self.monitor(self.start_backend(), "o")
        self.assertEqual(sink.described.type, FieldType.STRUCTURE)
        expected = {
            "whole": 5,
            "name": "n",
            "texts": ["a", "b"],
            "inner": {"x": 1.5, "y": [1.0, 2.0]},
            "choice": "w",
            "nothing": None,
            "anything": [1, 2, 3],
            "rows": [{"a": 1, "b": "eins"}, {"a": 2, "b": ""}],
            "alarm": {"severity": 1, "status": 2, "message": "HIGH"},
        }
        self.assertEqual(plain(value), expected)
        first = sink.readings[0]
        self.assertEqual((first.severity_name, first.status_name), ("MINOR", "HIGH"))
        yield handle.put({"whole": 6, "inner": {"y": [3]}}, True)
        reading = yield sink.until("reading")
        content = plain(reading.value)
        self.assertEqual((content["whole"], content["inner"]), (6, {"x": 1.5, "y": [3.0]}))
        printed = yield server.run('print(pvs["o"].current().todict()["whole"])')
        self.assertEqual(json.loads(printed), 6)
        wrong: tuple[tuple[Any, str], ...] = (
            (
                5,
                "expected an object for the structure with some of whole, name, texts, inner, "
                "choice, nothing, anything, rows, alarm; got the number 5",
            ),
            ({"wole": 5}, "expected a field of the structure, got 'wole'"),
            ({"inner": {"x": "1"}}, "inner.x: expected a number, got the string '1'"),
            ({"anything": 1}, "anything cannot be written"),
        )
        for value, text in wrong:
            error = yield self.assertFailure(handle.put(value, True), BadValueError)
            self.assertEqual(str(error), text)
