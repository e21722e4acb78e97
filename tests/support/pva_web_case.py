"""Base class of tests of pages with a pvAccess server."""

from __future__ import annotations

from typing import Any

from twisted.internet.threads import deferToThread

from harness.pva import PVAServer
from pycawamp.demo.ports import PVAPorts
from tests.support.console_case import WebTestCase
from tests.support.process_state import set_environment


class PVAWebTestCase(WebTestCase):
    """Tests of pages with PVs of p4p, which `self.server` serves."""

    def setUp(self) -> Any:
        """Run a pvAccess server, too."""
        return super().setUp().addCallback(lambda _: deferToThread(self._serve_pva))

    def _serve_pva(self) -> None:
        ports = PVAPorts.free()
        self.server = PVAServer(ports, "shared")
        self.addCleanup(self.server.kill)
        set_environment(self, ports.client_environment())
