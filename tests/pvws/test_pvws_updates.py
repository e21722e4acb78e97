"""Updates of real records in PVWS's format: types, metadata, severities, losses."""

from __future__ import annotations

import json
import math
import time
from base64 import b64decode
from typing import Any

import numpy as np
from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks

from pycawamp.access import Policy
from pycawamp.config.settings import DialectSettings
from tests.support.dialect_case import PVWSTestCase, has_value
from tests.support.timing import allowed

RECORDS = """
record(ao, "$(P)double") {
    field(VAL, "1.5") field(EGU, "mm") field(PREC, "3") field(HOPR, "10") field(LOPR, "-10")
    field(HIHI, "9") field(HIGH, "8") field(LOW, "-8") field(LOLO, "-9") field(HHSV, "MAJOR")
    field(HSV, "MINOR") field(LSV, "MINOR") field(LLSV, "MAJOR") field(PINI, "YES")
}
record(longout, "$(P)long") { field(VAL, "-7") field(EGU, "counts") field(PINI, "YES") }
record(mbbo, "$(P)enum") {
    field(ZRST, "Idle") field(ONST, "Grün") field(ONVL, "1") field(TWVL, "2") field(VAL, "1")
    field(PINI, "YES")
}
record(bo, "$(P)bare") { field(VAL, "1") field(PINI, "YES") }
record(stringout, "$(P)string") { field(VAL, "a \\"quote\\"") field(PINI, "YES") }
record(calcout, "$(P)nan") { field(CALC, "0/0") field(PINI, "YES") }
record(calcout, "$(P)infinite") { field(CALC, "A") field(A, "-Inf") field(PINI, "YES") }
record(waveform, "$(P)doubles") {
    field(FTVL, "DOUBLE") field(NELM, "4") field(EGU, "V") field(INP, {const:[1.5, -2]})
    field(PINI, "YES")
}
record(waveform, "$(P)floats") {
    field(FTVL, "FLOAT") field(NELM, "4") field(INP, {const:[0.1]}) field(PINI, "YES")
}
record(waveform, "$(P)longs") {
    field(FTVL, "LONG") field(NELM, "4") field(INP, {const:[-1, 100000]}) field(PINI, "YES")
}
record(waveform, "$(P)shorts") {
    field(FTVL, "SHORT") field(NELM, "4") field(INP, {const:[-1, 300]}) field(PINI, "YES")
}
record(waveform, "$(P)chars") {
    field(FTVL, "UCHAR") field(NELM, "4") field(INP, {const:[200, 65]}) field(PINI, "YES")
}
record(waveform, "$(P)strings") {
    field(FTVL, "STRING") field(NELM, "4") field(INP, {const:["a", "b,c"]}) field(PINI, "YES")
}
record(waveform, "$(P)none") { field(FTVL, "DOUBLE") field(NELM, "4") field(PINI, "YES") }
record(waveform, "$(P)char") {
    field(FTVL, "CHAR") field(NELM, "1") field(INP, {const:[-5]}) field(PINI, "YES")
}
record(waveform, "$(P)float") {
    field(FTVL, "FLOAT") field(NELM, "1") field(INP, {const:[0.1]}) field(PINI, "YES")
}
record(calc, "$(P)count") { field(CALC, "VAL+1") }
"""
HEAD = ["type", "pv", "vtype"]
DISPLAY = [
    *("units", "description", "precision", "min", "max"),
    *("warn_low", "warn_high", "alarm_low", "alarm_high"),
]
TAIL = ["readonly", "seconds", "nanos"]


class UpdateTests(PVWSTestCase):
    """Messages about records."""

    @inlineCallbacks
    def test_double(self) -> Any:
        """The first update has all members, in PVWS's order."""
        _, _, client = yield self.start_all(RECORDS)
        update = yield self.first(client, "double")
        self.assertEqual(list(update), [*HEAD, *DISPLAY, "severity", "value", *TAIL])
        self.assertLess(abs(update.pop("seconds") - time.time()), allowed(60))
        self.assertIn(update.pop("nanos"), range(10**9))
        self.assertEqual(
            update,
            {
                "type": "update",
                "pv": f"{self.prefix}double",
                "vtype": "VDouble",
                "units": "mm",
                "description": "",
                "precision": 3,
                "min": -10,
                "max": 10,
                "warn_low": -8,
                "warn_high": 8,
                "alarm_low": -9,
                "alarm_high": 9,
                "severity": "NONE",
                "value": 1.5,
                "readonly": False,
            },
        )

    @inlineCallbacks
    def test_types(self) -> Any:
        """Each type of record has its vtype and its form of value."""
        _, _, client = yield self.start_all(RECORDS)
        expected: dict[str, dict[str, Any]] = {
            "long": {"vtype": "VInt", "value": -7, "units": "counts", "precision": 0},
            "enum": {"vtype": "VEnum", "value": 1, "text": "Grün", "labels": ["Idle", "Grün"]},
            "bare": {"vtype": "VEnum", "value": 1, "text": "1", "labels": ["", ""]},
            "string": {"vtype": "VString", "text": 'a "quote"'},
            "nan": {"vtype": "VDouble", "value": "NaN", "severity": "INVALID"},
            "infinite": {"vtype": "VDouble", "value": "-Infinity", "alarm_low": "NaN"},
            "char": {"vtype": "VByte", "value": -5},
            "float": {"vtype": "VFloat", "value": 0.1},
            "strings": {"vtype": "VStringArray", "text": '["a","b,c"]'},
            "none": {"vtype": "VDoubleArray", "b64dbl": ""},
        }
        for name, expected_members in expected.items():
            update = yield self.first(client, name)
            self.assertEqual({key: update.get(key) for key in expected_members}, expected_members)
            is_text = expected_members["vtype"] in ("VString", "VStringArray", "VEnum")
            self.assertEqual("units" in update, not is_text, name)
            self.assertEqual(list(update)[-3:], TAIL, name)

    @inlineCallbacks
    def test_arrays(self) -> Any:
        """Arrays are base64 of little-endian numbers, also of one number, in each update."""
        _, _, client = yield self.start_all(RECORDS)
        expected: dict[str, tuple[str, str, str, list[float]]] = {
            "doubles": ("VDoubleArray", "b64dbl", "<f8", [1.5, -2]),
            "floats": ("VFloatArray", "b64flt", "<f4", [float(np.float32(0.1))]),
            "longs": ("VIntArray", "b64int", "<i4", [-1, 100000]),
            "shorts": ("VShortArray", "b64srt", "<i2", [-1, 300]),
            "chars": ("VByteArray", "b64byt", "|u1", [200, 65]),
        }
        for name, (vtype, member, dtype, values) in expected.items():
            update = yield self.first(client, name)
            self.assertEqual(update["vtype"], vtype)
            self.assertNotIn("value", update)
            got = np.frombuffer(b64decode(update[member], validate=True), dtype)
            self.assertEqual(got.tolist(), values)

    @inlineCallbacks
    def test_severity(self) -> Any:
        """The severity is in the first update and in those where it changes."""
        _, _, client = yield self.start_all(RECORDS)
        yield self.first(client, "double")
        brief = ["type", "pv", "value", "seconds", "nanos"]
        with_severity = ["type", "pv", "severity", "value", "seconds", "nanos"]
        for value, severity, members in (
            (2, "NONE", brief),
            (8.5, "MINOR", with_severity),
            (8.6, "MINOR", brief),
            (-9.5, "MAJOR", with_severity),
            (0, "NONE", with_severity),
            (1, "NONE", brief),
        ):
            self.write(client, "double", value)
            update = yield client.until(value=value)
            self.assertEqual(list(update), members)
            self.assertEqual(update.get("severity", severity), severity)

    @inlineCallbacks
    def test_metadata_changed(self) -> Any:
        """Changed units are sent to all clients with all members."""
        ioc, fixture, client = yield self.start_all(RECORDS)
        other = yield fixture.connect(path="pvws/pv")
        for each in (client, other):
            yield self.first(each, "double")
        yield ioc.query(f'dbpf("{self.prefix}double.EGU", "km")')
        for each in (client, other):
            update = yield each.until(units="km")
            self.assertEqual(list(update), [*HEAD, *DISPLAY, "severity", "value", *TAIL])
        self.write(client, "double", 3)
        update = yield other.until(value=3)
        self.assertNotIn("units", update)

    @inlineCallbacks
    def test_shared(self) -> Any:
        """Clients with the same PVs get the same bytes; a new client gets everything first."""
        _, fixture, client = yield self.start_all(RECORDS)
        yield self.first(client, "double")
        self.write(client, "double", 8.5)
        yield client.until(value=8.5)
        other = yield fixture.connect(path="pvws/pv")
        update = yield self.first(other, "double")
        self.assertEqual((update["value"], update["severity"]), (8.5, "MINOR"))
        self.write(client, "double", 8.75)
        yield client.until(value=8.75)
        yield other.until(value=8.75)
        self.assertEqual(client.payloads[-1], other.payloads[-1])
        self.assertEqual(
            sorted(json.loads(client.payloads[-1])), ["nanos", "pv", "seconds", "type", "value"]
        )

    @inlineCallbacks
    def test_lost(self) -> Any:
        """A lost PV has an update without a value; when it is back, one with all members."""
        ioc = yield self.start_ioc(RECORDS)
        fixture = yield self.start_gateway()
        client = yield fixture.connect(path="pvws/pv")
        names = ["double", "enum", "string", "doubles"]
        before = {}
        for name in names:
            before[name] = yield self.first(client, name)
        yield self.kill_ioc(ioc)
        for _ in names:
            lost = yield client.until(severity="UNDEFINED")
            self.assertEqual(list(lost), ["type", "pv", "severity", "value", "seconds", "nanos"])
            self.assertEqual(lost["value"], "NaN")
            self.assertLess(abs(lost["seconds"] - time.time()), allowed(60))
        late = yield fixture.connect(path="pvws/pv")
        lost = yield self.first(late, "enum")
        self.assertEqual((lost["severity"], lost["value"]), ("UNDEFINED", "NaN"))
        yield self.start_ioc(RECORDS)
        after: dict[str, dict[str, Any]] = {}
        while len(after) < len(names):
            update = yield client.until(has_value, type="update")
            after[update["pv"].removeprefix(self.prefix)] = update
        for name in names:
            for stamp in ("seconds", "nanos"):
                before[name].pop(stamp)
                after[name].pop(stamp)
        self.assertEqual(after, before)


class AbsenceTests(PVWSTestCase):
    """PVs that do not exist."""

    @inlineCallbacks
    def test_not_found(self) -> Any:
        """A PV that is not found has an update without a value, after a second."""
        _, _, client = yield self.start_all(RECORDS)
        started = reactor.seconds()
        self.send_request(client, "subscribe", "nowhere")
        update = yield client.receive()
        name = f"{self.prefix}nowhere"
        self.assertEqual(update, {"type": "update", "pv": name, "readonly": True})
        self.assertGreaterEqual(reactor.seconds() - started, 1.0)
        self.assertLess(reactor.seconds() - started, allowed(4.0))

    @inlineCallbacks
    def test_found_late(self) -> Any:
        """When a PV appears later, its update has all members."""
        fixture = yield self.start_gateway()
        client = yield fixture.connect(path="pvws/pv")
        self.send_request(client, "subscribe", "double")
        update = yield client.receive()
        self.assertNotIn("value", update)
        yield self.start_ioc(RECORDS)
        update = yield client.until(value=1.5)
        self.assertEqual(list(update), [*HEAD, *DISPLAY, "severity", "value", *TAIL])

    @inlineCallbacks
    def test_before_the_value(self) -> Any:
        """A writable PV is first reported as read-only, and then completely.

        cs-web-lib treats a PV as read-only on the first message about it, whatever that says.
        """
        _, fixture, first = yield self.start_all(RECORDS)
        name = f"{self.prefix}double"
        # The first opens the channel, the second finds it open.
        for client in (first, (yield fixture.connect(path=self.path))):
            self.send_request(client, "subscribe", "double")
            update = yield client.receive()
            self.assertEqual(update, {"type": "update", "pv": name, "readonly": True})
            # After a second without a value the first update is repeated.
            update = yield client.until(value=1.5)
            self.assertIs(update["readonly"], False)


class ReadOnlyTests(PVWSTestCase):
    """A gateway through which nobody may write."""

    policy = Policy()

    @inlineCallbacks
    def test_nothing_before_the_value(self) -> Any:
        """If a PV exists, the first message is its value."""
        _, _, client = yield self.start_all(RECORDS)
        names = ["double", "long", "enum", "doubles"]
        self.send_request(client, "subscribe", *names)
        for _ in names:
            update = yield client.receive()
            self.assertIn("vtype", update)
            self.assertIs(update["readonly"], True)


class ThrottleTests(PVWSTestCase):
    """Rates of updates."""

    dialects = DialectSettings(pvws_throttle=0.3, pvws_array_throttle=1.2)

    @inlineCallbacks
    def test_throttles(self) -> Any:
        """Scalars and arrays have different rates, with the newest value at the end of a pause."""
        ioc, _, client = yield self.start_all(RECORDS)
        for name in ("count", "longs"):
            yield self.first(client, name)
        started = reactor.seconds()
        number = 0
        while reactor.seconds() < started + 2.5:
            number += 1
            yield ioc.query(f'dbpf("{self.prefix}count.PROC", "1")')
            yield ioc.query(f'dbpf("{self.prefix}longs", "[{number}]")')
        yield client.until(value=number)
        last = np.array([number], "<i4").tobytes()
        yield client.until(
            lambda update: b64decode(update.get("b64int", "")) == last, type="update"
        )
        came: dict[str, list[float]] = {"count": [], "longs": []}
        for arrival, update in zip(client.arrivals, client.messages, strict=True):
            if has_value(update):
                came[update["pv"].removeprefix(self.prefix)].append(arrival)
        for name, pause in (("count", 0.3), ("longs", 1.2)):
            steps = np.diff(came[name][1:])
            # The first change comes at once; none comes sooner than the pause after another.
            self.assertGreater(steps.min(), 0.7 * pause, name)
            maximum = math.ceil((came[name][-1] - started) / pause) + 2
            self.assertLessEqual(len(came[name]), maximum, name)
            self.assertGreater(len(came[name]), 2, name)
        self.assertGreater(number, 20)

    @inlineCallbacks
    def test_lost_at_once(self) -> Any:
        """A lost PV is reported at once."""
        ioc = yield self.start_ioc(RECORDS)
        fixture = yield self.start_gateway()
        client = yield fixture.connect(path="pvws/pv")
        yield self.first(client, "longs")
        other = yield fixture.connect()
        other.send({"action": "connect", "pv": f"{self.prefix}longs"})
        yield ioc.query(f'dbpf("{self.prefix}longs", "[2]")')
        yield other.until(lambda message: message.get("value") == [2])
        yield self.kill_ioc(ioc)
        kept = yield client.until(lambda update: "b64int" in update)
        self.assertEqual(b64decode(kept["b64int"]), np.array([2], "<i4").tobytes())
        lost = yield client.receive()
        self.assertEqual(lost["severity"], "UNDEFINED")
