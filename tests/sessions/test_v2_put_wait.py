"""Puts that wait for their record: completion, loss, timeout, and other requests."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import gatherResults, inlineCallbacks

from pycawamp.demo.process import SoftIOC
from pycawamp.testing import WebSocketTestClient
from tests.support.timing import allowed
from tests.support.version2_case import StallMeter, V2TestCase, like, send_request

RECORDS = """
record(ao, "$(P)slow") { field(FLNK, "$(P)chain") }
record(seq, "$(P)chain") { field(DLY1, "2") field(DO1, "1") field(LNK1, "$(P)done.PROC") }
record(calc, "$(P)done") { field(CALC, "VAL+1") }
record(ao, "$(P)halting") { field(FLNK, "$(P)pause") }
record(seq, "$(P)pause") { field(DLY1, "0.5") field(DO1, "1") field(LNK1, "$(P)halted.PROC") }
record(calc, "$(P)halted") { field(CALC, "VAL+1") }
record(ao, "$(P)quick") { }
record(calc, "$(P)ticks") { field(SCAN, ".1 second") field(CALC, "VAL+1") }
"""
STALL = allowed(0.1)
"""Seconds for which the reactor may be blocked."""


def now() -> float:
    """The reactor's time."""
    return float(reactor.seconds())


def hang(ioc: SoftIOC) -> None:
    """Make an IOC stop answering."""
    ioc.signal("STOP")


class WaitTests(V2TestCase):
    """Puts to slow records."""

    def send_put(self, client: WebSocketTestClient, name: str, value: Any, **more: Any) -> None:
        """Send a put whose value is its id."""
        keys = {"pv": self.prefix + name, "value": value, "id": value, **more}
        client.send({"action": "put", **keys})

    @inlineCallbacks
    def test_completion(self) -> Any:
        """A put is answered when the whole chain of records has processed, 2 s later here."""
        _, _, client = yield self.start_all(RECORDS)
        before = yield self.value(client, "done")
        started = now()
        self.send_put(client, "slow", 5)
        yield client.until(like(id=5, ok=True))
        self.assertGreaterEqual(now() - started, 1.95)
        after = yield self.value(client, "done")
        self.assertEqual((before, after), (0, 1))

    @inlineCallbacks
    def test_others_meanwhile(self) -> Any:
        """While two clients' puts wait for one record, its IOC's other PVs are served at once."""
        _, fixture, first = yield self.start_all(RECORDS)
        second = yield fixture.connect()
        third = yield fixture.connect()
        third.send({"action": "connect", "pv": self.prefix + "ticks"})
        yield self.value(third, "slow")
        started = now()
        for number, client in enumerate((first, second, first, second)):
            self.send_put(client, "halting", number)
        self.send_put(first, "slow", 7)
        yield third.until(like(msg_type="monitor"))
        for value in range(10):
            outcome = yield self.put(third, "quick", value)
            self.assertEqual(outcome, "ok")
            got = yield self.value(third, "slow")
            self.assertEqual(got, 7)
        self.assertNotIn(7, [message["id"] for message in first.messages], "long before the slow")
        yield gatherResults(
            [
                first.until(like(id=2, ok=True)),
                second.until(like(id=3, ok=True)),
            ]
        )
        self.assertGreaterEqual(now() - started, 1.95, "one after another")
        got = yield self.value(third, "halting")
        self.assertEqual(got, 3)
        stamps = [message["timestamp"] for message in third.messages if "timestamp" in message]
        ticks = yield self.value(third, "ticks")
        # It is 20 if the IOC processes the record on time.
        self.assertGreater(ticks, 5)
        self.assertGreater(len(stamps), 5)

    @inlineCallbacks
    def test_timeout(self) -> Any:
        """A put that takes longer than its `timeout` is reported as such; the record continues."""
        _, _, client = yield self.start_all(RECORDS)
        yield self.value(client, "halting")
        self.send_put(client, "halting", 1, timeout=0.3)
        self.send_put(client, "halting", 2, timeout=0.2)
        self.send_put(client, "halting", 3)
        for number in (2, 1):
            error = yield client.until(like(id=number))
            self.assertEqual((error["code"], error["action"]), ("timeout", "put"))
        yield client.until(like(id=3, ok=True))
        self.subscribe(client, "halting", "halted")
        yield client.until(like(pvname=self.prefix + "halted", value=2))
        got = [each["value"] for each in client.messages if each["msg_type"] == "monitor"]
        self.assertNotIn(2, got[:-1], "the second was never sent: it gave up in the queue")

    @inlineCallbacks
    def test_killed(self) -> Any:
        """If an IOC dies during a put, it and those queued behind it are `put_failed` at once."""
        ioc = yield self.start_ioc(RECORDS)
        client = yield self.start_client()
        yield self.value(client, "slow")
        for number in (1, 2, 3):
            self.send_put(client, "slow", number)
        yield self.value(client, "quick")  # What was sent before has reached the IOC.
        started = now()
        yield self.kill_ioc(ioc)
        for number in (1, 2, 3):
            error = yield client.until(like(id=number))
            self.assertEqual((error["code"], error["action"]), ("put_failed", "put"))
        self.assertLess(now() - started, allowed(5))
        error = yield self.send_request(client, "put", "slow", value=4, timeout=0.3)
        self.assertEqual(error["code"], "not_connected")

    @inlineCallbacks
    def test_client_leaves(self) -> Any:
        """A put that was sent is executed, even if its client leaves; the next client's is too."""
        _, fixture, client = yield self.start_all(RECORDS)
        yield self.value(client, "halting")
        self.send_put(client, "halting", 1)
        yield self.value(client, "quick")
        yield client.abort()
        second = yield fixture.connect()
        outcome = yield self.put(second, "halting", 2)
        self.assertEqual(outcome, "ok")
        self.subscribe(second, "halted")
        yield second.until(like(msg_type="monitor", value=2))


class StallTests(V2TestCase):
    """The longest time for which puts block the reactor."""

    @inlineCallbacks
    def assert_no_stall(self, work: Any) -> Any:
        """Some work never blocks the reactor; the best of three, as the machine may be busy."""
        stalls = []
        for _ in range(3):
            meter = StallMeter(reactor)
            yield work()
            stalls.append(meter.stop())
            if stalls[-1] < STALL:
                return
        self.fail(f"the reactor stalled for {stalls} s")

    @inlineCallbacks
    def test_slow_record(self) -> Any:
        """Puts that wait for a record do not block the reactor."""
        _, _, client = yield self.start_all(RECORDS)
        yield self.value(client, "halting")

        def work() -> Any:
            for number in range(3):
                keys = {"pv": self.prefix + "halting", "value": number}
                client.send({"action": "put", "id": f"{number}", **keys})
            return client.until(like(id="2"))

        yield self.assert_no_stall(work)

    @inlineCallbacks
    def test_unconnected(self) -> Any:
        """Puts to PVs that no IOC serves do not block the reactor."""
        _, _, client = yield self.start_all(RECORDS)

        def work() -> Any:
            for number in range(100):
                keys = {"pv": f"nowhere:{number}", "value": number, "timeout": 0.5}
                client.send({"action": "put", "id": number, **keys})
            return client.until(like(id=99, code="not_connected"))

        yield self.assert_no_stall(work)

    @inlineCallbacks
    def test_dead_ioc(self) -> Any:
        """Puts to an IOC that hangs, then dies, do not block the reactor."""
        ioc = yield self.start_ioc(RECORDS)
        client = yield self.start_client()
        yield self.value(client, "quick")
        hang(ioc)

        def work() -> Any:
            for number in range(100):
                keys = {"pv": self.prefix + "quick", "value": number, "timeout": 0.5}
                client.send({"action": "put", "id": number, **keys})
            return client.until(like(id=99))

        yield self.assert_no_stall(work)
        yield self.kill_ioc(ioc)
        yield self.assert_no_stall(work)
        error = yield send_request(client, "put", pv=self.prefix + "quick", value=1, timeout=0.1)
        self.assertEqual(error["code"], "not_connected")
