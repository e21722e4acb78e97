"""Samples of the delay of updates."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pycawamp.fanout.delays import BOUNDS, DelayStatistics, DeliveryDelays
from pycawamp.fanout.flush import SAMPLE_INTERVAL
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.values import FieldType, Metadata
from pycawamp.sessions.session import Session
from tests.support.memory_gateway import MemoryGateway, send_request

IOC = "ioc.example:5064"
STAMP = 1000.0


class DelayTests(SynchronousTestCase):
    """DeliveryDelays, of sessions over in-memory PVs."""

    def setUp(self) -> None:
        """Make a PV with a time stamp of its IOC, and a clock that is 0.2 s later."""
        self.now = STAMP + 0.2
        self.gateway = MemoryGateway(backend=MemoryBackend(now=lambda: STAMP))
        self.gateway.backend.add("X", 1.5, Metadata(FieldType.DOUBLE, 1, IOC))
        self.flush_cycle = self.gateway.sessions.shared.flush_cycle
        self.flush_cycle.delays = DeliveryDelays(lambda: self.now)

    def subscribe(self, **options: float) -> Session:
        """Return a client of the PV that has got its first value."""
        session, _ = self.gateway.open()
        send_request(session, "connect", "X", **options)
        self.gateway.flush_cycle()
        self.gateway.advance(2 * SAMPLE_INTERVAL)
        return session

    def update(self, times: int = 1) -> DelayStatistics:
        """Send updates, each in its own flush cycle."""
        for _ in range(times):
            self.gateway.backend.set("X", self.gateway.clock.seconds())
            self.gateway.flush_cycle()
        return self.flush_cycle.delays.statistics()

    def test_late(self) -> None:
        """An update is counted by its delay, and for its IOC; the first one is not."""
        self.subscribe()
        self.assertEqual(sum(self.flush_cycle.delays.statistics().counts), 0)
        found = self.update()
        self.assertEqual(found.counts[BOUNDS.index(0.25)], 1)
        self.assertAlmostEqual(found.seconds, 0.2)
        self.assertAlmostEqual(found.by_ioc[IOC], 0.2)

    def test_ahead(self) -> None:
        """If the IOC's clock is ahead, its mean is negative, and the sum does not decrease."""
        self.now = STAMP - 1
        self.subscribe()
        found = self.update()
        self.assertEqual((found.counts[0], found.seconds), (1, 0))
        self.assertAlmostEqual(found.by_ioc[IOC], -1)

    def test_sampled(self) -> None:
        """Of many flush cycles within an interval, one is sampled."""
        self.subscribe()
        self.assertEqual(sum(self.update(10).counts), 1)
        self.gateway.advance(SAMPLE_INTERVAL)
        self.assertEqual(sum(self.update(10).counts), 2)

    def test_not_prompt(self) -> None:
        """Updates that are late because of the client are not sampled."""
        self.subscribe(max_rate=10)
        self.assertEqual(sum(self.update().counts), 0)
        self.gateway = MemoryGateway(backend=self.gateway.backend)
        self.flush_cycle = self.gateway.sessions.shared.flush_cycle
        slow = self.subscribe()
        slow.outbox.pause()
        self.assertEqual(sum(self.update().counts), 0)
