"""States of a real IOC's values and metadata: missing, refused, empty, changed."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.support.twistd_case import LOOPBACK, TwistdTestCase
from tests.support.version2_case import V2TestCase, kinds, like, send_request

RECORDS = """
record(ao, "$(P)kept") { field(VAL, "5") field(PINI, "YES") field(EGU, "mm") field(PREC, "2") }
record(stringout, "$(P)word") { field(VAL, "here") field(PINI, "YES") }
record(ao, "$(P)disabled") { field(VAL, "1") field(PINI, "YES") field(DISP, "1") }
record(waveform, "$(P)one") { field(FTVL, "DOUBLE") field(NELM, "1") }
record(waveform, "$(P)float") { field(FTVL, "FLOAT") field(NELM, "1") }
record(waveform, "$(P)words") { field(FTVL, "STRING") field(NELM, "1") }
record(waveform, "$(P)three") { field(FTVL, "DOUBLE") field(NELM, "20") }
record(ao, "$(P)ao") { field(VAL, "1.25") field(PINI, "YES") field(EGU, "mm") field(PREC, "1") }
record(bo, "$(P)bo") { field(ZNAM, "Closed") field(ONAM, "Open") }
record(mbbo, "$(P)mbbo") { field(ZRST, "Off") field(ONST, "On") field(VAL, "1") field(PINI, "YES") }
"""
SLOWLY = {"text": True, "max_rate": 5, "batch": True}
SYNC = '.{"sync":{"m":"while","s":"red"}}'


class KeptBackTests(V2TestCase):
    """A PV that is connected, but has sent no event."""

    @inlineCallbacks
    def test_requests(self) -> Any:
        """Get, info and put need the connection and the metadata, not an event."""
        ioc, _, client = yield self.start_all(RECORDS)
        yield ioc.query("dbStateCreate red")
        for name, value, new in (("kept", 5.0, 6.0), ("word", "here", "there")):
            info = yield self.send_request(client, "info", name + SYNC)
            self.assertTrue(info["read_access"], info)
            if name == "kept":
                self.assertEqual((info["units"], info["precision"]), ("mm", 2))
            reply = yield self.send_request(client, "get", name + SYNC, text=True)
            self.assertEqual(reply["value"], value)
            outcome = yield self.put(client, name + SYNC, new)
            self.assertEqual(outcome, "ok")
            reply = yield self.send_request(client, "get", name + SYNC)
            self.assertEqual(reply["value"], new)

    @inlineCallbacks
    def test_subscription(self) -> Any:
        """A subscriber gets the connection and the metadata at once, and the value later."""
        ioc, _, client = yield self.start_all(RECORDS)
        yield ioc.query("dbStateCreate red")
        name = self.prefix + "kept" + SYNC
        client.send({"action": "connect", "pv": name, "metadata": True})
        yield client.until(like(msg_type="connection", conn=True))
        metadata = yield client.until(msg_type="metadata")
        self.assertEqual((metadata["pvname"], metadata["units"]), (name, "mm"))
        yield ioc.query("dbStateSet red")
        yield self.dbpf(ioc, "kept", "7")
        monitor = yield client.until(msg_type="monitor")
        self.assertEqual(monitor["value"], 7.0)
        self.assertEqual(kinds(client.messages), ["connection", "metadata", "monitor"])


class RefusalTests(V2TestCase):
    """A real IOC that refuses."""

    @inlineCallbacks
    def test_put(self) -> Any:
        """The error of a refused put has the IOC's text."""
        _, _, client = yield self.start_all(RECORDS)
        reply = yield self.send_request(client, "put", "disabled", value=3)
        self.assertEqual(reply["code"], "put_failed")
        self.assertIn("Channel write request failed", reply["message"])


class RefusalLogTests(TwistdTestCase):
    """Refusals of a real IOC, in the log."""

    @inlineCallbacks
    def test_put(self) -> Any:
        """A put without completion was answered: its refusal is a line with the PV's name."""
        yield self.start_ioc(RECORDS)
        run = self.twistd()
        ready = yield run.serve("--port", LOOPBACK, "--allow-put=anyone")
        client = yield self.connect(ready[1].replace("http", "ws") + "monitor")
        name = f"{self.prefix}disabled"
        reply = yield send_request(client, "put", pv=name, value=3, wait=False)
        self.assertTrue(reply["ok"])
        yield run.until_line(f"Channel write request failed .{name} of localhost:")


class NoValueTests(V2TestCase):
    """PVs without elements: no value is not 0."""

    @inlineCallbacks
    def test_scalars(self) -> Any:
        """A PV without an element is null with a count of 0, in every encoding."""
        ioc, fixture, client = yield self.start_all(RECORDS)
        plain = yield fixture.connect()
        cases = {
            "one": ("one", "2.5", 2.5),
            "float": ("float", "2.5", 2.5),
            "words": ("words", "a", "a"),
            'three.{"arr":{"s":2,"e":2}}': ("three", "[1,2,3]", 3.0),
        }
        for name, (record, text, value) in cases.items():
            client.send({"action": "connect", "pv": self.prefix + name, "text": True})
            plain.send({"action": "connect", "pv": self.prefix + name})
            monitor = yield client.until(like(msg_type="monitor", pvname=self.prefix + name))
            empty = (monitor["value"], monitor["count"], monitor["text"])
            self.assertEqual(empty, (None, 0, ""), name)
            monitor = yield plain.until(like(msg_type="monitor", pvname=self.prefix + name))
            self.assertEqual((monitor["value"], monitor["count"]), (None, 0))
            reply = yield self.send_request(client, "get", name)
            self.assertEqual((reply["value"], reply["count"]), (None, 0))
            yield self.dbpf(ioc, record, text)
            for each in (client, plain):
                monitor = yield each.until(like(msg_type="monitor", value=value))
                self.assertEqual(monitor["count"], 1)

    @inlineCallbacks
    def test_beyond(self) -> Any:
        """A part that begins beyond the longest array is connected, and empty."""
        _, _, client = yield self.start_all(RECORDS)
        name = self.prefix + "three.[20:21]"
        client.send({"action": "connect", "pv": name, "metadata": True})
        yield client.until(like(msg_type="connection", conn=True))
        metadata = yield client.until(msg_type="metadata")
        self.assertEqual((metadata["count"], "refusal" in metadata), (0, False))
        monitor = yield client.until(msg_type="monitor")
        self.assertEqual((monitor["value"], monitor["count"]), ([], 0))
        got = yield self.value(client, "three.[20:21]")
        self.assertEqual(got, [])

    @inlineCallbacks
    def test_put(self) -> Any:
        """An empty PV can be written."""
        _, _, client = yield self.start_all(RECORDS)
        for name, value in (("one", 4.0), ("words", "b")):
            outcome = yield self.put(client, name, value)
            self.assertEqual(outcome, "ok")
            got = yield self.value(client, name)
            self.assertEqual(got, value)


class DerivedTests(V2TestCase):
    """Metadata that updates show changes, though the value does not."""

    @inlineCallbacks
    def test_text(self) -> Any:
        """With PREC, or a label, the text is sent again at once, to clients that show it only."""
        ioc, fixture, client = yield self.start_all(RECORDS)
        plain = yield fixture.connect()
        slow = yield fixture.connect()
        for name in ("ao", "mbbo", "bo"):
            plain.send({"action": "connect", "pv": self.prefix + name})
            client.send({"action": "connect", "pv": self.prefix + name, "text": True})
            slow.send({"action": "connect", "pv": self.prefix + name, **SLOWLY})
            yield plain.until(like(msg_type="monitor", pvname=self.prefix + name))
            yield client.until(like(msg_type="monitor", pvname=self.prefix + name))
        changes = [
            ("ao", "PREC", "3", "1.250"),
            ("ao", "PREC", "0", "1"),
            ("mbbo", "ONST", "Away", "Away"),
            ("bo", "ZNAM", "Shut", "Shut"),
        ]
        for name, field, new, text in changes:
            yield self.dbpf(ioc, f"{name}.{field}", new)
            yield client.until(like(msg_type="monitor", pvname=self.prefix + name, text=text))
            yield slow.until(lambda batch, text=text: text in [m.get("text") for m in batch])
        yield self.dbpf(ioc, "ao", "2")
        yield plain.until(like(msg_type="monitor", value=2.0))
        received = [each["value"] for each in plain.messages if "units" in each]
        self.assertEqual(received, [1.25, 2.0])

    @inlineCallbacks
    def test_units(self) -> Any:
        """With EGU, every client gets the value again, also in Version 1 and in binary frames."""
        ioc, fixture, plain = yield self.start_all(RECORDS)
        client_with_options = yield fixture.connect()
        binary = yield fixture.connect()
        options = {"metadata": True, "text": True}
        plain.send({"action": "connect", "pv": self.prefix + "ao"})
        client_with_options.send({"action": "connect", "pv": self.prefix + "ao", **options})
        binary.send({"action": "connect", "pv": self.prefix + "three", "arrays": "binary"})
        yield plain.until(msg_type="monitor")
        yield client_with_options.until(msg_type="monitor")
        yield binary.until(lambda message: isinstance(message, bytes))
        yield self.dbpf(ioc, "ao.EGU", "cm")
        monitor = yield plain.until(like(msg_type="monitor", units="cm"))
        self.assertEqual(monitor["value"], 1.25)
        yield client_with_options.until(like(msg_type="monitor", units="cm"))
        self.assertEqual(kinds(client_with_options.messages)[-2:], ["metadata", "monitor"])
        yield self.dbpf(ioc, "three.EGU", "V")
        yield binary.until(lambda message: isinstance(message, bytes) and b'"units":"V"' in message)

    @inlineCallbacks
    def test_get(self) -> Any:
        """A get has the metadata at the time of its answer."""
        ioc, _, client = yield self.start_all(RECORDS)
        reply = yield self.send_request(client, "get", "ao", text=True)
        self.assertEqual((reply["text"], reply["units"]), ("1.3", "mm"))
        yield self.dbpf(ioc, "ao.PREC", "3")
        yield self.dbpf(ioc, "ao.EGU", "cm")
        reply = yield self.send_request(client, "get", "ao", text=True)
        self.assertEqual((reply["text"], reply["units"]), ("1.250", "cm"))
