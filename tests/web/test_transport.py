"""Slow clients over real TCP: what they get, and that others are not affected."""

from __future__ import annotations

import os
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks
from twisted.internet.task import LoopingCall
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from pycawamp.testing import GatewayFixture, WebSocketTestClient
from tests.support.gateway_case import MemoryGatewayTestCase, connect_all
from tests.support.timing import allowed

POINTS = 2000
"""Of the waveform: about 20 kB for each update."""


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class SlowClientTests(MemoryGatewayTestCase):
    """Clients that read nothing, or little, of a fast waveform."""

    @inlineCallbacks
    def start_wave(self, others: int, **limits: Any) -> Any:
        """Make a gateway with a waveform and a counter, a client to be slow, and others."""
        self.backend.add("wave", np.zeros(POINTS))
        self.backend.add("counter", 0)
        self.wave = np.random.default_rng(1).random(POINTS)
        self.count = 0
        fixture: GatewayFixture = yield self.start(**limits)
        clients = yield connect_all(fixture, 1 + others)
        clients[0].send("wave")
        for client in clients:
            client.send("counter")
            yield client.until(pvname="counter", msg_type="monitor")
        return clients

    def update(self) -> None:
        """Change both PVs."""
        self.count += 1
        self.backend.set("wave", np.roll(self.wave, self.count))
        self.backend.set("counter", self.count)

    def run_updates(self, interval: float) -> LoopingCall:
        """Change both PVs repeatedly, until stopped or the test ends."""

        def stop() -> None:
            if loop.running:
                loop.stop()

        loop = LoopingCall(self.update)
        loop.start(interval)
        self.addCleanup(stop)
        return loop

    def next_updates(self, number: int, loop: LoopingCall) -> Deferred[None]:
        """Fires after this number of further updates, when changes are stopped."""
        done: Deferred[None] = Deferred()
        target = self.count + number

        def check() -> None:
            if self.count < target:
                reactor.callLater(0, check)
            else:
                loop.stop()
                done.callback(None)

        check()
        return done

    @inlineCallbacks
    def latencies(self, clients: list[WebSocketTestClient], number: int) -> Any:
        """Return how long each of the next updates of the counter took to all these clients."""
        sent: dict[int, float] = {}
        seen = [len(client.messages) for client in clients]
        first = self.count + 1

        def update() -> None:
            sent[self.count + 1] = reactor.seconds()
            self.update()

        loop = LoopingCall(update)
        loop.start(0.02)
        last = first + number
        try:
            yield gatherResults([client.until(value=last) for client in clients])
        finally:
            loop.stop()
        return [
            client.arrivals[index] - sent[message["value"]]
            for client, start in zip(clients, seen, strict=True)
            for index, message in enumerate(client.messages[start:], start)
            if message["pvname"] == "counter" and message["value"] in sent
        ]

    @inlineCallbacks
    def test_others_unharmed(self) -> Any:
        """Beside a client that never reads, twenty others lose nothing, and are not delayed."""
        slow, *others = yield self.start_wave(20)
        alone = yield self.latencies(others, 50)
        slow.stop_reading()
        # More than all buffers between here and there hold.
        yield self.next_updates(1000, self.run_updates(0))
        beside = yield self.latencies(others, 50)
        self.assertLess(median(beside), 2 * median(alone) + allowed(0.01))
        for client in others:
            counts = [message["value"] for message in client.messages if "value" in message]
            self.assertEqual(counts, list(range(len(counts))))

    @inlineCallbacks
    def test_memory_bounded(self) -> Any:
        """Unread data of a client takes limited memory, however much it is."""
        (slow,) = yield self.start_wave(0)
        slow.stop_reading()
        before = resident()
        # 100 MB of frames.
        yield self.next_updates(5000, self.run_updates(0))
        grown = resident() - before
        self.assertLess(grown, 20 * 2**20)
        slow.resume_reading()
        yield slow.until(pvname="counter", value=self.count)
        counts = [m["value"] for m in slow.messages if m["pvname"] == "counter" and "value" in m]
        self.assertEqual(counts, sorted(counts))
        self.assertLess(len(counts), self.count)
        self.backend.set("counter", -1)
        yield slow.until(value=-1)

    @inlineCallbacks
    def test_stalled(self) -> Any:
        """A client that reads nothing for the stall timeout is dropped, and no other."""
        dropped: Deferred[LogEvent] = Deferred()

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            if event.get("reason") == "it read nothing for 0.5 s":
                dropped.callback(event)

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        stalled, reader = yield self.start_wave(1, stall_timeout=0.5)
        stalled.stop_reading()
        self.run_updates(0.005)
        event = yield dropped
        self.assertIn("Disconnected", event["log_format"])
        self.assertEqual(event["pvs"], 2)
        stalled.resume_reading()
        yield stalled.when_closed()
        yield reader.until(msg_type="monitor", value=self.count + 1)
        self.assertEqual(reader.close_code, None)
