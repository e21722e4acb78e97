"""text: values formatted as by EPICS tools."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.values import FieldType, Metadata
from tests.support.memory_gateway import MemoryGateway, send_request
from tests.support.version2_case import V2TestCase, like

VALUES = ["0", "1.5", "-2.25", "0.125", "3.14159265", "1234567.891", "123456789.125", "-98765432.5"]
VALUES += ["1e15", "2.5e16", "-3e300", "1e-12", "99.999", "0.5", "-0.5"]
PRECISIONS = [-1, 0, 1, 2, 3, 5, 8, 9, 15]


class TextTests(SynchronousTestCase):
    """Text of in-memory PVs."""

    def text(self, metadata: Metadata, value: Any) -> str | None:
        """Return the text that a client gets, if there is one."""
        gateway = MemoryGateway()
        gateway.backend.add("X", value, metadata)
        session, page = gateway.open()
        send_request(session, "connect", "X", text=True)
        gateway.flush_cycle()
        text: str | None = page.take()[-1].get("text")
        return text

    def test_no_precision(self) -> None:
        """A number without a precision is only rounded to its significant digits."""
        for kind, value, text in (
            (FieldType.DOUBLE, 2.5, "2.5"),
            (FieldType.DOUBLE, 3.0, "3"),
            (FieldType.DOUBLE, 0.1 + 0.2, "0.3"),
            (FieldType.DOUBLE, 1.5e300, "1.5e+300"),
            (FieldType.DOUBLE, math.nan, "nan"),
            (FieldType.FLOAT, float(np.float32(0.1)), "0.1"),
        ):
            self.assertEqual(self.text(Metadata(kind, 1), value), text)

    def test_precision(self) -> None:
        """Floating point has PREC digits, and an exponent if it is very large or small."""
        for value, precision, text in [
            (1.23456, 2, "1.23"),
            (1.0, 0, "1"),
            (-0.001, 2, "-0.00"),
            (1e17, 2, "1.00e+17"),
            (1.5, 10, "1.5000000000e+00"),
            (math.nan, 2, "nan"),
            (math.inf, 2, "inf"),
            (-math.inf, 2, "-inf"),
        ]:
            for kind in (FieldType.DOUBLE, FieldType.FLOAT):
                metadata = Metadata(kind, 1, precision=precision)
                self.assertEqual(self.text(metadata, value), text)

    def test_enums(self) -> None:
        """An enum is its label, or its index if it has none."""
        metadata = Metadata(FieldType.ENUM, 1, enum_strs=("Off", "On"))
        for value, text in [(0, "Off"), (1, "On"), (5, "5")]:
            self.assertEqual(self.text(metadata, value), text)

    def test_whole_numbers_and_strings(self) -> None:
        """Whole numbers and strings are unchanged."""
        for kind in (FieldType.LONG, FieldType.SHORT, FieldType.CHAR):
            self.assertEqual(self.text(Metadata(kind, 1), 42), "42")
        self.assertEqual(self.text(Metadata(FieldType.STRING, 1), 'a "b"\n'), 'a "b"\n')

    def test_long_strings(self) -> None:
        """A char array is the string up to its NUL, in Latin-1 if it is not UTF-8."""
        for raw, text in [
            (b"abc\0def", "abc"),
            (b"abc", "abc"),
            (b"", ""),
            (b"\0abc", ""),
            ("Grüße".encode(), "Grüße"),
            (b"a\xffb", "aÿb"),
            (b"x" * 98 + "°".encode()[:1], "x" * 98 + "\ufffd"),
        ]:
            value = np.frombuffer(raw, np.uint8)
            self.assertEqual(self.text(Metadata(FieldType.CHAR, 99), value), text)

    def test_arrays(self) -> None:
        """Arrays of strings are joined; arrays of numbers have no text."""
        self.assertEqual(self.text(Metadata(FieldType.STRING, 3), ["a", "b"]), "a b")
        for kind in (FieldType.DOUBLE, FieldType.FLOAT, FieldType.LONG, FieldType.ENUM):
            self.assertIsNone(self.text(Metadata(kind, 3), np.array([1, 2])))


class RealTextTests(V2TestCase):
    """Text of real records."""

    @inlineCallbacks
    def test_precision(self) -> Any:
        """For any value and PREC, numbers are formatted as by the IOC's own conversion."""
        ioc, _, client = yield self.start_all(
            """
            record(ao, "$(P)ao") { field(FLNK, "$(P)shown") }
            record(stringin, "$(P)shown") { field(INP, "$(P)ao") }
            """
        )
        for precision in PRECISIONS:
            yield self.dbpf(ioc, "ao.PREC", str(precision))
            # The IOC reports it with a separate event, which a get may overtake.
            while (yield self.send_request(client, "info", "ao"))["precision"] != precision:
                pass
            for value in VALUES:
                yield self.dbpf(ioc, "ao", value)
                got = yield self.send_request(client, "get", "ao", text=True)
                shown = yield self.value(client, "shown")
                self.assertEqual(got["text"], shown.strip(), (value, precision))

    @inlineCallbacks
    def test_changes(self) -> Any:
        """A changed PREC or label is used from the next update on; long strings are complete."""
        records = """
            record(ao, "$(P)ao") { field(VAL, "1.25") field(PREC, "2") field(PINI, "YES") }
            record(bo, "$(P)bo") { field(ZNAM, "Off") field(ONAM, "On") field(PINI, "YES") }
            record(lso, "$(P)lso") { field(SIZV, "300") }
        """
        ioc, _, client = yield self.start_all(records)
        for name in ("ao", "bo", "lso.VAL$"):
            client.send({"action": "connect", "pv": self.prefix + name, "text": True})
            yield client.until(like(msg_type="monitor"))
        first = [each["text"] for each in client.messages if each["msg_type"] == "monitor"]
        self.assertEqual(first, ["1.25", "Off", ""])
        for field, new in [("ao.PREC", "4"), ("bo.ONAM", "Open"), ("ao", "0.5"), ("bo", "1")]:
            yield self.dbpf(ioc, field, new)
        yield client.until(like(value=0.5, text="0.5000"))
        yield client.until(like(value=1, text="Open"))
        # The update may arrive before the put's reply.
        client.send({"action": "put", "pv": f"{self.prefix}lso.VAL$", "value": "ü" * 140})
        yield client.until(like(text="ü" * 140))
