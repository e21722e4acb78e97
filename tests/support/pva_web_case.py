"""Base class of tests of pages with a pvAccess server."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.threads import deferToThread

from harness.pva import PVAServer
from pycawamp.demo.ports import PVAPorts
from tests.support.console_case import WebTestCase


class PVAWebTestCase(WebTestCase):
    """Tests of pages with PVs of p4p, which `self.server` serves."""

    def setUp(self) -> Any:
        """Run a pvAccess server, too."""
        return super().setUp().addCallback(lambda _: deferToThread(self._serve_pva))

    def _serve_pva(self) -> None:
        ports = PVAPorts.free()
        self.server = PVAServer(ports, "shared")
        self.addCleanup(self.server.kill)
        before = dict(os.environ)
        os.environ.update(ports.client_environment())
        self.addCleanup(os.environ.update, before)
        self.addCleanup(os.environ.clear)
