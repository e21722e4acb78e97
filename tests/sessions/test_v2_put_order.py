"""The order of puts to one PV: which ones wait."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.support.version2_case import V2TestCase, like

RECORDS = """
record(bo, "$(P)acquire") { field(FLNK, "$(P)work") field(ZNAM, "Done") field(ONAM, "Acquire") }
record(calcout, "$(P)work") {
    field(CALC, "A") field(INPA, "$(P)acquire") field(ODLY, "20") field(OOPT, "Every Time")
}
record(ao, "$(P)move") { field(FLNK, "$(P)moving") }
record(seq, "$(P)moving") { field(DLY1, "1") field(DO1, "1") field(LNK1, "$(P)moved.PROC") }
record(calc, "$(P)moved") { field(CALC, "VAL+1") }
"""


class OrderTests(V2TestCase):
    """Puts with and without completion to slow records."""

    @inlineCallbacks
    def test_stop(self) -> Any:
        """A put without completion is written at once, even if another client's put is active."""
        _, fixture, starter = yield self.start_all(RECORDS)
        stopper = yield fixture.connect()
        yield self.value(stopper, "acquire")
        keys = {"pv": self.prefix + "acquire", "value": 1, "timeout": 60}
        starter.send({"action": "put", "id": "start", **keys})
        started = yield self.value(starter, "acquire")
        self.assertEqual(started, 1)
        outcome = yield self.put(stopper, "acquire", 0, wait=False)
        self.assertEqual(outcome, "ok")
        got = yield self.value(stopper, "acquire")
        self.assertEqual(got, 0)
        ids = [each.get("id") for each in starter.messages]
        self.assertNotIn("start", ids, "the record takes 20 s")

    @inlineCallbacks
    def test_others_wait(self) -> Any:
        """Waiting puts are written before it, so the last put remains the last."""
        _, _, client = yield self.start_all(RECORDS)
        client.send({"action": "connect", "pv": self.prefix + "move"})
        yield client.until(like(msg_type="monitor"))
        for number in (1, 2):
            keys = {"pv": self.prefix + "move", "value": number, "id": f"put {number}"}
            client.send({"action": "put", **keys})
        outcome = yield self.put(client, "move", 3, wait=False)
        self.assertEqual(outcome, "ok")
        self.assertNotIn("put 1", [each.get("id") for each in client.messages])
        for number in (1, 2):
            yield client.until(like(id=f"put {number}", ok=True))
        values = [each["value"] for each in client.messages if each["msg_type"] == "monitor"]
        self.assertEqual(values, [0, 1, 2, 3])

    @inlineCallbacks
    def test_given_up(self) -> Any:
        """A put that its client has abandoned does not prevent the next one."""
        _, fixture, client = yield self.start_all(RECORDS)
        yield self.value(client, "acquire")
        outcome = yield self.put(client, "acquire", 1, timeout=0.2)
        self.assertEqual(outcome, "timeout")
        other = yield fixture.connect()
        keys = {"pv": self.prefix + "acquire", "value": 0}
        other.send({"action": "put", "id": "late", **keys})
        other.send({"action": "connect", "pv": self.prefix + "acquire"})
        yield other.until(like(msg_type="monitor", value=0))
        got = yield self.value(client, "move")
        self.assertEqual(got, 0)
        self.assertNotIn("late", [each.get("id") for each in other.messages])

    @inlineCallbacks
    def test_in_order(self) -> Any:
        """Puts without completion are written in the order in which they were sent."""
        _, _, client = yield self.start_all(RECORDS)
        yield self.value(client, "moved")
        client.send({"action": "connect", "pv": self.prefix + "move"})
        for number in range(1, 51):
            keys = {"pv": self.prefix + "move", "value": number, "wait": False}
            client.send({"action": "put", **keys})
        yield client.until(like(msg_type="monitor", value=50))
        values = [each["value"] for each in client.messages if each.get("msg_type") == "monitor"]
        self.assertEqual(values, sorted(values))
