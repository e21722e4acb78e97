"""Writing the records of a real IOC."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.support.version2_case import V2TestCase, like

RECORDS = """
record(ao, "$(P)ao") { field(VAL, "1") field(PINI, "YES") field(PREC, "3") }
record(longout, "$(P)long") { field(VAL, "1") field(PINI, "YES") }
record(bo, "$(P)bo") { field(ZNAM, "Off") field(ONAM, "On") field(PINI, "YES") }
record(mbbo, "$(P)mbbo") {
    field(ZRST, "Idle") field(ONST, "VerifierBusyError") field(TWST, "Done") field(PINI, "YES")
}
record(stringout, "$(P)string") { field(VAL, "old") field(PINI, "YES") }
record(lso, "$(P)lso") { field(SIZV, "100") }
record(waveform, "$(P)doubles") { field(FTVL, "DOUBLE") field(NELM, "4") }
record(waveform, "$(P)floats") { field(FTVL, "FLOAT") field(NELM, "4") }
record(waveform, "$(P)shorts") { field(FTVL, "SHORT") field(NELM, "4") }
record(waveform, "$(P)longs") { field(FTVL, "LONG") field(NELM, "4") }
record(waveform, "$(P)chars") { field(FTVL, "CHAR") field(NELM, "8") }
record(waveform, "$(P)strings") { field(FTVL, "STRING") field(NELM, "3") }
record(waveform, "$(P)enums") { field(FTVL, "ENUM") field(NELM, "3") }
record(ao, "$(P)off") { field(DISP, "1") }
"""

GOOD: list[tuple[str, Any, Any]] = [
    ("ao", 2.5, 2.5),
    ("ao", -1e-300, -1e-300),
    ("ao", 7, 7),
    ("ao.PREC", 5, 5),
    ("long", 2**31 - 1, 2**31 - 1),
    ("long", -(2**31), -(2**31)),
    ("long", 3.0, 3),
    ("bo", "On", 1),
    ("bo", 0, 0),
    ("mbbo", "Done", 2),
    ("mbbo", 15, 15),
    ("mbbo", 1, 1),
    ("ao.SCAN", "1 second", 6),
    ("ao.SCAN", 0, 0),
    ("string", "Grüezi", "Grüezi"),
    ("string", "", ""),
    ("string", "x" * 39, "x" * 39),
    ("ao.DESC", "a text", "a text"),
    ("ao.DESC$", "a text", [*b"a text\0"]),
    ("lso.VAL$", "x" * 99, [*b"x" * 99, 0]),
    ("doubles", [1, 2.5, -3, 1e300], [1, 2.5, -3, 1e300]),
    ("doubles", [], []),
    ("doubles", [5], [5]),
    ("floats", [0.1, 16777216], [0.1, 16777216]),
    ("shorts", [-32768, 32767], [-32768, 32767]),
    ("longs", [-(2**31), 0], [-(2**31), 0]),
    ("chars", "hé", [*"hé".encode(), 0]),
    ("chars", [0, 255], [0, 255]),
    ("strings", ["a", "", "ü"], ["a", "", "ü"]),
    ("enums", [1, 15, 300], [1, 15, 300]),
]
WRONG_NUMBERS: list[Any] = ["2", True, None, [1], {}, ""]
BAD: list[tuple[str, Any]] = [
    *(("ao", value) for value in WRONG_NUMBERS),
    *(("long", value) for value in (0.5, 2**31, -(2**31) - 1, 1e300, "1", False)),
    *(("bo", value) for value in (16, 2**16, -1, "on", "", 1.5, True, None, ["On"])),
    *(("mbbo", value) for value in (16, "Gone", 2**40)),
    *(("string", value) for value in ("x" * 40, "ü" * 20, 5, "a\0b", None, ["a"])),
    *(("ao.DESC$", value) for value in ("x" * 41, 5)),
    *(("doubles", value) for value in ([1] * 5, 1, "1", [None], [[1]], [1, "2"], [True])),
    *(("shorts", value) for value in ([32768], [0.5], [-32769])),
    *(("floats", value) for value in ([1e39], [-1e39, 0])),
    *(("chars", value) for value in ("x" * 8, [256], [-1], "üüüü")),
    *(("strings", value) for value in (["x" * 40], ["a"] * 4, [1], "a")),
]


class PutTests(V2TestCase):
    """Puts to records of all kinds, through a gateway that lets anyone."""

    @inlineCallbacks
    def test_values(self) -> Any:
        """Valid values are written completely; others are refused, and the record unchanged."""
        _, _, client = yield self.start_all(RECORDS)
        for name, value, expected in GOOD:
            outcome = yield self.put(client, name, value)
            got = yield self.value(client, name)
            self.assertEqual((outcome, got), ("ok", expected), (name, value))
        before = {}
        for name in dict(BAD):
            before[name] = yield self.value(client, name)
        for number, (name, value) in enumerate(BAD):
            keys = {"pv": self.prefix + name, "value": value}
            client.send({"action": "put", "id": f"bad {number}", **keys})
        for number, (name, value) in enumerate(BAD):
            reply = yield client.until(like(id=f"bad {number}"))
            self.assertEqual(reply.get("code"), "bad_value", (name, value))
        for name, value in before.items():
            got = yield self.value(client, name)
            self.assertEqual(got, value, name)

    @inlineCallbacks
    def test_order(self) -> Any:
        """A client's puts to one PV reach the record in order, with completion or without."""
        records = """
            record(ao, "$(P)ao") { field(FLNK, "$(P)history") }
            record(compress, "$(P)history") {
                field(ALG, "Circular Buffer") field(INP, "$(P)ao") field(NSAM, "300")
            }
        """
        _, _, client = yield self.start_all(records)
        for number in range(1, 201):
            keys = {"pv": self.prefix + "ao", "value": number, "wait": number % 3 == 0}
            client.send({"action": "put", "id": f"put {number}", **keys})
        while sum("ok" in message for message in client.messages) < 200:
            yield client.until(like(ok=True))
        got = yield self.value(client, "history")
        self.assertEqual(got, [float(number) for number in range(1, 201)])

    @inlineCallbacks
    def test_answers(self) -> Any:
        """A put is answered when done, or when sent; `forbidden` if the IOC protects the record."""
        _, _, client = yield self.start_all(RECORDS)
        client.send({"action": "connect", "pv": self.prefix + "ao"})
        yield client.until(like(msg_type="monitor", value=1))
        reply = yield self.send_request(client, "put", "ao", value=9, wait=False)
        self.assertEqual(list(reply), ["msg_type", "pvname", "ok", "id"])
        self.assertEqual((reply["msg_type"], reply["ok"]), ("put", True))
        got = yield self.value(client, "ao")
        self.assertEqual(got, 9)
        for name, value, code in [("ao.NAME", "other", "forbidden"), ("off", 5, "put_failed")]:
            outcome = yield self.put(client, name, value)
            self.assertEqual(outcome, code, name)
        info = yield self.send_request(client, "info", "ao.NAME")
        self.assertFalse(info["write_access"])
