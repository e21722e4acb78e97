"""Hostile clients: nothing remains of them, and others are hardly affected."""

from __future__ import annotations

import gc
import os
import statistics
from collections import Counter
from typing import Any, cast

import attrs
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, Logger, globalLogPublisher

from pycawamp.sessions.session import Session
from pycawamp.testing import WebSocketTestClient
from pycawamp.web.websocket import MonitorProtocol
from tests.support.child_process import run
from tests.support.garbage import collect
from tests.support.service_case import MemoryServiceTestCase, reactor
from tests.support.timing import allowed

VANISHING = int(os.environ.get("PYCASERVER_TEST_VANISHING", "250"))
"""Number of clients: five times as many as the attacker has open at once."""
PATIENCE = allowed(10.0)
"""Seconds until nothing may remain."""
NOTICEABLE = allowed(0.01)
"""Seconds below which delays are not compared; twice a tenth of a millisecond is noise."""


@attrs.frozen
class Counts:
    """What an attack may leave behind."""

    files: int
    clients: int
    channels: int
    sessions: int
    protocols: int


class HostileTests(MemoryServiceTestCase):
    """Attacks by another process, while a client continues."""

    timeout = allowed(120)
    _log = Logger()

    def setUp(self) -> None:
        """Make what attackers need."""
        super().setUp()
        self.backend.add("Y", "text")

    def counts(self) -> Counts:
        """Return what there is now."""
        kinds = Counter(type(each) for each in gc.get_objects())
        return Counts(
            files=len(os.listdir("/proc/self/fd")),
            clients=self.gateway.clients,
            channels=len(self.gateway.hub),
            sessions=kinds[Session],
            protocols=kinds[MonitorProtocol],
        )

    @inlineCallbacks
    def begin(self, *options: str) -> Any:
        """Run a gateway and a client that continues all the time."""
        service = self.serve("--linger=0.1", *options)
        self.gateway: Any = service.gateway
        self.refusals = self.gateway.refusals.counts
        self.client: WebSocketTestClient = yield self.connect()
        self.client.send("X")
        yield self.client.until(msg_type="monitor")
        yield deferLater(reactor, 0)
        collect()
        self.before = self.counts()

    @inlineCallbacks
    def latencies(self, attack: Deferred[Any] | None = None, least: int = 100) -> Any:
        """Measure the client's latency, many times, and for as long as an attack lasts."""
        found: list[float] = []
        while len(found) < least or (attack is not None and not attack.called):
            started = reactor.seconds()
            self.backend.set("X", len(found) + 10)
            yield self.client.until(value=len(found) + 10)
            found.append(reactor.seconds() - started)
            yield deferLater(reactor, 0.002)
        return found

    @inlineCallbacks
    def attack(self, kind: str, number: int) -> Any:
        """Run an attack; fires with the client's latencies when it is over."""
        process = run("tests.support.attacker", kind, self.port, number)
        found = yield self.latencies(process)
        self.assertEqual((yield process), b"")
        return found

    @inlineCallbacks
    def assert_as_before(self) -> Any:
        """Nothing remains, after a while, and the client is served."""
        until = reactor.seconds() + PATIENCE
        while self.counts() != self.before and reactor.seconds() < until:
            yield deferLater(reactor, 0.05)
            collect()
        self.assertEqual(self.counts(), self.before)
        self.client.send({"action": "ping"})
        yield self.client.until(msg_type="pong")

    def assert_hardly_noticed(self, calm: list[float], attacked: list[float]) -> None:
        """The client's latency was at most doubled, or is still low."""
        bound = max(2 * statistics.median(calm), NOTICEABLE)
        self.assertLess(statistics.median(attacked), bound)

    @inlineCallbacks
    def test_vanishing(self) -> Any:
        """Of 250 clients that connect and vanish, no sockets, channels or sessions remain."""
        yield self.begin()
        calm = yield self.latencies()
        attacked = yield self.attack("vanish", VANISHING)
        yield self.assert_as_before()
        self.assert_hardly_noticed(calm, attacked)
        self._log.info(
            "calm {calm}; attacked {hit}", calm=_percentiles(calm), hit=_percentiles(attacked)
        )

    @inlineCallbacks
    def test_slowloris(self) -> Any:
        """Clients that send a byte now and then are closed in time; the others are served."""
        yield self.begin("--handshake-timeout=1")
        calm = yield self.latencies()
        attacked = yield self.attack("dawdle", 200)
        self.assertEqual(self.refusals["request too slow"], 200)
        yield self.assert_as_before()
        self.assert_hardly_noticed(calm, attacked)

    @inlineCallbacks
    def test_occupied(self) -> Any:
        """A client with all connections of an address is refused at accept, and logged once."""
        yield self.begin("--max-connections-per-address=200")
        calm = yield self.latencies()
        logged: list[Any] = []
        observer = cast(ILogObserver, logged.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        attacked = yield self.attack("occupy", 2000)
        self.assertGreater(self.refusals["the limit of connections per address is reached"], 1000)
        self.assertLess(len(logged), 10)
        yield self.assert_as_before()
        self.assert_hardly_noticed(calm, attacked)
        self._log.info(
            "calm {calm}; attacked {hit}", calm=_percentiles(calm), hit=_percentiles(attacked)
        )

    @inlineCallbacks
    def test_oversized(self) -> Any:
        """Handshakes of a megabyte are refused before they are read."""
        yield self.begin()
        calm = yield self.latencies()
        attacked = yield self.attack("bloat", 100)
        self.assertEqual(self.refusals["header too large"], 100)
        yield self.assert_as_before()
        self.assert_hardly_noticed(calm, attacked)

    @inlineCallbacks
    def test_noise(self) -> Any:
        """Random bytes before, in and after the handshake cause no internal error, nor remain."""
        yield self.begin(
            "--jwt-key", self.write("key", "k" * 32), "--pvlist", self.write("l", ".* ALLOW\n")
        )
        yield self.attack("fuzz", 150)
        yield self.assert_as_before()

    @inlineCallbacks
    def test_noise_let_in(self) -> Any:
        """Nor do they with unlimited connections."""
        yield self.begin()
        yield self.attack("fuzz", 300)
        yield self.assert_as_before()


def _percentiles(seconds: list[float]) -> str:
    low, *_, high = statistics.quantiles(seconds, n=20)
    middle = statistics.median(seconds)
    return f"{1000 * low:.2f} / {1000 * middle:.2f} / {1000 * high:.2f} ms (p5/p50/p95)"
