"""Base class of the tests of the third tier: a real IOC, and a gateway."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from pycawamp.config.settings import GatewaySettings
from pycawamp.demo.process import CAPorts, SoftIOC, free_ports
from pycawamp.testing import GatewayFixture, WebSocketTestClient
from tests.support.process_state import set_environment
from tests.support.shared_ioc import LentIOC, SharedIOC, Shell, shared_ioc
from tests.support.timing import TIMEOUT, allowed


class IOCTestCase(TestCase):
    """Tests with their own records, whose names start with `self.prefix`."""

    timeout = allowed(60)

    def setUp(self) -> None:
        """Choose names and ports that no other test uses."""
        self.prefix = f"T{secrets.token_hex(4)}:"
        self.ports = free_ports()

    def see_own_ioc(self) -> None:
        """Make Channel Access of this process find only this test's IOC, until the test ends."""
        set_environment(self, self.ports.client_environment())

    @inlineCallbacks
    def borrow_ioc(self, records: str) -> Generator[Deferred[Any], Any, Shell]:
        """Return an IOC that the tests of this class share; only this test uses the records."""
        ioc: SharedIOC = yield deferToThread(shared_ioc, type(self), records)
        self.prefix = yield deferToThread(ioc.lend)
        self.ports = ioc.ports
        return LentIOC(ioc)

    @inlineCallbacks
    def start_ioc(
        self, records: str, ports: CAPorts | None = None, access: str | None = None
    ) -> Generator[Deferred[Any], Any, SoftIOC]:
        """Run an IOC for this test only, with records whose names start with $(P)."""
        database = Path(self.mktemp())
        database.parent.mkdir(parents=True, exist_ok=True)
        database.write_text(records, errors="surrogateescape")
        ioc = SoftIOC(
            reactor, [str(database)], f"P={self.prefix}", ports or self.ports, access_file=access
        )
        self.addCleanup(ioc.stop)
        yield ioc.start()
        return ioc

    @inlineCallbacks
    def kill_ioc(self, ioc: SoftIOC) -> Generator[Deferred[Any], Any, None]:
        """Kill an IOC, as in a crash; its ports are free afterwards."""
        ended = ioc.when_ended()
        ioc.kill()
        yield ended

    @inlineCallbacks
    def start_gateway(
        self, settings: GatewaySettings | None = None
    ) -> Generator[Deferred[Any], Any, GatewayFixture]:
        """Run a gateway that finds only this test's IOC."""
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
        """Subscribe a client to records of this test."""
        for name in names:
            client.send({"action": "connect", "pv": self.prefix + name})


@inlineCallbacks
def until_true(condition: Callable[[], bool]) -> Generator[Deferred[Any], Any, None]:
    """Fires when a condition is true, which is polled; fails after a timeout."""
    deadline = reactor.seconds() + TIMEOUT
    while not condition():
        if reactor.seconds() > deadline:
            raise AssertionError("what was waited for did not happen")
        yield deferLater(reactor, 0.01)


@inlineCallbacks
def subscription_counts(ioc: Shell) -> Generator[Deferred[Any], Any, dict[str, int]]:
    """Return the number of subscriptions for each name that the IOC serves (`casr`).

    Fails if one client has two channels of a name.
    """
    report = yield ioc.query("casr 3")
    channels = re.findall(r"Channel: '(.+)'\n(?:.*\n)*?.* on eventq=(\d+)", report)
    names = dict(channels)
    if len(names) != len(channels):
        raise AssertionError(f"a name has two channels: {report}")
    return {name: int(count) for name, count in names.items()}
