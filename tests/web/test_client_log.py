"""Log lines about clients: of a flood, only their number."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.sessions.peer import Peer
from pycawamp.web.client_log import BURST, RATE, SUMMARY, ClientLog


class FloodTests(SynchronousTestCase):
    """Many clients."""

    def setUp(self) -> None:
        """Make a log."""
        self.clock = Clock()
        self.log = ClientLog(self.clock)

    def flood(self, number: int) -> list[LogEvent]:
        """Return the lines for clients that connect and disconnect at once, and a while later."""
        with capturedLogs() as events:
            entries = [self.log.connected(Peer(f"[::1]:{each}")) for each in range(number)]
            for entry in entries:
                self.log.disconnected(entry, 0, "done")
            self.clock.advance(SUMMARY)
        return list(events)

    def test_summary(self) -> None:
        """A flood has the allowed number of lines, and one with the number of the others."""
        events = self.flood(5000)
        self.assertEqual(len(events), BURST + 1)
        summary = events[-1]
        self.assertEqual(summary["connected"] + summary["disconnected"], 10_000 - BURST)
        self.assertEqual(summary["disconnected"], 5000)

    def test_later(self) -> None:
        """After a pause, each client has lines again; omitted ones are counted at the end."""
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
        """Texts of a client are truncated, and contain no line ends or colours."""
        with capturedLogs() as events:
            entry = self.log.connected(
                Peer("::1", agent="a\x1b[31m\u2028b\r\nDisconnected" + 999 * "x")
            )
            self.log.disconnected(entry, 0, "no\nreason")
        for event in events:
            text = formatEvent(event)
            self.assertTrue(text.isprintable(), text)
            self.assertLess(len(text), 400)
