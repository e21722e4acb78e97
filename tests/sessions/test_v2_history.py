"""History when a page opens: the last minutes in one message, then live."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.config.settings import GatewaySettings
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.values import FieldType, Metadata
from tests.support.memory_gateway import LINGER, MemoryGateway, Page, send_request
from tests.support.version2_case import V2TestCase, kinds

RECORDS = """
record(calc, "$(P)count") { field(INPA, "$(P)count") field(CALC, "A+1") field(SCAN, ".1 second") }
"""
UPDATES = 8


class HistoryTests(SynchronousTestCase):
    """The messages, for PVs in memory with a client."""

    def setUp(self) -> None:
        """Make a gateway that keeps a minute of history; a client subscribes to X and others."""
        self.ago = 0.0
        backend = MemoryBackend(now=lambda: time.time() - self.ago)
        self.gateway = MemoryGateway(history=60, backend=backend)
        self.backend = backend
        backend.add("X", 0)
        self.session, _ = self.watch("X")

    def watch(self, pv: str, **more: Any) -> tuple[Any, Page]:
        """Return another client that connects to a PV."""
        session, page = self.gateway.open()
        send_request(session, "connect", pv, **more)
        self.gateway.flush_cycle()
        return session, page

    def set(self, *values: Any, pv: str = "X", **alarm: int) -> None:
        """Set a PV to each of these values."""
        for value in values:
            self.backend.set(pv, value, **alarm)

    def test_between(self) -> None:
        """It comes between the connection and the value, which it does not contain."""
        self.set(1, 2)
        self.set(3, severity=2)
        self.set(4)
        _, page = self.watch("X", history=60, metadata=True)
        messages = page.take()
        self.assertEqual(kinds(messages), ["connection", "metadata", "history", "monitor"])
        self.assertEqual(messages[2]["values"], [0, 1, 2, 3])
        self.assertEqual(messages[2]["severities"], [0, 0, 0, 2])
        self.assertEqual(len(messages[2]["timestamps"]), 4)
        self.assertEqual(messages[3]["value"], 4)

    def test_only_once(self) -> None:
        """A client that does not request it gets none, nor one whose PV reconnects."""
        self.set(1)
        _, page = self.watch("X")
        self.assertEqual(kinds(page.take()), ["connection", "monitor"])
        _, page = self.watch("X", history=60)
        page.take()
        self.backend.remove("X")
        self.backend.add("X", 2)
        self.gateway.flush_cycle()
        self.assertEqual(kinds(page.take()), ["connection", "connection", "monitor"])

    def test_gap(self) -> None:
        """A time without a connection is a gap; a PV that is lost now still has a history."""
        self.set(1)
        self.backend.remove("X")
        _, page = self.watch("X", history=60)
        lost, history = page.take()
        self.assertFalse(lost["conn"])
        self.assertEqual(history["values"], [0, 1, None])
        self.backend.add("X", 2)
        _, page = self.watch("X", history=60)
        # The second null ends the gap, since the next value may be older than that.
        self.assertEqual(page.take()[1]["values"], [0, 1, None, None])

    def test_seconds(self) -> None:
        """It reaches as far back as requested, with the last value before that."""
        self.ago = 50
        self.backend.add("Y", 1)
        send_request(self.session, "connect", "Y")
        self.set(2, pv="Y")
        self.ago = 20
        self.set(3, pv="Y")
        self.ago = 0
        self.set(4, pv="Y")
        _, page = self.watch("Y", history=30)
        self.assertEqual(page.take()[1]["values"], [2, 3])

    def test_types(self) -> None:
        """Numbers are as in updates: whole, single precision or null. Others have no history."""
        described = {
            "float": Metadata(FieldType.FLOAT, 1),
            "enum": Metadata(FieldType.ENUM, 1, enum_strs=("Off", "On")),
        }
        for name, metadata in described.items():
            self.backend.add(name, 0, metadata)
        self.backend.add("double", 0.5)
        self.backend.add("text", "a")
        expected: dict[str, list[Any]] = {"float": [0, 0.1], "enum": [0, 1], "double": [0.5, None]}
        for name, values in expected.items():
            send_request(self.session, "connect", name)
            self.set(float("nan") if values[1] is None else values[1], 1, pv=name)
            _, page = self.watch(name, history=60)
            self.assertEqual(page.take()[1]["values"], values)
        send_request(self.session, "connect", "text")
        self.set("b", "c", pv="text")
        _, page = self.watch("text", history=60)
        self.assertEqual(kinds(page.take()), ["connection", "monitor"])

    def test_slow_client(self) -> None:
        """A client that reads slowly gets it when it reads again, before the value."""
        self.set(1, 2)
        session, page = self.gateway.open()
        session.outbox.pause()
        send_request(session, "connect", "X", history=60)
        self.set(3, 4)
        self.gateway.flush_cycle()
        self.assertEqual(page.take(), [])
        session.outbox.resume()
        self.gateway.flush_cycle()
        messages = page.take()
        self.assertEqual(kinds(messages), ["connection", "history", "monitor"])
        self.assertEqual(messages[1]["values"], [0, 1, 2, 3])
        self.assertEqual(messages[2]["value"], 4)

    def test_batch_and_list(self) -> None:
        """It is batched like other messages, and sent for each PV of a list."""
        self.backend.add("Y", 5)
        send_request(self.session, "connect", "Y")
        self.set(1)
        self.set(6, pv="Y")
        session, page = self.gateway.open()
        session.receive(b'{"action":"connect","pvs":["X","Y"],"history":9,"batch":true}')
        while session.is_busy:
            session.process_next()
        self.gateway.flush_cycle()
        (batch,) = page.take()
        found = {each["pvname"]: each["values"] for each in batch if each["msg_type"] == "history"}
        self.assertEqual(found, {"X": [0], "Y": [5]})

    def test_forgotten(self) -> None:
        """When no client shows a PV any more, its memory is released."""
        self.set(1)
        self.assertGreater(self.gateway.budget.history, 0)
        self.session.close()
        self.gateway.advance(LINGER + 1)
        self.assertEqual(self.gateway.budget.history, 0)

    def test_off(self) -> None:
        """A gateway without history sends none."""
        gateway = MemoryGateway()
        gateway.backend.add("X", 0)
        for _ in range(2):
            session, page = gateway.open()
            send_request(session, "connect", "X", history=60)
            gateway.backend.set("X", 1)
            gateway.flush_cycle()
        self.assertEqual(kinds(page.take())[:2], ["connection", "monitor"])

    def test_points(self) -> None:
        """With `points`, there are at most so many samples, with the highest and lowest."""
        self.set(*range(500), 9999, *range(500))
        _, page = self.watch("X", history=60, points=40)
        values = page.take()[1]["values"]
        self.assertLessEqual(len(values), 40)
        self.assertIn(9999, values)

    def test_bad_seconds(self) -> None:
        """An invalid number of seconds is refused, and nothing else happens."""
        for wrong in (-1, "60", True, 1e9, None):
            _, page = self.watch("X", history=wrong)
            (error,) = page.take()
            self.assertEqual(error["code"], "bad_request")
            self.assertIn("history", error["message"])
        for wrong in (0, 1e9, 10**9, "9", None):
            _, page = self.watch("X", history=60, points=wrong)
            (error,) = page.take()
            self.assertEqual(error["code"], "bad_request")
            self.assertIn("points", error["message"])


class LiveTests(V2TestCase):
    """With an IOC, compiled or not."""

    settings = GatewaySettings(history=60)

    @inlineCallbacks
    def test_no_gap_no_double(self) -> Generator[Deferred[Any], Any, None]:
        """History and live updates together are all updates, each once, at any time."""
        _, fixture, first = yield self.start_all(RECORDS, self.settings)
        name = self.prefix + "count"
        first.send({"action": "connect", "pv": name})
        start = yield first.until(msg_type="monitor")
        for number in range(1, 4):
            yield first.until(lambda each, n=number: each["value"] >= start["value"] + n * UPDATES)
            client = yield fixture.connect()
            client.send({"action": "connect", "pv": name, "history": 60})
            history = yield client.until(msg_type="history")
            newest = yield client.until(msg_type="monitor")
            last = yield client.until(lambda each, n=newest: each["value"] >= n["value"] + 3)
            live = [each["value"] for each in client.messages if each["msg_type"] == "monitor"]
            values = history["values"] + live
            expected = [start["value"] + i for i in range(len(values))]
            self.assertEqual(values, expected)
            self.assertEqual(values[-1], last["value"])
            self.assertGreaterEqual(len(history["values"]), number * UPDATES)
