"""Records of a real IOC, as Version 1 clients see them."""

from __future__ import annotations

import time
from typing import Any

from twisted.internet.defer import inlineCallbacks

from pycawamp.config.settings import GatewaySettings
from pycawamp.testing import WebSocketTestClient
from tests.support.ioc_case import IOCTestCase
from tests.support.timing import allowed

RECORDS = r"""
record(ao, "$(P)ao") { field(VAL, "1.5") field(EGU, "mm") field(PINI, "YES") field(DESC, "An ao") }
record(ao, "$(P)nan") { field(VAL, "NAN") field(PINI, "YES") }
record(ao, "$(P)longunit") { field(EGU, "123456789012345") field(PINI, "YES") }
record(ao, "$(P)degree") { field(EGU, "°C") field(PINI, "YES") }
record(ao, "$(P)never") { field(VAL, "5") }
record(longout, "$(P)long") { field(VAL, "-2147483648") field(EGU, "counts") field(PINI, "YES") }
record(int64out, "$(P)int64") { field(VAL, "1099511627776") field(PINI, "YES") }
record(bo, "$(P)bo") { field(VAL, "1") field(ZNAM, "Off") field(ONAM, "On") field(PINI, "YES") }
record(mbbo, "$(P)mbbo") {
    field(VAL, "2") field(ZRST, "a") field(ONST, "b") field(TWST, "c") field(PINI, "YES")
}
record(stringout, "$(P)string") { field(VAL, "Grüße 100% \"x\"") field(PINI, "YES") }
record(stringout, "$(P)latin") { field(VAL, "20 LATIN1C") field(PINI, "YES") }
record(lso, "$(P)lso") {
    field(SIZV, "100") field(OMSL, "closed_loop") field(PINI, "YES")
    field(DOL, {const:"This text is longer than the forty characters of a string."})
}
record(waveform, "$(P)chars") {
    field(FTVL, "CHAR") field(NELM, "100") field(PINI, "YES")
    field(INP, {const:"Hi"})
}
record(waveform, "$(P)doubles") {
    field(FTVL, "DOUBLE") field(NELM, "20") field(PINI, "YES") field(EGU, "V")
    field(INP, {const:[0,1,2,3,4,5,6,7,8,9,10,11.5]})
}
record(waveform, "$(P)floats") {
    field(FTVL, "FLOAT") field(NELM, "5") field(INP, {const:[0.1,0.2]}) field(PINI, "YES")
}
record(waveform, "$(P)shorts") {
    field(FTVL, "SHORT") field(NELM, "5") field(INP, {const:[-1,32767]}) field(PINI, "YES")
}
record(waveform, "$(P)empty") { field(FTVL, "LONG") field(NELM, "5") field(PINI, "YES") }
record(waveform, "$(P)one") {
    field(FTVL, "LONG") field(NELM, "5") field(INP, {const:[7]}) field(PINI, "YES")
}
record(waveform, "$(P)strings") {
    field(FTVL, "STRING") field(NELM, "5") field(INP, {const:["a","b"]}) field(PINI, "YES")
}
record(waveform, "$(P)scalar") {
    field(FTVL, "DOUBLE") field(NELM, "1") field(INP, {const:[7.5]}) field(PINI, "YES")
}
record(calc, "$(P)counter") { field(SCAN, ".1 second") field(CALC, "VAL+1") field(EGU, "s") }
"""
LONG_TEXT = "This text is longer than the forty characters of a string."
EPICS_EPOCH = 631152000


class RecordTests(IOCTestCase):
    """Every kind of channel."""

    @inlineCallbacks
    def first_messages(self, client: WebSocketTestClient, *names: str) -> Any:
        """Return the first messages of PVs of this test: connection and monitor of each."""
        self.subscribe(client, *names)
        messages: dict[str, list[Any]] = {name: [] for name in names}
        while any(len(those) < 2 for those in messages.values()):
            message = yield client.receive()
            name = message.get("pvname", "").removeprefix(self.prefix)
            if name not in messages:
                raise AssertionError(f"not requested: {message}")
            messages[name].append(message)
        return messages

    @inlineCallbacks
    def test_records(self) -> Any:
        """Each kind of record, field and filter has the documented value, count and units."""
        started = time.time()
        yield self.start_ioc(RECORDS)
        client = yield self.start_client()
        text = [*LONG_TEXT.encode()]
        expected: dict[str, tuple[Any, int, str | None]] = {
            "ao": (1.5, 1, "mm"),
            "ao.VAL": (1.5, 1, "mm"),
            "ao.EGU": ("mm", 1, None),
            "ao.DESC": ("An ao", 1, None),
            "ao.DESC$": ([*b"An ao\0"], 6, None),
            "ao.SCAN": (0, 1, None),
            "ao.DISP": (0, 1, None),
            'ao.{"dbnd":{"abs":1}}': (1.5, 1, "mm"),
            "nan": (None, 1, None),
            "degree": (0.0, 1, "°C"),
            "long": (-2147483648, 1, "counts"),
            "int64": (1099511627776, 1, None),
            "bo": (1, 1, None),
            "mbbo": (2, 1, None),
            "string": ('Grüße 100% "x"', 1, None),
            "lso": (LONG_TEXT[:39], 1, None),
            "lso.VAL$": ([*text, 0], len(text) + 1, None),
            "chars": ([*b"Hi\0"], 3, None),
            "doubles": ([*map(float, range(11)), 11.5], 12, "V"),
            'doubles.VAL{"arr":{"s":0,"e":9}}': ([*map(float, range(10))], 10, "V"),
            'doubles.{"arr":{"s":2,"e":2}}': (2.0, 1, "V"),
            "floats": ([0.1, 0.2], 2, None),
            "shorts": ([-1, 32767], 2, None),
            "empty": ([], 0, None),
            "one": ([7], 1, None),
            "strings": (["a", "b"], 2, None),
            "scalar": (7.5, 1, None),
        }
        messages = yield self.first_messages(client, *expected)
        for name, (value, count, units) in expected.items():
            connection, monitor = messages[name]
            pvname = self.prefix + name
            self.assertEqual(
                list(connection.items()),
                [("msg_type", "connection"), ("pvname", pvname), ("conn", True)],
            )
            stamp = monitor["timestamp"]
            items: list[tuple[str, Any]] = [("msg_type", "monitor"), ("pvname", pvname)]
            items += [("value", value), ("count", count), ("timestamp", stamp)]
            if units is not None:
                items.append(("units", units))
            self.assertEqual(list(monitor.items()), items)
            self.assertIsInstance(stamp, float)
            self.assertTrue(started - 1 < stamp < time.time(), f"{name}: {stamp}")

    @inlineCallbacks
    def test_odd_records(self) -> Any:
        """Truncated units, a record that never processed, and bytes that are not UTF-8."""
        # Not UTF-8: the one byte B0 stands for a degree sign.
        yield self.start_ioc(RECORDS.replace("LATIN1", "\udcb0"))
        client = yield self.start_client()
        messages = yield self.first_messages(client, "longunit", "never", "latin")
        units = messages["longunit"][1]["units"]
        self.assertTrue("123456789012345".startswith(units) and len(units) >= 7, units)
        never = messages["never"][1]
        self.assertEqual((never["value"], never["timestamp"]), (5.0, EPICS_EPOCH))
        self.assertEqual(messages["latin"][1]["value"], "20 °C")

    @inlineCallbacks
    def test_updates(self) -> Any:
        """Updates follow in the IOC's order with the IOC's stamps, a 10 Hz record's 0.1 s apart."""
        yield self.borrow_ioc(RECORDS)
        client = yield self.start_client()
        self.subscribe(client, "counter")
        updates: list[tuple[float, float]] = []
        while len(updates) < 8:
            monitor = yield client.until(msg_type="monitor")
            updates.append((monitor["value"], monitor["timestamp"]))
        # The first may be older than the subscription.
        values, stamps = zip(*updates[1:], strict=True)
        self.assertEqual(list(values), [values[0] + index for index in range(7)])
        self.assertApproximates(stamps[-1] - stamps[0], 0.6, allowed(0.15))

    @inlineCallbacks
    def test_growing_array(self) -> Any:
        """An array's updates have its current length, also one and zero."""
        ioc = yield self.borrow_ioc(RECORDS)
        client = yield self.start_client()
        yield self.first_messages(client, "one")
        for put, value in [("[1,2,3]", [1, 2, 3]), ("[]", []), ("[9]", [9])]:
            yield ioc.query(f"dbpf('{self.prefix}one','{put}')")
            monitor = yield client.until(msg_type="monitor")
            self.assertEqual((monitor["value"], monitor["count"]), (value, len(value)))

    @inlineCallbacks
    def test_deadband_filter(self) -> Any:
        """A channel filter applies to the client that requested it, and to no other."""
        ioc = yield self.borrow_ioc(RECORDS)
        client = yield self.start_client()
        filtered = 'ao.{"dbnd":{"abs":1}}'
        yield self.first_messages(client, "ao", filtered)
        for value in (1.75, 2.0, 9.0):
            yield ioc.query(f'dbpf("{self.prefix}ao","{value}")')
        yield client.until(pvname=self.prefix + "ao", value=9.0)
        if client.messages[-1]["pvname"] != self.prefix + filtered:
            yield client.until(pvname=self.prefix + filtered, value=9.0)
        got: dict[str, list[float]] = {"ao": [], filtered: []}
        for message in client.messages:
            if message["msg_type"] == "monitor":
                got[message["pvname"].removeprefix(self.prefix)].append(message["value"])
        self.assertEqual(got, {"ao": [1.5, 1.75, 2.0, 9.0], filtered: [1.5, 9.0]})

    @inlineCallbacks
    def test_bad_names(self) -> Any:
        """Names that no IOC has, or unusual ones, are not found; others are not affected."""
        yield self.borrow_ioc(RECORDS)
        client = yield self.start_client(GatewaySettings(connect_timeout=1))
        yield self.first_messages(client, "ao")
        odd = ("ao.NOFIELD", 'ao.{"bogus":{}}', "ao.{", "ao.VAL{", "ünder", "a b", "%s")
        for name in odd:
            client.send({"action": "connect", "pv": self.prefix + name})
        missing: set[str] = set()
        while len(missing) < len(odd):
            message = yield client.receive()
            self.assertEqual((message["msg_type"], message["conn"]), ("connection", False))
            missing.add(message["pvname"].removeprefix(self.prefix))
        self.assertEqual(missing, set(odd))
