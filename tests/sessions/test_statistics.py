"""Statistics of a gateway."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access import Policy
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.values import FieldType, Metadata
from pycawamp.sessions.limits import Limits
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.statistics import Statistics, snapshot
from pycawamp.wire.v2.dialect import VERSION_1
from tests.support.memory_gateway import MemoryGateway, Page, send_request
from tests.support.service_case import MemoryServiceTestCase
from tests.support.timing import allowed

CHANNELS = 10_000
BUDGET = 0.020
"""Seconds of CPU time for this number of channels, on an idle machine."""
OTHERS = 5
"""A factor for other processes, which share caches and memory."""


class SnapshotTests(SynchronousTestCase):
    """Sessions over in-memory PVs."""

    def setUp(self) -> None:
        """Make some PVs."""
        self.gateway = MemoryGateway()
        self.gateway.backend.add("X", 1.5)
        self.gateway.backend.add("hidden", 2, Metadata(FieldType.LONG, 1, read_access=False))

    def snapshot(self) -> Statistics:
        """Return the current statistics."""
        gateway = self.gateway
        return snapshot(gateway.hub, gateway.sessions, Inbox(gateway.clock, lambda: None))

    def test_nothing(self) -> None:
        """Without clients, all figures exist and are 0."""
        found = self.snapshot()
        self.assertEqual((found.clients, found.channels, found.refusals), ((), (), {}))
        states = {"searching": 0, "connected": 0, "disconnected": 0, "refused": 0}
        self.assertEqual(found.channels_by_state, states)

    def test_clients(self) -> None:
        """Each client has its address, user and times, its PVs and its unsent data."""
        before = time.time()
        page = Page()
        session = self.gateway.sessions.open(page, Peer("192.0.2.7:4711", user="mary"), VERSION_1)
        self.gateway.open()
        for name in ("X", "hidden", "never-found"):
            send_request(session, "connect", name)
        self.gateway.flush_cycle()
        session.outbox.pause()
        for value in range(5):
            self.gateway.backend.set("X", value)
            self.gateway.flush_cycle()
        mary, other = self.snapshot().clients
        self.assertEqual(
            (mary.address, mary.user, mary.transport), ("192.0.2.7:4711", "mary", "websocket")
        )
        self.assertTrue(before <= mary.since <= time.time())
        self.assertEqual((mary.pvs, mary.queued, mary.conflated), (3, 0, 4))
        self.assertEqual((other.address, other.user, other.pvs), ("test", None, 0))
        page.backlog = 100
        self.assertEqual(self.snapshot().clients[0].queued, 100)
        self.assertEqual((self.snapshot().subscriptions, self.snapshot().conflated), (3, 4))

    def test_channels(self) -> None:
        """Each channel has its state, type and host, and its number of clients."""
        sessions = [self.gateway.open()[0] for _ in range(3)]
        for session in sessions:
            send_request(session, "connect", "X")
        send_request(sessions[0], "connect", "X", metadata=True)
        send_request(sessions[1], "connect", "hidden")
        send_request(sessions[1], "connect", "never-found")
        sessions[2].close()
        found = self.snapshot()
        self.assertEqual(
            {(each.name, each.state, each.subscribers, each.type) for each in found.channels},
            {
                ("X", "connected", 2, "double"),
                ("hidden", "disconnected", 1, "long"),
                ("never-found", "searching", 1, None),
            },
        )
        self.assertEqual(found.channels_by_state["connected"], 1)
        self.gateway.backend.remove("X")
        sessions[0].close()
        states = {each.name: each.state for each in self.snapshot().channels}
        self.assertEqual(states["X"], "disconnected")

    def test_refusals(self) -> None:
        """Refusals are counted by kind; a snapshot does not change after it was taken."""
        self.gateway = MemoryGateway(limits=Limits(pvs=1))
        session, _ = self.gateway.open()
        before = self.snapshot()
        send_request(session, "connect", "a")
        send_request(session, "connect", "b")
        self.assertEqual(before.refusals, {})
        self.assertEqual(sum(self.snapshot().refusals.values()), 1)
        with self.assertRaises(attrs.exceptions.FrozenInstanceError):
            before.conflated = 1  # type: ignore[misc]

    def test_cost(self) -> None:
        """A snapshot of ten thousand channels takes a few milliseconds of the reactor's time."""
        limits = Limits(request_rate=CHANNELS)
        self.gateway = MemoryGateway(Policy(), limits)
        session, _ = self.gateway.open()
        names = [f"n{number}" for number in range(CHANNELS)]
        for number, name in enumerate(names):
            self.gateway.backend.add(name, number)
        session.receive(json.dumps({"action": "connect", "pvs": names}).encode())
        while session.is_busy:
            session.process_next()
        found = self.snapshot()
        self.assertEqual((len(found.channels), found.subscriptions), (CHANNELS, CHANNELS))
        self.assertLess(min(seconds(self.snapshot) for _ in range(5)), allowed(OTHERS * BUDGET))


class AppTests(MemoryServiceTestCase):
    """A whole gateway, on a port."""

    @inlineCallbacks
    def test_connections(self) -> Any:
        """The port's connections are included, and the user of each client."""
        app = self.serve()
        self.assertEqual((app.statistics().connections, app.statistics().clients), (0, ()))
        yield self.connect()
        found = app.statistics()
        self.assertEqual((found.connections, len(found.clients)), (1, 1))
        self.assertTrue(found.clients[0].address.startswith("127.0.0.1:"))
        self.assertEqual(found.memory.limit, Limits().memory)


def seconds(function: Callable[[], object]) -> float:
    """Return the CPU time of a call."""
    started = time.process_time()
    function()
    return time.process_time() - started
