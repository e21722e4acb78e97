"""Labels, units and strings that are not UTF-8; states without a label; empty arrays."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.support.version2_case import V2TestCase, like

LATIN = """
record(mbbo, "$(P)angle") {
    field(ZRST, "10 \xb0") field(ONST, "10 \xb5") field(TWST, "big") field(THST, "big")
    field(PINI, "YES")
}
record(ao, "$(P)ao") { field(EGU, "\xb0C") field(DESC, "10 \xb5m") }
record(stringout, "$(P)string") { field(VAL, "caf\xe9") field(PINI, "YES") }
record(waveform, "$(P)strings") { field(FTVL, "STRING") field(NELM, "3") }
"""
UTF8 = """
record(ao, "$(P)utf8") { field(EGU, "12345 °C") }
"""
STATES = """
record(mbbo, "$(P)states") {
    field(ZRST, "a") field(ZRVL, "5") field(ONVL, "6") field(TWST, "c") field(TWVL, "7")
    field(FRVL, "9")  field(PINI, "YES")
}
record(waveform, "$(P)enums") { field(FTVL, "ENUM") field(NELM, "3") }
record(ao, "$(P)ao") { field(DESC, "") }
"""
ARRAYS = "".join(
    f'record(waveform, "$(P){kind}") {{ field(FTVL, "{kind}") field(NELM, "3") }}'
    for kind in ("DOUBLE", "FLOAT", "LONG", "SHORT", "CHAR", "ENUM", "INT64", "STRING")
)


class LatinTests(V2TestCase):
    """An IOC whose files are in Latin-1."""

    @inlineCallbacks
    def test_latin_texts(self) -> Any:
        """Labels, units and strings of an IOC that are not UTF-8 are read as Latin-1."""
        _, _, client = yield self.start_all(LATIN_AND_UTF8)
        angle = yield self.send_request(client, "info", "angle")
        self.assertEqual(angle["enum_strs"], ["10 °", "10 µ", "big", "big"])
        for name, units in [("ao", "°C"), ("utf8", "12345 \ufffd")]:
            described = yield self.send_request(client, "info", name)
            self.assertEqual(described["units"], units)
        for name, text in [("string", "café"), ("ao.DESC$", "10 µm"), ("angle", "10 °")]:
            got = yield self.send_request(client, "get", name, text=True)
            self.assertEqual(got["text"], text)

    @inlineCallbacks
    def test_put_reported_labels(self) -> Any:
        """A label that is written as it was sent selects its state: the first, of equal ones."""
        _, _, client = yield self.start_all(LATIN_AND_UTF8)
        for label, state in [("10 µ", 1), ("10 °", 0), ("big", 2)]:
            outcome = yield self.put(client, "angle", label)
            self.assertEqual(outcome, "ok")
            got = yield self.send_request(client, "get", "angle", text=True)
            self.assertEqual((got["value"], got["text"]), (state, label))

    @inlineCallbacks
    def test_strings(self) -> Any:
        """A string that is written as it was sent reads the same."""
        _, _, client = yield self.start_all(LATIN_AND_UTF8)
        for name, value in [("string", "café"), ("strings", ["10 µ", "é"]), ("ao.EGU", "°C")]:
            outcome = yield self.put(client, name, value)
            self.assertEqual(outcome, "ok")
            got = yield self.value(client, name)
            self.assertEqual(got, value)


LATIN_AND_UTF8 = LATIN.encode("latin-1").decode("utf-8", "surrogateescape") + UTF8


class StateTests(V2TestCase):
    """States that Channel Access has no label for."""

    @inlineCallbacks
    def test_without_label(self) -> Any:
        """A state that has a value but no label is read and written by its number."""
        _, _, client = yield self.start_all(STATES)
        for state, text, raw in [(1, "1", "6"), (4, "4", "9"), (2, "c", "7"), (0, "a", "5")]:
            outcome = yield self.put(client, "states", state)
            self.assertEqual(outcome, "ok")
            got = yield self.send_request(client, "get", "states", text=True)
            self.assertEqual((got["value"], got["text"]), (state, text))
            raw_value = yield self.value(client, "states.RVAL")
            self.assertEqual(raw_value, int(raw))
        refused = yield self.send_request(client, "put", "states", value=16)
        expected = "expected one of 'a', 'c', or an index from 0 to 15, got 16"
        self.assertEqual((refused["code"], refused["message"]), ("bad_value", expected))

    @inlineCallbacks
    def test_menus(self) -> Any:
        """A menu with more than 16 choices has numbers beyond those."""
        ioc, _, client = yield self.start_all(STATES)
        yield self.dbpf(ioc, "ao.STAT", "UDF")
        info = yield self.send_request(client, "info", "ao.STAT")
        self.assertEqual(len(info["enum_strs"]), 16)
        got = yield self.send_request(client, "get", "ao.STAT", text=True)
        self.assertEqual((got["value"], got["text"]), (17, "17"))

    @inlineCallbacks
    def test_arrays(self) -> Any:
        """An array of enums has no labels: it contains any index."""
        _, _, client = yield self.start_all(STATES)
        outcome = yield self.put(client, "enums", [0, 16, 65535])
        self.assertEqual(outcome, "ok")
        got = yield self.value(client, "enums")
        self.assertEqual(got, [0, 16, 65535])
        for wrong in ([65536], [-1], ["a"]):
            refused = yield self.put(client, "enums", wrong)
            self.assertEqual(refused, "bad_value")


class EmptyArrayTests(V2TestCase):
    """Arrays of every type, and empty values."""

    @inlineCallbacks
    def test_put(self) -> Any:
        """`[]` empties an array, with `wait` and without."""
        _, _, client = yield self.start_all(ARRAYS)
        for kind in ("DOUBLE", "FLOAT", "LONG", "SHORT", "CHAR", "ENUM", "INT64", "STRING"):
            self.subscribe(client, kind)
            full = ["a", "b"] if kind == "STRING" else [1, 2]
            values: list[Any] = [full, []]
            for wait in (True, False):
                for value in values:
                    outcome = yield self.put(client, kind, value, wait=wait)
                    self.assertEqual(outcome, "ok")
                    got = yield self.send_request(client, "get", kind)
                    self.assertEqual((got["value"], got["count"]), (value, len(value)), kind)
            yield self.put(client, kind, full)
            before = len(client.messages)
            yield self.put(client, kind, [])
            # The update may come before the reply or after it.
            empty = like(msg_type="monitor", pvname=self.prefix + kind, value=[])
            while not any(map(empty, client.messages[before:])):
                yield client.receive()

    @inlineCallbacks
    def test_string_fields(self) -> Any:
        """A string field that is written as no characters is an empty string."""
        _, _, client = yield self.start_all(STATES)
        values: list[Any] = ["before", []]
        for value in values:
            outcome = yield self.put(client, "ao.DESC$", value)
            self.assertEqual(outcome, "ok")
        got = yield self.value(client, "ao.DESC")
        self.assertEqual(got, "")
