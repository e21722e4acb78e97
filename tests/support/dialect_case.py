"""Base classes of tests of other dialects: a real IOC, and a gateway that speaks them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.web.resource import Resource

from pycawamp.access import IPolicy
from pycawamp.config.settings import DialectSettings, GatewaySettings
from pycawamp.service.dialects import dialect_resources
from pycawamp.testing import GatewayFixture, WebSocketTestClient
from tests.support.ioc_case import IOCTestCase
from tests.support.version2_case import ANYONE

UNTHROTTLED = DialectSettings(pvws_throttle=0, pvws_array_throttle=0)


class DialectTestCase(IOCTestCase):
    """Tests with a gateway that lets anyone write, and sends all updates."""

    path: str
    """Where clients connect."""
    policy: IPolicy = ANYONE
    dialects = UNTHROTTLED

    @inlineCallbacks
    def start_gateway(
        self, settings: GatewaySettings | None = None
    ) -> Generator[Deferred[Any], Any, GatewayFixture]:
        """Run a gateway that finds only this test's IOC."""
        fixture = GatewayFixture(reactor, settings, ports=self.ports, policy=self.policy)
        self.addCleanup(fixture.stop)
        root = Resource()
        root.putChild(b"monitor", fixture.gateway.resource)
        for name, resource in dialect_resources(fixture.gateway, self.dialects).items():
            root.putChild(name.encode(), resource)
        yield fixture.start(root)
        return fixture

    @inlineCallbacks
    def start_all(
        self, records: str
    ) -> Generator[Deferred[Any], Any, tuple[Any, GatewayFixture, WebSocketTestClient]]:
        """Run a gateway for the class's IOC; fires with the IOC, the gateway and a first client."""
        ioc = yield self.borrow_ioc(records)
        fixture = yield self.start_gateway()
        client = yield fixture.connect(path=self.path)
        return ioc, fixture, client

    def send_request(self, client: WebSocketTestClient, kind: str, *names: str) -> None:
        """Send a request about records of this test."""
        client.send({"type": kind, "pvs": [self.prefix + name for name in names]})

    @inlineCallbacks
    def first(
        self, client: WebSocketTestClient, name: str
    ) -> Generator[Deferred[Any], Any, dict[str, Any]]:
        """Subscribe to a record of this test; fires with the first message about it."""
        self.send_request(client, "monitor", name)
        message: dict[str, Any] = yield client.until(pv=self.prefix + name)
        return message


class PVWSTestCase(DialectTestCase):
    """The same for PVWS."""

    path = "pvws/pv"

    @inlineCallbacks
    def first(
        self, client: WebSocketTestClient, name: str
    ) -> Generator[Deferred[Any], Any, dict[str, Any]]:
        """Subscribe to a record of this test; fires with its first value."""
        self.send_request(client, "subscribe", name)
        update: dict[str, Any] = yield client.until(has_value, pv=self.prefix + name)
        return update

    def write(self, client: WebSocketTestClient, name: str, value: Any) -> None:
        """Write a record of this test."""
        client.send({"type": "write", "pv": self.prefix + name, "value": value})

    @inlineCallbacks
    def barrier(
        self, client: WebSocketTestClient
    ) -> Generator[Deferred[Any], Any, list[dict[str, Any]]]:
        """Fires with the messages since the last awaited one, up to an echo."""
        start = client.position
        client.send({"type": "echo", "body": start})
        yield client.until(type="echo", body=start)
        return client.messages[start:-1]


class Epics2WebTestCase(DialectTestCase):
    """The same for epics2web."""

    path = "epics2web/monitor?clientName=A%20display"


def has_value(update: dict[str, Any]) -> bool:
    """Return whether an update has more than the write access."""
    return "seconds" in update
