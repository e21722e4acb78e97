"""A real IOC with a gateway before it: what the tests of the third tier start from."""

from __future__ import annotations

import re
import secrets
from collections.abc import Generator
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.trial.unittest import TestCase

from pycawamp.demo.process import CAPorts, SoftIOC, free_ports
from pycawamp.gateway import GatewaySettings
from pycawamp.testing import GatewayFixture, WebSocketTestClient


class IOCTestCase(TestCase):
    """Tests with an IOC of their own, whose records start with `self.prefix`."""

    timeout = 60

    def setUp(self) -> None:
        """Choose names and ports that no other test has."""
        self.prefix = f"T{secrets.token_hex(4)}:"
        self.ports = free_ports()

    @inlineCallbacks
    def start_ioc(
        self, records: str, ports: CAPorts | None = None, access: str | None = None
    ) -> Generator[Deferred[Any], Any, SoftIOC]:
        """Run an IOC with these records, whose names start with $(P)."""
        database = Path(self.mktemp())
        database.parent.mkdir(parents=True, exist_ok=True)
        database.write_text(records)
        ioc = SoftIOC(
            reactor, [str(database)], f"P={self.prefix}", ports or self.ports, access_file=access
        )
        self.addCleanup(ioc.stop)
        yield ioc.start()
        return ioc

    @inlineCallbacks
    def kill_ioc(self, ioc: SoftIOC) -> Generator[Deferred[Any], Any, None]:
        """End an IOC as a crash would; its ports are free after."""
        ended = ioc.when_ended()
        ioc.kill()
        yield ended

    @inlineCallbacks
    def start_gateway(
        self, settings: GatewaySettings | None = None
    ) -> Generator[Deferred[Any], Any, GatewayFixture]:
        """Run a gateway that sees this test's IOC only."""
        fixture = GatewayFixture(reactor, settings, ports=self.ports)
        self.addCleanup(fixture.stop)
        yield fixture.start()
        return fixture

    @inlineCallbacks
    def start_client(
        self, settings: GatewaySettings | None = None
    ) -> Generator[Deferred[Any], Any, WebSocketTestClient]:
        """Run a gateway; fires with its first client."""
        fixture = yield self.start_gateway(settings)
        client: WebSocketTestClient = yield fixture.connect()
        return client

    def subscribe(self, client: WebSocketTestClient, *names: str) -> None:
        """Have a client connect to records of this test."""
        for name in names:
            client.send({"action": "connect", "pv": self.prefix + name})


@inlineCallbacks
def clients_of(ioc: SoftIOC) -> Generator[Deferred[Any], Any, tuple[int, int]]:
    """How many channels and subscriptions the IOC serves (`casr 2`)."""
    report = yield ioc.query("casr 2")
    return len(re.findall(r"\d+ monitors?,", report)), len(re.findall("x", report))
