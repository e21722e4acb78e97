"""Lines about clients: of a flood only how many they were."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.sessions.peer import Peer
from pycawamp.web.client_log import BURST, RATE, SUMMARY, ClientLog


class FloodTests(SynchronousTestCase):
    """Many clients."""

    def setUp(self) -> None:
        """Have a log."""
        self.clock = Clock()
        self.log = ClientLog(self.clock)

    def flood(self, number: int) -> list[LogEvent]:
        """What is logged of clients that come and go at once, and a while later."""
        with capturedLogs() as events:
            entries = [self.log.connected(Peer(f"[::1]:{each}")) for each in range(number)]
            for entry in entries:
                self.log.disconnected(entry, 0, "done")
            self.clock.advance(SUMMARY)
        return list(events)

    def test_summary(self) -> None:
        """A flood has as many lines as may be, and one that tells of all others."""
        events = self.flood(5000)
        self.assertEqual(len(events), BURST + 1)
        told = events[-1]
        self.assertEqual(told["connected"] + told["disconnected"], 10_000 - BURST)
        self.assertEqual(told["disconnected"], 5000)

    def test_later(self) -> None:
        """After a rest each client has lines again; what is untold at the end is told then."""
        self.flood(5000)
        self.clock.advance(BURST / RATE)
        self.assertEqual(len(self.flood(int(BURST) // 2)), BURST)
        with capturedLogs() as events:
            for _ in range(int(BURST)):
                self.log.connected(Peer("::1", user="alice", agent="page"))
            self.log.close()
        self.assertIn("Not logged individually", formatEvent(events[-1]))
        self.assertFalse(self.clock.getDelayedCalls())

    def test_strange(self) -> None:
        """What a client says of itself is cut, and cannot make lines or colours."""
        with capturedLogs() as events:
            entry = self.log.connected(
                Peer("::1", agent="a\x1b[31m\u2028b\r\nDisconnected" + 999 * "x")
            )
            self.log.disconnected(entry, 0, "no\nreason")
        for event in events:
            text = formatEvent(event)
            self.assertTrue(text.isprintable(), text)
            self.assertLess(len(text), 400)
