"""Base class of tests of Version 2: an IOC with writable records, and a gateway with puts."""

from __future__ import annotations

import itertools
import json
from collections.abc import Generator
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from pycawamp.access import Policy, Writers
from pycawamp.config.settings import GatewaySettings
from pycawamp.testing import GatewayFixture, Predicate, WebSocketTestClient
from tests.support.ioc_case import IOCTestCase
from tests.support.memory_gateway import Page
from tests.support.shared_ioc import Shell
from tests.support.websocket_frames import TEXT, whole_frames

ANYONE = Policy(puts=True, writers=Writers.ANYONE)

_ids = itertools.count(1)


class V2TestCase(IOCTestCase):
    """Tests with an IOC and a gateway that lets anyone write."""

    policy = ANYONE

    @inlineCallbacks
    def start_gateway(
        self, settings: GatewaySettings | None = None
    ) -> Generator[Deferred[Any], Any, GatewayFixture]:
        """Run a gateway that finds only this test's IOC."""
        fixture = GatewayFixture(reactor, settings, ports=self.ports, policy=self.policy)
        self.addCleanup(fixture.stop)
        yield fixture.start()
        return fixture

    @inlineCallbacks
    def start_all(
        self, records: str, settings: GatewaySettings | None = None
    ) -> Generator[Deferred[Any], Any, tuple[Shell, GatewayFixture, WebSocketTestClient]]:
        """Run a gateway for the class's IOC; fires with the IOC, the gateway and a first client."""
        ioc = yield self.borrow_ioc(records)
        fixture = yield self.start_gateway(settings)
        client = yield fixture.connect()
        return ioc, fixture, client

    def send_request(
        self, client: WebSocketTestClient, action: str, name: str, **more: Any
    ) -> Deferred[dict[str, Any]]:
        """Send a request about a record of this test; fires with its reply."""
        return send_request(client, action, pv=self.prefix + name, **more)

    @inlineCallbacks
    def put(
        self, client: WebSocketTestClient, name: str, value: Any, **more: Any
    ) -> Generator[Deferred[Any], Any, str]:
        """Write a record; fires with `ok`, or with the error's code."""
        reply = yield self.send_request(client, "put", name, value=value, **more)
        return "ok" if reply.get("ok") else str(reply["code"])

    @inlineCallbacks
    def value(self, client: WebSocketTestClient, name: str) -> Generator[Deferred[Any], Any, Any]:
        """Fires with the value of a record, read by a get."""
        reply = yield self.send_request(client, "get", name)
        return reply.get("value", reply)

    def dbpf(self, ioc: Shell, name: str, value: str) -> Deferred[str]:
        """Set a field in the IOC's shell; fires when it is done."""
        return ioc.query(f'dbpf("{self.prefix}{name}","{value}")')


def send_request(client: WebSocketTestClient, action: str, **keys: Any) -> Deferred[dict[str, Any]]:
    """Send a request with a unique id; fires with the reply; other messages are skipped."""
    number = next(_ids)
    client.send({"action": action, "id": number, **keys})
    found: Deferred[dict[str, Any]] = client.until(like(id=number))
    return found


def like(**keys: Any) -> Predicate:
    """Return a predicate for JSON messages with these keys and values."""

    def fits(message: Any) -> bool:
        return isinstance(message, dict) and all(
            key in message and message[key] == expected for key, expected in keys.items()
        )

    return fits


def kinds(messages: list[Any]) -> list[str]:
    """Return the types of messages."""
    return [message["msg_type"] for message in messages]


class StallMeter:
    """Measures how long the reactor is blocked."""

    def __init__(self, clock: IReactorTime, period: float = 0.005) -> None:
        self.longest = 0.0
        """Seconds; beyond the period."""
        self._clock = clock
        self._period = period
        self._last = clock.seconds()
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = clock
        self._ticking.start(period)

    def stop(self) -> float:
        """Stop measuring; return the longest stall in seconds."""
        self._tick()
        self._ticking.stop()
        return self.longest

    def _tick(self) -> None:
        now = self._clock.seconds()
        self.longest = max(self.longest, now - self._last - self._period)
        self._last = now


class AnyPage(Page):
    """A browser's page that also accepts binary frames."""

    def take(self) -> list[Any]:
        """Return the messages since the last call: JSON, or the bytes of binary ones."""
        data, self.writes = b"".join(self.writes), []
        return [
            json.loads(payload) if first == TEXT else payload
            for first, payload in whole_frames(data)
        ]
