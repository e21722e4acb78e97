"""Requests of PVWS clients, and errors."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from pycawamp.access import Policy
from tests.support.dialect_case import PVWSTestCase, has_value

RECORDS = """
record(ao, "$(P)a") { field(VAL, "1.5") field(PINI, "YES") }
record(ao, "$(P)b") { field(VAL, "2.5") field(PINI, "YES") }
record(ao, "$(P)double") { field(PINI, "YES") }
record(longout, "$(P)long") { field(PINI, "YES") }
record(mbbo, "$(P)enum") {
    field(ZRST, "Idle") field(ONST, "Busy") field(ZRVL, "0") field(ONVL, "1") field(PINI, "YES")
}
record(stringout, "$(P)string") { field(PINI, "YES") }
record(waveform, "$(P)char") { field(FTVL, "CHAR") field(NELM, "1") field(PINI, "YES") }
record(waveform, "$(P)chars") { field(FTVL, "CHAR") field(NELM, "40") field(PINI, "YES") }
record(waveform, "$(P)longs") { field(FTVL, "LONG") field(NELM, "4") field(PINI, "YES") }
record(bo, "$(P)bo") { field(ZNAM, "Off") field(ONAM, "On") field(PINI, "YES") }
"""
READABLE = "ASG(DEFAULT) { RULE(1, READ) }"


class RequestTests(PVWSTestCase):
    """Requests."""

    @inlineCallbacks
    def test_repeat(self) -> Any:
        """A repeated subscription is ignored; the same PV with its scheme is another one."""
        _, _, client = yield self.start_all(RECORDS)
        for kind in ("subscribe", "monitor"):
            self.send_request(client, kind, "a", "b", "a")
        for name in "ab":
            yield client.until(has_value, pv=self.prefix + name)
        self.send_request(client, "subscribe", "a")
        rest = yield self.barrier(client)
        self.assertEqual(rest, [])
        name = f"ca://{self.prefix}a"
        client.send({"type": "subscribe", "pvs": [name]})
        update = yield client.until(has_value)
        self.assertEqual((update["pv"], update["value"]), (name, 1.5))
        client.send({"type": "list"})
        received = yield client.receive()
        names = [f"{self.prefix}a", f"{self.prefix}b", name]
        self.assertEqual(received, {"type": "list", "pvs": names})

    @inlineCallbacks
    def test_clear(self) -> Any:
        """A cleared PV gets no more updates, and can be requested again."""
        _, fixture, client = yield self.start_all(RECORDS)
        other = yield fixture.connect(path="pvws/pv")
        for each in (client, other):
            yield self.first(each, "a")
        self.send_request(client, "clear", "a", "never")
        rest = yield self.barrier(client)
        self.assertEqual(rest, [])
        self.write(other, "a", 7)
        yield other.until(value=7)
        rest = yield self.barrier(client)
        self.assertEqual(rest, [])
        update = yield self.first(client, "a")
        self.assertEqual((update["vtype"], update["value"]), ("VDouble", 7))

    @inlineCallbacks
    def test_list(self) -> Any:
        """The list includes names that were never found."""
        _, _, client = yield self.start_all(RECORDS)
        client.send({"type": "list"})
        received = yield client.receive()
        self.assertEqual(received, {"type": "list", "pvs": []})
        self.send_request(client, "subscribe", "nowhere", "a")
        client.send({"type": "list"})
        received = yield client.until(type="list")
        self.assertEqual(received["pvs"], [f"{self.prefix}nowhere", f"{self.prefix}a"])

    @inlineCallbacks
    def test_names_of_other_types(self) -> Any:
        """Names that are not strings are converted to text."""
        _, _, client = yield self.start_all(RECORDS)
        client.send({"type": "subscribe", "pvs": [5, True, None, {}, ["x"], f"{self.prefix}a"]})
        yield client.until(pv=f"{self.prefix}a")
        client.send({"type": "list"})
        received = yield client.until(type="list")
        self.assertEqual(received["pvs"], ["5", "true", "null", f"{self.prefix}a"])

    @inlineCallbacks
    def test_ping(self) -> Any:
        """A ping is answered by a ping of the WebSocket, without a payload and without JSON."""
        _, _, client = yield self.start_all(RECORDS)
        pinged: Deferred[bytes] = Deferred()
        client.protocol.onPing = pinged.callback
        client.send({"type": "ping"})
        payload = yield pinged
        self.assertEqual(payload, b"")
        rest = yield self.barrier(client)
        self.assertEqual(rest, [])

    @inlineCallbacks
    def test_echo(self) -> Any:
        """An echo returns the same text."""
        _, _, client = yield self.start_all(RECORDS)
        text = '{ "body" : "Grüezi" ,  "type":"echo", "n": 1.50 }'
        client.send(text)
        yield client.receive()
        self.assertEqual(client.payloads, [text.encode()])

    @inlineCallbacks
    def test_mistakes(self) -> Any:
        """An invalid request is logged, not answered, and affects nobody else."""
        _, fixture, client = yield self.start_all(RECORDS)
        for text in (
            "no JSON",
            "[]",
            "{}",
            '{"type":5}',
            '{"type":"dance"}',
            '{"type":"subscribe"}',
            '{"type":"subscribe","pvs":"a"}',
            '{"type":"clear","pvs":{}}',
            '{"type":"write"}',
            '{"type":"write","pv":"X"}',
            '{"type":"write","value":1}',
            "{" * 1000,
        ):
            client.send(text)
        client.send(b"binary")
        update = yield self.first(client, "a")
        self.assertEqual(client.messages[1:], [update])
        counts = fixture.gateway.refusals.counts
        self.assertEqual(counts["pvws: unknown_action"], 1)
        self.assertEqual(counts["pvws: bad_json"], 2)
        self.assertGreater(counts["pvws: bad_request"], 3)

    @inlineCallbacks
    def test_refused(self) -> Any:
        """The reason why a PV has no value is an error; so is an unknown scheme."""
        fixture = yield self.start_gateway()
        client = yield fixture.connect(path=self.path)
        client.send({"type": "subscribe", "pvs": ["loc://x<VImage>"]})
        lost = yield client.receive()
        self.assertEqual((lost["severity"], lost["value"]), ("UNDEFINED", "NaN"))
        error = yield client.receive()
        start = "loc://x<VImage>: there is no type <VImage> here"
        self.assertTrue(error["message"].startswith(start), error)
        client.send({"type": "subscribe", "pvs": ["dev://x"]})
        error = yield client.receive()
        self.assertTrue(error["message"].startswith("dev://x: unknown scheme dev://"), error)

    @inlineCallbacks
    def test_many_at_once(self) -> Any:
        """500 subscriptions of one PV each, and a message of 128 KiB, exceed no limit."""
        records = RECORDS + "".join(
            f'record(ao, "$(P)n{number}") {{ field(VAL, "{number}") field(PINI, "YES") }}\n'
            for number in range(500)
        )
        _, fixture, client = yield self.start_all(records)
        names = [f"n{number}" for number in range(500)]
        for name in names:
            self.send_request(client, "subscribe", name)
        seen: set[str] = set()
        while len(seen) < len(names):
            update = yield client.until(has_value, type="update")
            seen.add(update["pv"])
        padded = json.dumps({"type": "subscribe", "pvs": [f"{self.prefix}a"]}).ljust(2**17)
        other = yield fixture.connect(path="pvws/pv")
        other.send(padded)
        yield other.until(pv=f"{self.prefix}a")
        self.assertEqual(dict(fixture.gateway.refusals.counts), {})


class WriteTests(PVWSTestCase):
    """Writes."""

    @inlineCallbacks
    def test_values(self) -> Any:
        """Numbers, and texts for numbers, are converted to the record's type."""
        _, _, client = yield self.start_all(RECORDS)
        expected: dict[str, list[tuple[Any, dict[str, Any]]]] = {
            "double": [
                (2, {"value": 2}),
                ("2.25", {"value": 2.25}),
                (" -3e2 ", {"value": -300}),
                ("0x1F", {"value": 31}),
                (True, {"value": 1}),
            ],
            "long": [(5.9, {"value": 5}), ("-6", {"value": -6}), ("7.9", {"value": 7})],
            "enum": [
                ("Busy", {"value": 1, "text": "Busy"}),
                (0, {"value": 0, "text": "Idle"}),
                ("1", {"value": 1, "text": "Busy"}),
                (0.0, {"value": 0, "text": "Idle"}),
            ],
            "bo": [("On", {"value": 1, "text": "On"}), ("0", {"value": 0, "text": "Off"})],
            "string": [("12", {"text": "12"}), (1.5, {"text": "1.5"}), (7, {"text": "7"})],
            "char": [(-5, {"value": -5}), (100, {"value": 100}), ("-128", {"value": -128})],
            "chars": [("Hé", {"b64byt": "SMOpAA=="}), ([65, 0], {"b64byt": "QQA="})],
            "longs": [
                ([1, "2", 3.7], {"b64int": "AQAAAAIAAAADAAAA"}),
                (9, {"b64int": "CQAAAA=="}),
                ([], {"b64int": ""}),
            ],
        }
        for name, cases in expected.items():
            yield self.first(client, name)
            for value, expected_value in cases:
                self.write(client, name, value)
                update = yield client.receive()
                self.assertEqual(update["pv"], self.prefix + name, (name, value))
                got = {key: update.get(key) for key in expected_value}
                self.assertEqual(got, expected_value, (name, value))

    @inlineCallbacks
    def test_bad_values(self) -> Any:
        """An invalid value is refused, with what was wrong; nothing is written."""
        _, _, client = yield self.start_all(RECORDS)
        for name, value, text in (
            ("double", "much", "expected a number, got 'much'"),
            ("double", "1_0", "expected a number, got '1_0'"),
            ("double", "nan", "expected finite numbers"),
            ("double", None, "expected a number, got null"),
            ("double", [1], "expected a number, got an array"),
            ("long", "1e99", "expected numbers from"),
            ("enum", "Gone", "expected one of 'Idle', 'Busy'"),
            ("enum", 1.5, "expected one of 'Idle', 'Busy'"),
            ("longs", "x", "expected a number, got 'x'"),
            ("longs", [1, 2, 3, 4, 5], "expected at most 4 elements"),
        ):
            if not any(name in message.get("pv", "") for message in client.messages):
                yield self.first(client, name)
            self.write(client, name, value)
            error = yield client.receive()
            self.assertEqual(error["type"], "error")
            start = f"Cannot write {self.prefix}{name}: "
            self.assertTrue(error["message"].startswith(start + text), error)

    @inlineCallbacks
    def test_unknown(self) -> Any:
        """Only PVs that the client has subscribed to are written."""
        _, _, client = yield self.start_all(RECORDS)
        self.write(client, "a", 5)
        error = yield client.receive()
        text = f"Cannot write unknown PV {self.prefix}a: you are not subscribed to it"
        self.assertEqual(error, {"type": "error", "message": text})
        update = yield self.first(client, "a")
        self.assertEqual(update["value"], 1.5)

    @inlineCallbacks
    def test_order(self) -> Any:
        """Writes are sent in order."""
        _, _, client = yield self.start_all(RECORDS)
        yield self.first(client, "double")
        for value in range(1, 101):
            self.write(client, "double", value)
        yield client.until(value=100)
        values = [update["value"] for update in client.messages if "value" in update]
        self.assertEqual(values, sorted(values))


class RightsTests(PVWSTestCase):
    """Refused writes."""

    policy = Policy()

    @inlineCallbacks
    def test_puts_are_off(self) -> Any:
        """If nobody may write, every PV is read-only."""
        _, _, client = yield self.start_all(RECORDS)
        update = yield self.first(client, "a")
        self.assertIs(update["readonly"], True)
        self.write(client, "a", 5)
        error = yield client.receive()
        self.assertEqual(error["type"], "error")
        self.assertIn(f"Cannot write {self.prefix}a: ", error["message"])


class IOCRightsTests(PVWSTestCase):
    """Access rights of the IOC."""

    @inlineCallbacks
    def test_ioc_rights(self) -> Any:
        """A PV that the IOC protects is read-only; a change is sent with all members."""
        access = self.mktemp()
        with open(access, "w") as file:
            file.write(READABLE)
        ioc = yield self.start_ioc(RECORDS, access=access)
        fixture = yield self.start_gateway()
        client = yield fixture.connect(path="pvws/pv")
        update = yield self.first(client, "a")
        self.assertIs(update["readonly"], True)
        self.write(client, "a", 5)
        error = yield client.receive()
        text = f"Cannot write {self.prefix}a: the IOC grants no write access"
        self.assertEqual(error, {"type": "error", "message": text})
        with open(access, "w") as file:
            file.write("ASG(DEFAULT) { RULE(1, WRITE) }")
        yield ioc.query("asInit")
        update = yield client.until(readonly=False)
        self.assertEqual((update["vtype"], update["value"]), ("VDouble", 1.5))
        self.write(client, "a", 5)
        update = yield client.until(value=5)
        self.assertNotIn("readonly", update)
