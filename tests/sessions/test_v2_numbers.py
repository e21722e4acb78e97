"""Numbers at the limits of their types: sent and written exactly."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import inlineCallbacks

from pycawamp.demo import softioc
from tests.support import stamping_ioc
from tests.support.version2_case import V2TestCase, like

PRECISIONS = range(18)
SINGLES = [0.0, 0.5, 0.1, -0.1, 2.25, 0.05, 1 / 3, 99.95, 0.9999999, -123.456, 8191.9375]
SINGLES += [9999999.0, 1e7, 10000001.0, 99999992.0, 1e8, 123456789.0, -1e8, 3.4e38, 1e-30, 1e16]
RECORDS = """
record(waveform, "$(P)single") {
    field(FTVL, "FLOAT") field(NELM, "1") field(FLNK, "$(P)shown")
}
record(stringin, "$(P)shown") { field(INP, "$(P)single") }
record(waveform, "$(P)singles") { field(FTVL, "FLOAT") field(NELM, "3") field(HOPR, "0.1") }
record(int64out, "$(P)whole") { field(FLNK, "$(P)digits") }
record(stringin, "$(P)digits") { field(INP, "$(P)whole") }
record(waveform, "$(P)wholes") { field(FTVL, "INT64") field(NELM, "3") }
record(ao, "$(P)double") {}
"""


def singles(precision: int) -> Iterator[float]:
    """Return values of a float32: the limits, and some of every third exponent or the next ones."""
    yield from SINGLES
    choose = random.Random(precision)
    for exponent in range(-9 + precision % 3, 20, 3):
        yield choose.uniform(-1, 1) * 10**exponent


class NumberTests(V2TestCase):
    """Numbers of real records."""

    @inlineCallbacks
    def test_single_precision(self) -> Any:
        """Text of single precision is the same as by the IOC, for any value and PREC."""
        ioc, _, client = yield self.start_all(RECORDS)
        wrong = []
        for precision in PRECISIONS:
            yield self.dbpf(ioc, "single.PREC", str(precision))
            # The IOC reports it with a separate event, which a get may overtake.
            while (yield self.send_request(client, "info", "single"))["precision"] != precision:
                pass
            for value in singles(precision):
                yield self.dbpf(ioc, "single", repr(value))
                got = yield self.send_request(client, "get", "single", text=True)
                shown = yield self.value(client, "shown")
                if got["text"] != shown.strip():
                    wrong.append((value, precision, got["text"], shown.strip()))
        self.assertEqual(wrong, [])

    @inlineCallbacks
    def test_single_limits(self) -> Any:
        """Limits of single precision have their shortest digits, as values do."""
        _, _, client = yield self.start_all(RECORDS)
        metadata = yield self.send_request(client, "info", "singles")
        self.assertEqual(metadata["display_limits"], [0.0, 0.1])

    @inlineCallbacks
    def test_whole_numbers(self) -> Any:
        """A 64-bit integer is written with all its digits; the nearest double is sent."""
        _, _, client = yield self.start_all(RECORDS)
        for whole in (2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**53, 12, 2**62 + 3):
            outcome = yield self.put(client, "whole", whole)
            self.assertEqual(outcome, "ok")
            got = yield self.value(client, "whole")
            self.assertEqual(got, float(whole))
            digits = yield self.value(client, "digits")
            self.assertEqual(digits, str(whole))
        refused = yield self.put(client, "whole", 2**64 - 1)
        self.assertEqual(refused, "put_failed")

    @inlineCallbacks
    def test_whole_arrays(self) -> Any:
        """Arrays of 64-bit integers too; a double is the nearest one."""
        ioc, _, client = yield self.start_all(RECORDS)
        numbers = [2**53 + 1, -(2**63) + 1, 5]
        outcome = yield self.put(client, "wholes", numbers)
        self.assertEqual(outcome, "ok")
        held = yield ioc.query(f'dbgf("{self.prefix}wholes")')
        for number in numbers:
            self.assertIn(str(number), held)
        for number in (2**53 + 1, 2**64 - 1):
            outcome = yield self.put(client, "double", number)
            self.assertEqual(outcome, "ok")
            got = yield self.value(client, "double")
            self.assertEqual(got, float(number))


STAMPED = """
record(ai, "$(P)number") { field(TSE, "-2") }
record(waveform, "$(P)array") { field(TSE, "-2") field(NELM, "3") }
record(stringin, "$(P)string") { field(TSE, "-2") }
record(waveform, "$(P)strings") { field(TSE, "-2") field(FTVL, "STRING") field(NELM, "3") }
"""


class StampTests(V2TestCase):
    """Time stamps of device support."""

    @inlineCallbacks
    def test_nanoseconds(self) -> Any:
        """A stamp with a second of nanoseconds or more is normalized: nine digits, always."""
        self.patch(softioc, "__file__", stamping_ioc.__file__)
        ioc = yield self.start_ioc(STAMPED)
        client = yield self.start_client()
        for name in ("number", "array", "string", "strings"):
            self.subscribe(client, name)
            yield client.until(like(msg_type="monitor"))
            for nanoseconds, expected in [
                (999_999_999, b"631153000.999999999"),
                (1_000_000_000, b"631153001.000000000"),
                (1_500_000_000, b"631153001.500000000"),
                (4_294_967_295, b"631153004.294967295"),
            ]:
                yield ioc.query(f"stamp {self.prefix}{name} 1000 {nanoseconds}")
                yield self.send_request(client, "get", name)
                self.assertIn(b'"timestamp":%b,' % expected, client.payloads[-1], name)
