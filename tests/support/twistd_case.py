"""Gateways in separate processes, as users run them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.endpoints import UNIXClientEndpoint

from pycawamp.pv.ca.repeater import ensure_repeater
from pycawamp.testing import WebSocketTestClient, connect
from tests.support.ioc_case import IOCTestCase
from tests.support.timing import allowed
from tests.support.twistd import Twistd

RECORD = 'record(calc, "$(P)0") { field(SCAN, ".1 second") field(CALC, "VAL+1") field(EGU, "V") }'
LOOPBACK = "tcp:0:interface=127.0.0.1"


class TwistdTestCase(IOCTestCase):
    """Tests with gateways in separate processes."""

    timeout = allowed(120)
    may_fork = True
    """Whether gateways are forks where that makes no difference; else as users run them."""

    def setUp(self) -> None:
        """Start a CA repeater, so that no gateway starts one that outlives the test."""
        super().setUp()
        self.see_own_ioc()
        self.repeater = ensure_repeater(owned=True)
        self.addCleanup(self.repeater.close)

    def twistd(
        self,
        environment: Mapping[str, str] | None = None,
        descriptors: tuple[int, int] | None = None,
    ) -> Twistd:
        """Return a run of twistd, which is stopped after the test."""
        surroundings = {**self.ports.client_environment(), **(environment or {})}
        run = Twistd(reactor, surroundings, descriptors, may_fork=self.may_fork)
        self.addCleanup(run.kill)
        return run

    @inlineCallbacks
    def connect(
        self, url: str, endpoint: Any = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Fires with a client, which is closed after the test."""
        client = yield connect(reactor, url, endpoint, headers)
        self.addCleanup(client.abort)
        return client

    @inlineCallbacks
    def assert_live(self, client: WebSocketTestClient) -> Any:
        """Assert that a client receives a change of a PV."""
        self.subscribe(client, "0")
        for _ in range(3):
            monitor = yield client.until(msg_type="monitor")
        self.assertEqual(monitor["units"], "V")


def unix_endpoint(where: Path) -> UNIXClientEndpoint:
    """Return an endpoint that connects to a UNIX socket."""
    return UNIXClientEndpoint(reactor, str(where))
