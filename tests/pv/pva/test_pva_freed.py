"""Closed pvAccess channels are freed at once, without the garbage collector."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.pva.pipeline import SILENCE
from tests.pv.pva.recordings import SERVERS, Replay, recording
from tests.support.compiled import NATIVE
from tests.support.garbage import left_to_the_collector


class PVAFreedTests(SynchronousTestCase):
    """A client that receives recordings of real servers, with the collector disabled."""

    def test_channels(self) -> None:
        """Monitors, gets and puts are freed with their channel, while the connection stays."""
        for server in SERVERS:
            for is_compiled in (False, True) if NATIVE is not None else (False,):
                recorded = recording(server)
                client = Replay(is_compiled)
                connection = client.connect("192.0.2.1", recorded.names)
                for step in recorded.steps:
                    connection.take(step)
                self.assertTrue(connection.is_open)
                with left_to_the_collector() as left:
                    connection.close()
                    # Long enough for the check for silent monitors.
                    client.clock.advance(2 * SILENCE)
                client.end()
                self.assertEqual(left, {}, (server, is_compiled))
