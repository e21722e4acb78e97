"""IOCs that start late, die, and change on restart; access given and revoked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks

from pycawamp.config.settings import GatewaySettings
from pycawamp.demo.process import SoftIOC
from pycawamp.testing import WebSocketTestClient
from tests.support.gateway_case import connect_all
from tests.support.ioc_case import IOCTestCase
from tests.support.timing import allowed

RECORD = 'record(ao, "$(P)a") { field(VAL, "1.5") field(EGU, "mm") field(PINI, "YES") }'
BEFORE = """
record(ao, "$(P)same") { field(VAL, "1.5") field(EGU, "mm") field(PINI, "YES") }
record(ao, "$(P)type") { field(VAL, "1.5") field(EGU, "mm") field(PINI, "YES") }
record(bo, "$(P)enum") { field(VAL, "1") field(ONAM, "On") field(PINI, "YES") }
record(waveform, "$(P)length") {
    field(FTVL, "LONG") field(NELM, "5") field(INP, {const:[1,2,3]}) field(PINI, "YES")
}
record(waveform, "$(P)array") {
    field(FTVL, "LONG") field(NELM, "5") field(INP, {const:[1,2,3]}) field(PINI, "YES")
}
record(stringout, "$(P)gone") { field(VAL, "text") field(PINI, "YES") }
"""
AFTER = """
record(ao, "$(P)same") { field(VAL, "2.5") field(EGU, "mm") field(PINI, "YES") }
record(stringout, "$(P)type") { field(VAL, "text") field(PINI, "YES") }
record(longout, "$(P)enum") { field(VAL, "7") field(EGU, "V") field(PINI, "YES") }
record(waveform, "$(P)length") {
    field(FTVL, "DOUBLE") field(NELM, "9") field(INP, {const:[1.5,2,3,4,5,6]}) field(PINI, "YES")
}
record(waveform, "$(P)array") {
    field(FTVL, "LONG") field(NELM, "1") field(INP, {const:[8]}) field(PINI, "YES")
}
"""
SECRETS = """
record(ao, "$(P)a") {
    field(VAL, "1.5") field(EGU, "mm") field(PINI, "YES") field(ASG, "secret")
}
record(stringout, "$(P)b") { field(VAL, "text") field(PINI, "YES") field(ASG, "secret") }
record(ao, "$(P)open") { field(VAL, "5") field(PINI, "YES") }
"""
READABLE = "ASG(DEFAULT) { RULE(1, WRITE) } ASG(secret) { RULE(1, READ) }"
UNREADABLE = "ASG(DEFAULT) { RULE(1, WRITE) } ASG(secret) { RULE(1, NONE) }"


class LifeTests(IOCTestCase):
    """Connections lost and found."""

    @inlineCallbacks
    def test_appears_late(self) -> Any:
        """A PV that is not found is reported as conn false in time, and as true when it appears."""
        fixture = yield self.start_gateway(GatewaySettings(connect_timeout=1))
        first, second = yield connect_all(fixture, 2)
        started = reactor.seconds()
        self.subscribe(first, "a")
        message = yield first.receive()
        self.assertEqual((message["msg_type"], message["conn"]), ("connection", False))
        self.assertGreater(reactor.seconds() - started, 0.9)
        self.assertLess(reactor.seconds() - started, allowed(2))
        self.subscribe(second, "a")
        message = yield second.receive()
        self.assertEqual(message["conn"], False)
        yield self.start_ioc(RECORD)
        for client in (first, second):
            message = yield client.receive()
            self.assertEqual((message["msg_type"], message.get("conn")), ("connection", True))
            message = yield client.receive()
            self.assertEqual((message["value"], message["units"]), (1.5, "mm"))

    @inlineCallbacks
    def test_restart(self) -> Any:
        """An IOC dies: conn false; it restarts: true and a value, whatever type the PV has now."""
        names = ("same", "type", "enum", "length", "array", "gone")
        ioc = yield self.start_ioc(BEFORE)
        fixture = yield self.start_gateway()
        client, neighbour, client_with_options = yield connect_all(fixture, 3)
        self.subscribe(client, *names)
        self.subscribe(neighbour, *reversed(names))
        client_with_options.send(
            {"action": "connect", "pv": self.prefix + "same", "metadata": True}
        )
        for each in (client, neighbour):
            yield self.until_all(each, dict.fromkeys(names, "monitor"))
        yield self.kill_ioc(ioc)
        for each in (client, neighbour):
            lost = yield self.until_all(each, dict.fromkeys(names, "connection"))
            self.assertEqual({message["conn"] for message in lost.values()}, {False})
        yield self.start_ioc(AFTER, ports=self.ports)
        for each in (client, neighbour):
            yield self.assert_after(each, names[:-1])
        yield client_with_options.until(value=2.5)
        received = [(each["msg_type"], each.get("conn")) for each in client_with_options.messages]
        found = [("connection", True), ("metadata", None), ("monitor", None)]
        self.assertEqual(received, [*found, ("connection", False), *found])

    @inlineCallbacks
    def until_all(self, client: WebSocketTestClient, types: dict[str, str]) -> Any:
        """Return the next message of a type for each PV; fires when all were received."""
        found: dict[str, Any] = {}
        while len(found) < len(types):
            message = yield client.receive()
            name = message["pvname"].removeprefix(self.prefix)
            if types[name] == message["msg_type"]:
                found[name] = message
        return found

    @inlineCallbacks
    def assert_after(self, client: WebSocketTestClient, names: tuple[str, ...]) -> Any:
        """A client gets a connection and a first value of each PV, and no old value."""
        expected = {
            "same": (2.5, 1, "mm"),
            "type": ("text", 1, None),
            "enum": (7, 1, "V"),
            "length": ([1.5, 2.0, 3.0, 4.0, 5.0, 6.0], 6, None),
            "array": (8, 1, None),
        }
        seen: dict[str, list[Any]] = {name: [] for name in names}
        while any(len(those) < 2 for those in seen.values()):
            message = yield client.receive()
            seen[message["pvname"].removeprefix(self.prefix)].append(message)
        for name, (connection, monitor, *_) in seen.items():
            self.assertEqual(connection["conn"], True)
            got = (monitor["value"], monitor["count"], monitor.get("units"))
            self.assertEqual(got, expected[name])


class AccessTests(IOCTestCase):
    """Read access, given and revoked by the IOC's access security."""

    @inlineCallbacks
    def allow(self, ioc: SoftIOC, rules: str) -> Any:
        """Make the IOC use other rules."""
        Path(self.rules).write_text(rules)
        yield ioc.query("asInit")

    @inlineCallbacks
    def start_secrets(self, rules: str) -> Any:
        """Run an IOC with some rules."""
        self.rules = self.mktemp()
        Path(self.rules).parent.mkdir(parents=True, exist_ok=True)
        Path(self.rules).write_text(rules)
        ioc = yield self.start_ioc(SECRETS, access=self.rules)
        return ioc

    @inlineCallbacks
    def assert_readable(self, client: WebSocketTestClient) -> Any:
        """A client gets that both PVs are connected, and their first values, with units."""
        values: dict[str, Any] = {}
        connected: set[str] = set()
        while len(values) < 2:
            message = yield client.receive()
            name = message["pvname"].removeprefix(self.prefix)
            if message["msg_type"] == "error" or message.get("conn") is False:
                # The IOC's refusal of a value may come before its change of rights, or after.
                self.assertNotIn(name, connected)
            elif message["msg_type"] == "connection":
                connected.add(name)
            else:
                self.assertIn(name, connected)
                values[name] = (message["value"], message.get("units"))
        self.assertEqual(values, {"a": (1.5, "mm"), "b": ("text", None)})

    @inlineCallbacks
    def assert_unreadable(self, client: WebSocketTestClient) -> Any:
        """A client gets that both PVs are not connected."""
        received: dict[str, bool] = {}
        while len(received) < 2:
            message = yield client.receive()
            if message["msg_type"] == "error":
                # The IOC's refusal of a value may come before its change of rights.
                self.assertEqual(message["code"], "refused")
            else:
                received[message["pvname"].removeprefix(self.prefix)] = message["conn"]
        self.assertEqual(received, {"a": False, "b": False})

    @inlineCallbacks
    def test_lost_and_regained(self) -> Any:
        """Revoked read access is reported as conn false; once it is back, true and a value."""
        ioc = yield self.start_secrets(READABLE)
        fixture = yield self.start_gateway()
        client, late = yield connect_all(fixture, 2)
        self.subscribe(client, "a", "b")
        yield self.assert_readable(client)
        for _ in range(2):
            yield self.allow(ioc, UNREADABLE)
            yield self.assert_unreadable(client)
            yield self.allow(ioc, READABLE)
            yield self.assert_readable(client)
        yield self.allow(ioc, UNREADABLE)
        yield self.assert_unreadable(client)
        self.subscribe(late, "a", "b")
        yield self.assert_unreadable(late)
        # Changes while it may not be read are not reported.
        ioc.command(f'dbpf("{self.prefix}a","99")')
        self.subscribe(client, "open")
        yield client.until(pvname=self.prefix + "open", value=5.0)
        self.assertNotIn(99, [message.get("value") for message in client.messages])

    @inlineCallbacks
    def test_given_late(self) -> Any:
        """A PV that may not be read is conn false at once; then true, with units."""
        ioc = yield self.start_secrets(UNREADABLE)
        client = yield self.start_client(GatewaySettings(connect_timeout=60))
        self.subscribe(client, "a", "b")
        yield self.assert_unreadable(client)
        yield self.allow(ioc, READABLE)
        yield self.assert_readable(client)
        # Updates continue as with any other PV.
        ioc.command(f'dbpf("{self.prefix}a","2.5")')
        monitor = yield client.receive()
        self.assertEqual((monitor["value"], monitor["units"]), (2.5, "mm"))
