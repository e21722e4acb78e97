"""An ingest and edges, with a real IOC: reading, writing, and edges that do not keep up."""

from __future__ import annotations

import signal
from itertools import pairwise
from typing import Any

import numpy as np
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater

from harness.cluster import Cluster, Member
from pycawamp.access import Policy, Writers
from pycawamp.bus import subjects
from pycawamp.bus.client import ClientSettings, NATSClient, servers
from pycawamp.bus.control import Action, Control, Heartbeat
from pycawamp.bus.messages import HEADER, VERSION, RecordKind, as_reading, burst, scalars, sections
from pycawamp.bus.protocol import Message
from pycawamp.testing import connect
from tests.support.bus_case import BusTestCase, reactor, until_it
from tests.support.ca_client import run_client
from tests.support.timing import allowed

ODD = "a<b>[c];d-e:_1.DESC"
RECORDS = """
    record(calc, "$(P)N") { field(SCAN, ".1 second") field(CALC, "VAL+1") field(EGU, "mm") }
    record(ao, "$(P)AO") { field(VAL, "1") field(PINI, "YES") field(DRVH, "9") field(DRVL, "0") }
    record(ao, "$(P)a<b>[c];d-e:_1") { field(DESC, "odd") }
    record(waveform, "$(P)W") { field(FTVL, "DOUBLE") field(NELM, "1000000") }
    record(waveform, "$(P)L") { field(FTVL, "DOUBLE") field(NELM, "3000000") }
    record(mbbo, "$(P)M") { field(ZRST, "Zero") field(ONST, "Öne") field(VAL, "1") }
    record(ao, "$(P)SLOW") { field(FLNK, "$(P)DELAY") }
    record(calcout, "$(P)DELAY") { field(CALC, "VAL+1") field(ODLY, "60") }
"""
MILLION = 1_000_000
ANYONE = Policy(puts=True, writers=Writers.ANYONE)


class ClusterTests(BusTestCase):
    """One NATS server and one ingest, which all tests use."""

    @inlineCallbacks
    def start(self) -> Any:
        """Start the processes."""
        yield self.borrow_ioc(RECORDS)
        cluster: Cluster = self.shared_cluster()
        if not cluster.nodes:
            cluster.add_nodes(1)
            cluster.ingests = [cluster.ingest("A", "--allow-put=anyone")]
        yield self.up(*cluster.nodes, *cluster.ingests)
        return cluster

    @inlineCallbacks
    def test_as_one_process(self) -> Any:
        """Metadata, labels, odd names, large arrays, gets and puts are as without a bus."""
        cluster = yield self.start()
        page = yield self.page(cluster, policy=ANYONE)
        page.send({"action": "configure", "metadata": True})
        self.subscribe(page, "N", "M", ODD)
        described = yield page.until(msg_type="metadata", pvname=f"{self.prefix}N")
        self.assertEqual((described["units"], described["type"]), ("mm", "double"))
        labels = yield page.until(msg_type="metadata", pvname=f"{self.prefix}M")
        self.assertEqual(labels["enum_strs"][:2], ["Zero", "Öne"])
        odd = yield page.until(msg_type="monitor", pvname=self.prefix + ODD)
        self.assertEqual(odd["value"], "odd")
        page.send({"action": "put", "pv": f"{self.prefix}AO", "value": 4})
        yield page.until(msg_type="put", ok=True)
        page.send({"action": "get", "pv": f"{self.prefix}AO"})
        got = yield page.until(msg_type="value")
        self.assertEqual(got["value"], 4)
        page.send({"action": "put", "pv": f"{self.prefix}AO", "value": "high"})
        refused = yield page.until(msg_type="error")
        self.assertEqual(refused["code"], "bad_value")
        self.assertIn("expected a number", refused["message"])
        self.assertIn('new=4 outcome="ok"', cluster.ingests[0].output)
        page.send({"action": "get", "pv": "pva://nobody:has:this"})
        refused = yield page.until(msg_type="error", timeout=allowed(20))
        self.assertEqual(refused["code"], "not_connected")

    @inlineCallbacks
    def test_large(self) -> Any:
        """A million doubles arrive; if the bus refuses a value, the client gets the reason."""
        cluster = yield self.start()
        script = "".join(
            f"epics.caput('{self.prefix}{name}', list(range({count})), wait=True, timeout=20)\n"
            for name, count in (("W", MILLION), ("L", 3 * MILLION))
        )
        yield run_client(reactor, self.ports, f"{script}answer(True)")
        page = yield self.page(cluster)
        page.send({"action": "configure", "arrays": "binary"})
        self.subscribe(page, "W", "L")
        whole = yield page.until(lambda message: isinstance(message, bytes))
        self.assertGreater(len(whole), 8 * MILLION)
        numbers = np.frombuffer(whole[-8 * MILLION :], "<f8")
        self.assertTrue((numbers == np.arange(MILLION)).all())
        page.send({"action": "get", "pv": f"{self.prefix}L"})
        error = yield page.until(
            lambda each: isinstance(each, dict) and each["msg_type"] == "error"
        )
        self.assertIn("more than the bus lets through", error["message"])

    @inlineCallbacks
    def test_put_to_lost_ingest(self) -> Any:
        """A put whose ingest is lost fails at once, and says that it may have been written."""
        cluster = yield self.start()
        page = yield self.page(cluster, policy=ANYONE)
        self.subscribe(page, "SLOW")
        yield page.until(msg_type="monitor")
        page.send({"action": "put", "pv": f"{self.prefix}SLOW", "value": 5, "timeout": 60})
        yield page.until(msg_type="monitor", value=5)
        started = reactor.seconds()
        cluster.ingests[0].kill()
        error = yield page.until(msg_type="error")
        self.assertLess(reactor.seconds() - started, allowed(2))
        self.assertEqual(error["code"], "put_failed")
        self.assertIn("it may have been written", error["message"])
        page.send({"action": "put", "pv": f"{self.prefix}AO", "value": 6, "timeout": 1})
        error = yield page.until(msg_type="error")
        self.assertEqual(error["code"], "not_connected")
        yield self.up(*cluster.ingests)
        self.subscribe(page, "AO")
        yield page.until(msg_type="monitor", pvname=f"{self.prefix}AO")

    @inlineCallbacks
    def test_namesake(self) -> Any:
        """A second ingest with the same name is refused, and the first one continues."""
        cluster = yield self.start()
        second = cluster.ingest("A")
        second.log = second.log.with_name("second.log")
        second.launch()
        self.addCleanup(second.kill)
        yield until_it(lambda: not second.runs)
        assert second.process is not None
        self.assertEqual(second.process.returncode, 1)
        self.assertIn("Another ingest has the same name", second.output)
        self.assertTrue(cluster.ingests[0].runs)

    @inlineCallbacks
    def test_max_rate(self) -> Any:
        """The bus carries the highest rate that viewers request, until one requests all updates."""
        cluster = yield self.start()
        page = yield self.page(cluster)
        before = self.fixture.gateway.statistics().totals.updates
        page.send({"action": "connect", "pv": f"{self.prefix}N", "max_rate": 2})
        for _ in range(6):
            yield page.until(msg_type="monitor")
        # At the full rate, there would be five times as many.
        taken = self.fixture.gateway.statistics().totals.updates - before
        self.assertLess(taken, 12)
        page.send({"action": "connect", "pv": f"{self.prefix}N"})
        start = len(page.messages)
        for _ in range(12):
            yield page.until(msg_type="monitor")
        values = [message["value"] for message in page.messages[start:] if "value" in message]
        self.assertEqual(values[3:], counting(values[3:]))

    @inlineCallbacks
    def test_edge_that_falls_behind(self) -> Any:
        """An edge that falls behind gets no more updates, and then the newest values at once."""
        cluster = yield self.start()
        edge = BareEdge(cluster)
        self.addCleanup(edge.client.stopService)
        yield until_it(lambda: edge.client.is_open)
        edge.send_control(Action.START)
        edge.send_control(Action.OPEN, [[1, f"ca://{self.prefix}N"]])
        yield until_it(lambda: len(edge.values) > 2)
        self.assertEqual(edge.values, counting(edge.values))
        # It acknowledges nothing: after 0.6 s, nothing more is sent.
        for _ in range(10):
            before = len(edge.values)
            yield deferLater(reactor, 1.0)
            if len(edge.values) == before:
                break
        self.assertEqual(len(edge.values), before)
        edge.send_control(Action.STATUS, edge.number)
        yield until_it(lambda: len(edge.values) > before)
        yield until_it(lambda: "The edge bare does not keep up" in cluster.ingests[0].output)
        newest, others = edge.values[before], edge.values[:before]
        self.assertGreater(newest, others[-1] + 5)
        yield until_it(lambda: len(edge.values) > before + 2)
        self.assertEqual(edge.values[before:], counting(edge.values[before:]))

    @inlineCallbacks
    def test_frozen_edge(self) -> Any:
        """An edge that hangs does not delay others; when it continues, it gets new values."""
        cluster = yield self.start()
        frozen: Member = cluster.edge("frozen")
        self.addCleanup(frozen.kill)
        yield self.up(frozen)
        other = yield connect(reactor, f"ws://127.0.0.1:{frozen.port}/monitor")
        self.addCleanup(other.abort)
        page = yield self.page(cluster)
        for client in (page, other):
            self.subscribe(client, "N")
            yield client.until(msg_type="monitor")
        frozen.signal(signal.SIGSTOP)
        start = len(page.messages)
        yield deferLater(reactor, 2.5)
        times = page.arrivals[start:]
        silences = [later - earlier for earlier, later in pairwise(times)]
        self.assertLess(max(silences), allowed(0.5))
        frozen.signal(signal.SIGCONT)
        newest = page.messages[-1]["value"]
        yield other.until(lambda message: message["value"] >= newest)
        values = [message["value"] for message in other.messages if "value" in message]
        self.assertEqual(values, sorted(set(values)))

    @inlineCallbacks
    def test_foreign_burst(self) -> Any:
        """While two ingests serve a PV, an edge uses the values of the one that it has chosen."""
        cluster = yield self.start()
        page = yield self.page(cluster)
        self.subscribe(page, "N")
        yield page.until(msg_type="monitor")
        stranger = BareEdge(cluster)
        self.addCleanup(stranger.client.stopService)
        yield until_it(lambda: stranger.client.is_open)
        stranger.client.publish(
            subjects.heartbeat("B"), Heartbeat(77, 1.0, is_leaving=False).packed()
        )
        for number in range(1, 4):
            header = HEADER.pack(VERSION, 77, 1, number)
            stranger.client.publish(self.edge.data_subject, header, b"garbage" * number)
        yield page.until(msg_type="monitor")
        yield page.until(msg_type="monitor")
        values = [message["value"] for message in page.messages if "value" in message]
        self.assertEqual(values, counting(values))
        self.assertEqual(len(self.flushLoggedErrors()), 0)


def counting(values: list[float]) -> list[float]:
    """Return consecutive values from the first one on, as many as these."""
    return [values[0] + index for index in range(len(values))]


class BareEdge:
    """An edge whose requests the test determines."""

    def __init__(self, cluster: Cluster) -> None:
        self.client = NATSClient(reactor, ClientSettings(servers(cluster.bus), "bare"))
        self.values: list[float] = []
        self.number = 0
        self._changes = 0
        self.client.subscribe(subjects.data("bare", "1"), self._take)
        self.client.startService()

    def send_control(self, send_control: Action, content: Any = None) -> None:
        """Send a request to the ingest A."""
        self._changes += send_control is Action.OPEN
        control = Control("1", 1, self._changes, send_control, content)
        self.client.publish(subjects.control("A", "bare"), control.packed(), reply="nowhere")

    def _take(self, message: Message) -> None:
        self.number = burst(message.payload).number
        for place, record in sections(message.payload):
            if place is not None:
                self.values += [scalar[-1] for scalar in scalars(message.payload, place)]
            elif record[1] == RecordKind.READING:
                self.values.append(as_reading(record[2]).value)  # type: ignore[arg-type]
