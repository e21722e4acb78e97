"""Metadata and alarms, from a real IOC."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from pycawamp.testing import WebSocketTestClient
from tests.support.version2_case import V2TestCase, kinds, like

RECORDS = """
record(ao, "$(P)ao") {
    field(VAL, "1.5")   field(PINI, "YES")  field(EGU, "mm")    field(PREC, "3")
    field(HOPR, "10")   field(LOPR, "-10")  field(DRVH, "5")    field(DRVL, "-5")
    field(HIHI, "9")    field(HHSV, "MAJOR")
    field(HIGH, "8")    field(HSV, "MINOR")
    field(LOW, "-8")    field(LSV, "MINOR")
    field(LOLO, "-9")   field(LLSV, "MAJOR")
}
record(mbbo, "$(P)mbbo") {
    field(ZRST, "Off")  field(ONST, "On")   field(TWST, "Broken") field(TWSV, "MAJOR")
    field(VAL, "1")     field(PINI, "YES")
}
record(longout, "$(P)long") { field(VAL, "7") field(PINI, "YES") }
record(stringout, "$(P)string") { field(VAL, "here") field(PINI, "YES") }
record(waveform, "$(P)array") { field(FTVL, "FLOAT") field(NELM, "3") field(EGU, "V") }
"""
ACCESS = """
ASG(DEFAULT) { RULE(1, READ) RULE(1, WRITE) }
ASG(READONLY) { RULE(1, READ) }
ASG(SECRET) { RULE(1, NONE) }
"""
NO_LIMITS = """
record(ao, "$(P)plain") {}
record(waveform, "$(P)single") { field(FTVL, "FLOAT") field(NELM, "3") }
"""
CHANGES = [("READONLY", False), ("DEFAULT", True)] * 3
LIMITS = ("display_limits", "control_limits", "alarm_limits", "warning_limits")
ASKED = {"metadata": True}


class MetadataTests(V2TestCase):
    """Clients with metadata, of the records of a real IOC."""

    def connect(self, client: WebSocketTestClient, name: str, **options: Any) -> None:
        """Subscribe with options."""
        client.send({"action": "connect", "pv": self.prefix + name, **options})

    @inlineCallbacks
    def first(
        self, client: WebSocketTestClient, name: str
    ) -> Generator[Deferred[Any], Any, list[dict[str, Any]]]:
        """Return the first messages of a PV: connection, metadata, monitor."""
        self.connect(client, name, **ASKED)
        messages = []
        for _ in range(3):
            message = yield client.receive()
            messages.append(message)
        self.assertEqual(kinds(messages), ["connection", "metadata", "monitor"])
        return messages

    @inlineCallbacks
    def test_first(self) -> Any:
        """Metadata comes between connection and first value, with the keys that apply."""
        _, _, client = yield self.start_all(RECORDS)
        common = {"count": 1, "read_access": True, "write_access": True}
        cases: dict[str, dict[str, Any]] = {
            "ao": {
                "type": "double",
                "units": "mm",
                "precision": 3,
                "display_limits": [-10, 10],
                "control_limits": [-5, 5],
                "alarm_limits": [-9, 9],
                "warning_limits": [-8, 8],
            },
            "mbbo": {"type": "enum", "enum_strs": ["Off", "On", "Broken"]},
            "long": {
                "type": "long",
                **{key: [0, 0] for key in LIMITS},
            },
            "string": {"type": "string"},
            "array": {
                "type": "float",
                "count": 3,
                "units": "V",
                "precision": 0,
                **{key: [0, 0] for key in LIMITS[:2]},
                **{key: [None, None] for key in LIMITS[2:]},
            },
        }
        for name, expected_value in cases.items():
            _, metadata, _ = yield self.first(client, name)
            host = metadata.pop("host")
            self.assertEqual(host, f"localhost:{self.ports.server}")
            pvname = self.prefix + name
            expected = {"msg_type": "metadata", "pvname": pvname, **common, **expected_value}
            self.assertEqual(metadata, expected)
            info = yield self.send_request(client, "info", name)
            del info["id"], info["host"]
            self.assertEqual((list(info), info), (list(metadata), expected))

    @inlineCallbacks
    def test_changes(self) -> Any:
        """A change of units, precision, limits or a label is sent at once, without a value."""
        ioc, _, client = yield self.start_all(RECORDS)
        changes = [
            ("ao", "EGU", "cm", "units", "cm"),
            ("ao", "PREC", "1", "precision", 1),
            ("ao", "HOPR", "20", "display_limits", [-10, 20]),
            ("ao", "DRVH", "6", "control_limits", [-5, 6]),
            ("ao", "HIHI", "9.5", "alarm_limits", [-9, 9.5]),
            ("ao", "LOW", "-7", "warning_limits", [-7, 8]),
            ("mbbo", "ZRST", "Away", "enum_strs", ["Away", "On", "Broken"]),
        ]
        for name in ("ao", "mbbo"):
            yield self.first(client, name)
        for name, field, new, key, expected_value in changes:
            yield self.dbpf(ioc, f"{name}.{field}", new)
            metadata = yield client.until(msg_type="metadata")
            self.assertEqual(
                (metadata["pvname"], metadata[key]), (self.prefix + name, expected_value)
            )
        yield self.dbpf(ioc, "ao", "2")
        monitor = yield client.until(like(msg_type="monitor", value=2))
        self.assertEqual(monitor["units"], "cm")

    @inlineCallbacks
    def test_access_rights(self) -> Any:
        """A change of write access is sent; lost read access is a lost connection."""
        access = Path(self.mktemp())
        access.parent.mkdir(parents=True, exist_ok=True)
        access.write_text(ACCESS)
        ioc = yield self.start_ioc(RECORDS, access=str(access))
        client = yield self.start_client()
        yield self.first(client, "ao")
        for group, may_write in [("READONLY", False), ("DEFAULT", True)]:
            yield self.dbpf(ioc, "ao.ASG", group)
            metadata = yield client.until(msg_type="metadata")
            self.assertEqual(metadata["write_access"], may_write)
        yield self.dbpf(ioc, "ao.ASG", "SECRET")
        connection = yield client.until(msg_type="connection")
        self.assertFalse(connection["conn"])
        yield client.until(msg_type="metadata", read_access=False)
        info = yield self.send_request(client, "info", "ao")
        self.assertEqual((info["read_access"], info["write_access"]), (False, False))
        refused = yield self.send_request(client, "get", "ao")
        self.assertEqual(refused["code"], "forbidden")
        outcome = yield self.put(client, "ao", 1)
        self.assertEqual(outcome, "forbidden")
        yield self.dbpf(ioc, "ao.ASG", "DEFAULT")
        yield client.until(msg_type="connection", conn=True)
        yield client.until(msg_type="monitor", value=1.5)
        received = [each for each in client.messages if "value" not in each and "id" not in each]
        found = ["connection", "metadata"]
        self.assertEqual(kinds(received), [*found, "metadata", "metadata", *found, *found])

    @inlineCallbacks
    def test_one_change(self) -> Any:
        """A change of access is sent once, also for a record without alarm limits."""
        access = Path(self.mktemp())
        access.parent.mkdir(parents=True, exist_ok=True)
        access.write_text(ACCESS)
        ioc = yield self.start_ioc(NO_LIMITS, access=str(access))
        client = yield self.start_client()
        for name in ("plain", "single"):
            yield self.first(client, name)
            for number, (group, may_write) in enumerate(CHANGES, 1):
                before = len(client.messages)
                yield self.dbpf(ioc, f"{name}.ASG", group)
                yield self.dbpf(ioc, name, str(number))
                expected_value = yield self.send_request(client, "info", name)
                while (
                    expected_value["write_access"] != may_write or not expected_value["read_access"]
                ):
                    expected_value = yield self.send_request(client, "info", name)
                while not any(self.holds(each, number) for each in client.messages[before:]):
                    yield client.receive()
                received = [each for each in client.messages[before:] if "id" not in each]
                self.assertEqual(kinds(received).count("metadata"), 1, (name, group, received))

    @staticmethod
    def holds(message: dict[str, Any], number: int) -> bool:
        """Return whether this is an update with this number, of a scalar or an array."""
        return message.get("value") in (number, [number])

    @inlineCallbacks
    def test_version_1_unchanged(self) -> Any:
        """A Version 1 client gets no additional byte if another client uses all options."""
        ioc, fixture, plain = yield self.start_all(RECORDS)
        client_with_options = yield fixture.connect()
        for name in ("ao", "mbbo"):
            self.connect(plain, name)
            self.connect(client_with_options, name, metadata=True, text=True)
            yield plain.until(like(msg_type="monitor"))
            yield client_with_options.until(like(msg_type="monitor"))
        for name, new in [
            ("ao.PREC", "1"),
            ("ao.HOPR", "30"),
            ("mbbo.ZRST", "Away"),
            ("ao", "4.5"),
            ("mbbo", "2"),
        ]:
            yield self.dbpf(ioc, name, new)
        yield plain.until(like(value=2))
        yield client_with_options.until(like(value=2))
        stamps = {
            (message["pvname"], message["value"]): payload.split(b'"timestamp":')[1][:20]
            for message, payload in zip(
                client_with_options.messages, client_with_options.payloads, strict=True
            )
            if message["msg_type"] == "monitor"
        }
        ao, mbbo = self.prefix + "ao", self.prefix + "mbbo"

        def connection(name: str) -> bytes:
            return b'{"msg_type":"connection","pvname":"%b","conn":true}' % name.encode()

        def monitor(name: str, value: float, tail: bytes = b"") -> bytes:
            head = b'{"msg_type":"monitor","pvname":"%b","value":' % name.encode()
            middle = b'%b,"count":1,"timestamp":%b%b}'
            shown = str(value).encode()
            return head + middle % (shown, stamps[name, value], tail)

        self.assertEqual(
            plain.payloads,
            [
                connection(ao),
                monitor(ao, 1.5, b',"units":"mm"'),
                connection(mbbo),
                monitor(mbbo, 1),
                monitor(ao, 4.5, b',"units":"mm"'),
                monitor(mbbo, 2),
            ],
        )

    @inlineCallbacks
    def test_alarms(self) -> Any:
        """An alarm that changes without the value is an update, for every client."""
        ioc, fixture, client = yield self.start_all(RECORDS)
        plain = yield fixture.connect()
        _, _, monitor = yield self.first(client, "ao")
        self.connect(plain, "ao")
        yield plain.until(msg_type="monitor")
        self.assertEqual((monitor["severity"], monitor["status"]), ("NO_ALARM", "NO_ALARM"))
        for field, new, severity, status in [
            ("HIGH", "1", "MINOR", "HIGH"),
            ("HSV", "INVALID", "INVALID", "HIGH"),
            ("HIHI", "1.5", "MAJOR", "HIHI"),
        ]:
            yield self.dbpf(ioc, f"ao.{field}", new)
            yield self.dbpf(ioc, "ao.PROC", "1")
            monitor = yield client.until(msg_type="monitor")
            got = monitor["value"], monitor["severity"], monitor["status"]
            self.assertEqual(got, (1.5, severity, status))
            unseen = yield plain.until(msg_type="monitor")
            self.assertEqual((unseen["value"], "severity" in unseen), (1.5, False))
