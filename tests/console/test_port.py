"""The port of the pages of all tests."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pycawamp.demo.ports import BLOCK, free_port
from tests.support.console_case import PORT


class PortTests(SynchronousTestCase):
    """It stays the same, though gateways use it only now and then."""

    def test_kept(self) -> None:
        """No IOC gets it, though the ports of a process are chosen again and again."""
        self.assertNotIn(PORT, {free_port() for _ in range(2 * BLOCK)})
