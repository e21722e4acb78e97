"""The put log: one line for each put, whatever its outcome."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import inlineCallbacks
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import provider

from pycawamp.access import Policy, Writers
from pycawamp.config.settings import GatewaySettings
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.values import FieldType, Metadata, Reading
from pycawamp.sessions.limits import BURST, Limits
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.putlog import PutLog, PutRecord
from pycawamp.wire.v2.dialect import VERSION_1
from tests.support.examples import examples
from tests.support.ioc_case import until_true
from tests.support.memory_gateway import CONNECT_TIMEOUT, MemoryGateway, Page, send_request
from tests.support.pending_gets import Pending
from tests.support.put_log import fields
from tests.support.timing import allowed
from tests.support.version2_case import ANYONE, V2TestCase, like

USERS = Policy(puts=True, writers=Writers.LOGGED_IN)


def now() -> datetime:
    """Return a fixed time."""
    return datetime(2026, 7, 1, 12, 0, 0, 250_000, timezone.utc)


class PutLogTests(SynchronousTestCase):
    """The put log over in-memory PVs."""

    def setUp(self) -> None:
        """Make PVs and a log file."""
        self.backend = MemoryBackend(now=lambda: 1.5)
        self.backend.add("X", 1.5)
        self.backend.add("mode", 0, Metadata(FieldType.ENUM, 1, enum_strs=("Off", "On")))
        self.backend.add("fixed", 1.0, Metadata(FieldType.DOUBLE, 1, write_access=False))
        self.path = Path(self.mktemp())
        self.put_log = PutLog(str(self.path), now)
        self.gateway = MemoryGateway(ANYONE, backend=self.backend, put_log=self.put_log)

    def lines(self) -> list[str]:
        """The file's lines."""
        return self.path.read_text().splitlines()

    def test_line(self) -> None:
        """A line has time, user, address, PV, old and new value, outcome, and the value after."""
        session = self.gateway.sessions.open(Page(), Peer("192.0.2.7:4711", user="mary"), VERSION_1)
        send_request(session, "put", "X", value=2)
        self.assertEqual(
            self.path.read_text(),
            '2026-07-01T12:00:00.250+00:00 user="mary" client="192.0.2.7:4711"'
            ' pv="X" old=1.5 new=2 outcome="ok" after=2.0\n',
        )

    def test_outcomes(self) -> None:
        """Puts are lines in the order in which they ended, also refused and abandoned ones."""
        session, _ = self.gateway.open()
        leaver, _ = self.gateway.open()
        send_request(leaver, "put", "nowhere", value=1)
        send_request(session, "put", "nowhere", value=2)
        send_request(session, "put", "X", value=3)
        send_request(session, "put", "X", value=4, wait=False)
        send_request(session, "put", "mode", value="On")
        send_request(session, "put", "mode", value="Away")
        send_request(session, "put", "fixed", value=5)
        send_request(session, "get", "X")
        leaver.close()
        self.gateway.advance(CONNECT_TIMEOUT)
        got = [
            (line["pv"], line["old"], line["new"], line["outcome"].split(":")[0])
            for line in map(fields, self.lines())
        ]
        self.assertEqual(
            got,
            [
                ("X", 1.5, 3, "ok"),
                ("X", 3.0, 4, "sent"),
                ("mode", 0, "On", "ok"),
                ("mode", 1, "Away", "bad_value"),
                ("fixed", 1.0, 5, "forbidden"),
                ("nowhere", None, 1, "the client left"),
                ("nowhere", None, 2, "not_connected"),
            ],
        )

    def test_client_leaves(self) -> None:
        """The client need not wait for the value after its put; if it leaves, the put is "ok"."""
        backend = Pending()
        backend.add("X", 1.5)
        gateway = MemoryGateway(ANYONE, backend=backend, put_log=self.put_log)
        session, page = gateway.open()
        send_request(session, "put", "X", value=7)
        gateway.flush_cycle()
        self.assertEqual([each["ok"] for each in page.messages], [True])
        self.assertFalse(self.path.exists())
        session.close()
        (line,) = map(fields, self.lines())
        self.assertEqual((line["new"], line["outcome"], line.get("after")), (7, "ok", None))

    def test_malformed(self) -> None:
        """A put without a value, or with an invalid name, is a line too."""
        session, _ = self.gateway.open()
        session.receive(b'{"action":"put","pv":"X"}')
        session.receive(b'{"action":"put","pv":"","value":1}')
        outcomes = [line["outcome"].split(":")[0] for line in map(fields, self.lines())]
        self.assertEqual(outcomes, ["bad_request", "bad_name"])

    def test_flood(self) -> None:
        """Puts beyond a client's rates are lines too, whichever rate it was."""
        limits = Limits(request_rate=2 / BURST, put_rate=1 / BURST)
        gateway = MemoryGateway(ANYONE, limits, self.backend, self.put_log)
        session, _ = gateway.open()
        for value in range(3):
            send_request(session, "put", "X", value=value)
        session.receive(b'{"action":"put","pv":"X"}')
        got = [(line["pv"], line["new"], line["outcome"]) for line in map(fields, self.lines())]
        self.assertEqual(
            got,
            [
                ("X", 0, "ok"),
                ("X", 1, "rate_limited: too many puts per second"),
                ("X", 2, "rate_limited: too many requests per second"),
                ("X", None, "rate_limited: too many requests per second"),
            ],
        )

    def test_forbidden(self) -> None:
        """A put that the gateway's policy refuses is a line with the user."""
        session, _ = MemoryGateway(USERS, backend=self.backend, put_log=self.put_log).open()
        send_request(session, "put", "X", value=2)
        (line,) = map(fields, self.lines())
        self.assertEqual((line["user"], line["client"], line["new"]), (None, "test", 2))
        self.assertTrue(line["outcome"].startswith("forbidden: "))

    @settings(max_examples=examples(300), deadline=None)
    @given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
    def test_no_injection(self, name: str, value: str, user: str) -> None:
        """For any message and user, a put is one line of printable characters."""
        line = PutRecord(user, "192.0.2.7:4711", name, value).line("ok")
        self.assertTrue(line.isprintable(), line)
        logged = fields(line)
        self.assertEqual((logged["pv"], logged["new"], logged["user"]), (name, value, user))

    def test_line_breaks(self) -> None:
        """No character that some program treats as the end of a line gets into a line."""
        session, _ = self.gateway.open()
        self.gateway.backend.add("text", "a")
        evil = 'x"\n2026 user="root"\r\v\f\x1c\x1d\x1e\x85\u2028\u2029\x1b[2K\u202e'
        send_request(session, "put", "text", value=evil)
        (line,) = self.lines()
        self.assertTrue(line.isprintable())
        self.assertEqual(fields(line)["new"], evil)

    def test_long(self) -> None:
        """A long value is truncated, and a million elements cost no more than a few."""
        record = PutRecord(None, "test", "X", "y" * 10_000, _reading(np.arange(1e6)))
        line = record.line("ok")
        self.assertLess(len(line), 1000)
        self.assertIn("old=[0.0,1.0,2.0,", line)
        started = os.times().user
        for _ in range(100):
            record.line("ok")
        self.assertLess(os.times().user - started, allowed(0.5))

    def test_ordinary_log(self) -> None:
        """Without a file, or if it cannot be written, the line is in the ordinary log."""
        events: list[LogEvent] = []

        @provider(ILogObserver)
        def observe(event: LogEvent) -> None:
            events.append(event)

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        expected = 'put user=null client="test" pv="X" old=1.5 new="a{b}\\nc" outcome="bad_value'
        for path in (None, os.path.join(self.mktemp(), "no", "such", "folder")):
            gateway = MemoryGateway(ANYONE, backend=self.backend, put_log=PutLog(path))
            session, _ = gateway.open()
            events.clear()
            send_request(session, "put", "X", value="a{b}\nc")
            last = formatEvent(events[-1])
            self.assertEqual(last[: len(expected)], expected)
        self.assertEqual(len(events), 2, "it also says why it is not in the file")

    def test_moved_away(self) -> None:
        """If a file was renamed for rotation, a new one is created."""
        session, _ = self.gateway.open()
        send_request(session, "put", "X", value=2)
        self.path.rename(self.path.with_suffix(".1"))
        send_request(session, "put", "X", value=3)
        self.assertEqual([fields(line)["new"] for line in self.lines()], [3])


class RealPutLogTests(V2TestCase):
    """The put log with a real IOC."""

    @inlineCallbacks
    def test_slow_and_lost(self) -> Any:
        """A put whose record is slow, and one whose IOC dies, are lines that say so."""
        records = """
            record(ao, "$(P)slow") { field(FLNK, "$(P)chain") }
            record(calcout, "$(P)chain") { field(CALC, "1") field(ODLY, "30") }
        """
        path = Path(self.mktemp())
        ioc = yield self.start_ioc(records)
        client = yield self.start_client(GatewaySettings(put_log=str(path)))
        pv = self.prefix + "slow"
        yield self.value(client, "slow")
        for number, timeout in enumerate((0.2, 30)):
            keys = {"pv": pv, "value": number, "id": number, "timeout": timeout}
            client.send({"action": "put", **keys})
        yield client.until(like(id=0, code="timeout"))
        yield self.kill_ioc(ioc)
        yield client.until(like(id=1, code="put_failed"))
        first, second = map(fields, path.read_text().splitlines())
        self.assertEqual((first["pv"], first["old"], first["new"]), (pv, 0.0, 0))
        self.assertTrue(first["client"].startswith("127.0.0.1:"))
        self.assertTrue(first["outcome"].startswith("timeout: "))
        self.assertTrue(second["outcome"].startswith("put_failed: "))


class AfterTests(V2TestCase):
    """What the record holds after a put, which may be another value than the requested one."""

    @inlineCallbacks
    def test_limited(self) -> Any:
        """The line has the requested value and that of the record, also without completion."""
        records = """
            record(ao, "$(P)limited") { field(DRVL, "0") field(DRVH, "10") field(VAL, "5") }
            record(waveform, "$(P)array") { field(NELM, "3") field(FTVL, "DOUBLE") }
        """
        path = Path(self.mktemp())
        _, _, client = yield self.start_all(records, GatewaySettings(put_log=str(path)))
        for value, wait in ((-5, True), (20, False)):
            outcome = yield self.put(client, "limited", value, wait=wait)
            self.assertEqual(outcome, "ok")
            yield self.value(client, "limited")
        outcome = yield self.put(client, "array", [1, 2])
        self.assertEqual(outcome, "ok")
        yield until_true(lambda: path.read_text().count("\n") == 3)
        got = [
            (line["new"], line["outcome"], line.get("after"))
            for line in map(fields, path.read_text().splitlines())
        ]
        self.assertEqual(got, [(-5, "ok", 0.0), (20, "sent", 10.0), ([1, 2], "ok", None)])


def _reading(value: Any) -> Reading:
    return Reading(0, 0, 1, 0, value)
