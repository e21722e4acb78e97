"""Records of real IOCs by pvAccess: the events of a sink, and puts."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater

from pycawamp.pv.errors import AccessError, BadValueError, PutFailedError
from pycawamp.pv.interfaces import IHandle
from pycawamp.pv.pva.backend import PVABackend
from pycawamp.pv.values import FieldType, Metadata, Reading
from tests.support.pva_case import PVATestCase, RecordingSink
from tests.support.timing import allowed

RECORDS = """
record(ao, "double") {
  field(VAL, "1.5") field(EGU, "mm") field(PREC, "3") field(DESC, "a position") field(PINI, "YES")
  field(HOPR, "10") field(LOPR, "-10") field(DRVH, "5") field(DRVL, "-5")
  field(HIHI, "4") field(HIGH, "3") field(LOW, "-3") field(LOLO, "-4") field(HHSV, "MAJOR")
  field(HSV, "MINOR") field(LSV, "MINOR") field(LLSV, "MAJOR")
}
record(ao, "unprocessed") {}
record(longout, "int32") { field(VAL, "-7") field(PINI, "YES") }
record(int64out, "int64") { field(VAL, "9007199254740993") field(PINI, "YES") }
record(stringout, "text") { field(VAL, "h\u00e4llo") field(PINI, "YES") }
record(mbbo, "enum") {
  field(ZRST, "zero") field(ONST, "one") field(TWST, "two") field(VAL, "1") field(PINI, "YES")
}
record(bo, "bit") { field(ZNAM, "off") field(ONAM, "on") field(PINI, "YES") }
record(waveform, "doubles") { field(FTVL, "DOUBLE") field(NELM, "5") }
record(waveform, "uint64s") { field(FTVL, "UINT64") field(NELM, "4") }
record(waveform, "bytes") { field(FTVL, "CHAR") field(NELM, "4") }
record(waveform, "texts") { field(FTVL, "STRING") field(NELM, "3") }
record(calcout, "slow") { field(CALC, "A") field(ODLY, "1.5") field(OUT, "double.A") }
record(ao, "locked") { field(ASG, "NOBODY") }
record(ao, "disabled") { field(DISP, "1") }
"""
LABELS = "expected one of 'zero', 'one', 'two', or an index from 0 to 2"


def shown(reading: Reading) -> tuple[Any, str, str]:
    """Return a reading without its time stamp."""
    return reading.value, reading.severity_name, reading.status_name


class RecordTests(PVATestCase):
    """One IOC with records of every kind; QSRV 2."""

    kind = "ioc"

    @inlineCallbacks
    def start(self) -> Generator[Deferred[Any], Any, PVABackend]:
        """Run the IOC; fires with a backend that finds it."""
        self.server = yield self.serve_records(RECORDS, self.kind)
        return self.start_backend()

    @inlineCallbacks
    def monitor(
        self, backend: PVABackend, name: str
    ) -> Generator[Deferred[Any], Any, tuple[RecordingSink, IHandle, Reading]]:
        """Open a PV; fires with its first value."""
        sink = RecordingSink()
        handle = backend.open(name, sink)
        reading = yield sink.until("reading")
        self.assertEqual([call for call, _ in sink.calls[:2]], ["metadata", "connection"])
        return sink, handle, reading

    @inlineCallbacks
    def test_double(self) -> Generator[Deferred[Any], Any, None]:
        """Value, alarm, time stamp and metadata of a record."""
        backend = yield self.start()
        sink, _, first = yield self.monitor(backend, "double")
        self.assertEqual(shown(first), (1.5, "NO_ALARM", "NO_ALARM"))
        self.assertEqual(
            sink.described,
            Metadata(
                FieldType.DOUBLE,
                1,
                host=f"127.0.0.1:{self.ports.server}",
                write_access=None,
                units="mm",
                precision=3,
                description="a position",
                display_limits=(-10, 10),
                control_limits=(-5, 5),
                alarm_limits=(-4, 4),
                warning_limits=(-3, 3),
            ),
        )
        yield self.server.run('dbpf("double", "4.5")')
        second = yield sink.until("reading")
        self.assertEqual(shown(second), (4.5, "MAJOR", "HIHI"))
        self.assertGreater(second.timestamp, first.timestamp)
        yield self.server.run('dbpf("double", "1")')
        third = yield sink.until("reading")
        self.assertEqual((third.severity, third.status), (0, 0))

    @inlineCallbacks
    def test_types(self) -> Generator[Deferred[Any], Any, None]:
        """Values of each type arrive with all digits."""
        backend = yield self.start()
        for name, field_type, value in (
            ("int32", FieldType.LONG, -7),
            ("int64", FieldType.INT64, 9007199254740993),
            ("text", FieldType.STRING, "hällo"),
            ("enum", FieldType.ENUM, 1),
            ("bit", FieldType.ENUM, 0),
        ):
            sink, _, first = yield self.monitor(backend, name)
            self.assertEqual((sink.described.type, first.value), (field_type, value), name)
            self.assertFalse(sink.described.is_array)
        self.assertEqual(sink.described.enum_strs, ("off", "on"))

    @inlineCallbacks
    def test_unprocessed(self) -> Generator[Deferred[Any], Any, None]:
        """A record that was never processed has the same status as by Channel Access."""
        backend = yield self.start()
        _, _, first = yield self.monitor(backend, "unprocessed")
        self.assertEqual((first.severity_name, first.status_name), ("INVALID", "UDF"))

    @inlineCallbacks
    def test_arrays(self) -> Generator[Deferred[Any], Any, None]:
        """Arrays are written and read back, also empty ones."""
        backend = yield self.start()
        for name, field_type, values in (
            ("doubles", FieldType.DOUBLE, [1.5, -2.0, 3e300]),
            ("uint64s", FieldType.UINT64, [2**64 - 1, 2**53 + 1]),
            ("bytes", FieldType.INT8, [-128, 127]),
            ("texts", FieldType.STRING, ["a", "ö" * 19, ""]),
        ):
            sink, handle, first = yield self.monitor(backend, name)
            self.assertEqual((sink.described.type, sink.described.is_array), (field_type, True))
            self.assertEqual(len(first.value), 0)
            yield handle.put(values, True)
            # QSRV 2 sometimes sends old memory contents before the first values of an array.
            yield self.server.run(f'dbpf("{name}.PROC", "1")')
            yield sink.until("reading", lambda received: list(received.value) == values)  # noqa: B023
            answer = yield handle.get()
            self.assertEqual(list(answer.value), values)

    @inlineCallbacks
    def test_put(self) -> Generator[Deferred[Any], Any, None]:
        """Values are written; invalid ones are refused with what was expected."""
        backend = yield self.start()
        for name, value, after in (
            ("double", 2, 2.0),
            ("int32", -5, -5),
            ("int64", 2**62 + 1, 2**62 + 1),
            ("text", "grün", "grün"),
            ("enum", "two", 2),
            ("enum", 1, 1),
            ("bit", 1, 1),
        ):
            _, handle, _ = yield self.monitor(backend, name)
            yield handle.put(value, True)
            answer = yield handle.get()
            self.assertEqual(answer.value, after, name)
            handle.close()
        refused: tuple[tuple[str, Any, str], ...] = (
            ("double", "12", "expected a number, got the string '12'"),
            ("double", math.nan, "expected finite numbers"),
            ("double", [1], "expected a number, got an array"),
            ("int32", 1.5, "expected a whole number, got a fraction"),
            ("int32", 2**31, "expected numbers from -2147483648 to 2147483647"),
            ("int64", 2**63, f"expected numbers from {-(2**63)} to {2**63 - 1}"),
            ("enum", 3, f"{LABELS}, got 3"),
            ("enum", "three", f"{LABELS}, got 'three'"),
            ("text", 5, "expected a string, got the number 5"),
        )
        for name, wrong, text in refused:
            _, handle, _ = yield self.monitor(backend, name)
            error = yield self.assertFailure(handle.put(wrong, True), BadValueError)
            self.assertEqual(str(error), text)
            handle.close()

    @inlineCallbacks
    def test_completion(self) -> Generator[Deferred[Any], Any, None]:
        """A put with completion ends with the record; one without keeps its place in the order."""
        backend = yield self.start()
        _, handle, _ = yield self.monitor(backend, "slow.A")
        done: list[str] = []
        first = handle.put(1, True).addCallback(lambda _: done.append("first"))
        second = handle.put(2, True).addCallback(lambda _: done.append("second"))
        yield handle.put(3, False).addCallback(lambda _: done.append("plain"))
        self.assertEqual(done, ["plain"])
        yield first
        yield second
        self.assertEqual(done, ["plain", "first", "second"])
        answer = yield handle.get()
        self.assertEqual(answer.value, 3)

    @inlineCallbacks
    def test_refused_put(self) -> Generator[Deferred[Any], Any, None]:
        """A refusal of the IOC is reported with its text."""
        backend = yield self.start()
        _, handle, _ = yield self.monitor(backend, "disabled")
        error = yield self.assertFailure(handle.put(1, True), PutFailedError, AccessError)
        self.assertIn("disab", str(error).lower())

    @inlineCallbacks
    def test_lost_put(self) -> Generator[Deferred[Any], Any, None]:
        """A pending put fails when the IOC is lost."""
        backend = yield self.start()
        sink, handle, _ = yield self.monitor(backend, "slow.A")
        under_way, waiting = handle.put(1, True), handle.put(2, True)
        yield handle.get()
        self.server.kill()
        error = yield self.assertFailure(under_way, PutFailedError)
        self.assertEqual(str(error), "the IOC was lost before the record had finished")
        error = yield self.assertFailure(waiting, PutFailedError)
        self.assertEqual(str(error), "the IOC was lost; nothing was written")
        yield sink.until("connection", lambda connected: not connected)

    @inlineCallbacks
    def test_metadata(self) -> Generator[Deferred[Any], Any, None]:
        """A change of units, limits or labels is reported as metadata, not as an update."""
        backend = yield self.start()
        sink, _, _ = yield self.monitor(backend, "double")
        labels, _, _ = yield self.monitor(backend, "enum")
        yield self.server.run('dbpf("double.EGU", "km")')
        described = yield sink.until("metadata", lambda received: received.units == "km")
        self.assertEqual(described.precision, 3)
        yield self.server.run('dbpf("enum.TWST", "deux")')
        yield labels.until(
            "metadata", lambda received: received.enum_strs == ("zero", "one", "deux")
        )
        self.assertEqual((len(sink.readings), len(labels.readings)), (1, 1))

    @inlineCallbacks
    def test_burst(self) -> Generator[Deferred[Any], Any, None]:
        """After a burst there are no further updates: a restarted subscription causes none."""
        backend = yield self.start()
        sink, _, _ = yield self.monitor(backend, "int32")
        for value in range(20, 40):
            yield self.server.run(f'dbpf("int32", "{value}")')
        yield sink.until("reading", lambda received: received.value == 39)
        yield deferLater(reactor, allowed(0.6))
        received = [(reading.value, reading.timestamp) for reading in sink.readings]
        self.assertEqual(len(set(received)), len(received))
        yield self.server.run('dbpf("int32", "1")')
        yield sink.until("reading", lambda received: received.value == 1)


class OldRecordTests(RecordTests):
    """The same with QSRV 1, which describes types by number."""

    kind = "ioc1"

    @inlineCallbacks
    def test_refused_put(self) -> Generator[Deferred[Any], Any, None]:
        """A disabled record is not written, although this server reports success."""
        backend = yield self.start()
        _, handle, first = yield self.monitor(backend, "disabled")
        yield handle.put(1, True)
        answer = yield handle.get()
        self.assertEqual(answer.value, first.value)
