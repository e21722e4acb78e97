"""Replicas behind a proxy, and the pages that use them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks
from twisted.trial.unittest import SkipTest

from pycawamp.client import GatewayClient, Listener, Update
from pycawamp.demo.ports import free_port
from tests.support.ioc_case import until_true
from tests.support.timing import allowed
from tests.support.twistd import Twistd, listens
from tests.support.twistd_case import TwistdTestCase

reactor = cast(Any, installed_reactor)
ROOT = Path(__file__).parents[2]
HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
NODE = shutil.which("node")
RECORD = 'record(calc, "$(P)N") { field(SCAN, ".1 second") field(CALC, "VAL+1") }'
SLACK = 1.0
"""Additional seconds for a busy machine."""


class Watcher(Listener):
    """A page with a counter, which records the times of updates."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.longest_gap = 0.0
        self._last = reactor.seconds()

    def update(self, name: str, update: Update) -> None:
        """Handle an update of the client."""
        self.take(float(cast(float, update.value)))

    def take(self, value: float) -> None:
        """Note a value."""
        now = reactor.seconds()
        if self.values:
            self.longest_gap = max(self.longest_gap, now - self._last)
        self._last = now
        self.values.append(value)

    def start_again(self) -> None:
        """Discard the gaps so far."""
        self.longest_gap = 0.0

    def until_more(self, number: int) -> Deferred[None]:
        """Fires when it has received this number of additional updates."""
        total = len(self.values) + number
        waiting: Deferred[None] = until_true(lambda: len(self.values) >= total)
        return waiting


class Replica:
    """One gateway, on a port that stays the same when it is started again."""

    def __init__(self, case: ReplicaTestCase, port: int) -> None:
        self.port = port
        self._case = case
        self.run: Twistd

    def start(self) -> Deferred[re.Match[str]]:
        """Fires when it is ready."""
        self.run = self._case.twistd()
        return self.run.serve(
            f"--port=tcp:{self.port}:interface=127.0.0.1",
            "--drain-time=2",
            "--trust-proxy=127.0.0.1",
            *self._case.options(self.port),
        )

    @property
    def clients(self) -> int:
        """The number of its clients."""
        output = "\n".join(self.run.lines)
        return output.count("] Connected: ") - output.count("] Disconnected: ")


class ReplicaTestCase(TwistdTestCase):
    """Tests with 10 pages of the Python client and one of the JavaScript client."""

    timeout = allowed(240)
    takes_clients = "is ready"
    """The log line of a gateway that is ready."""

    def balancer(self, front: int) -> list[str]:
        """Return the command that runs a load balancer on a port of the loopback interface."""
        raise NotImplementedError

    def options(self, port: int) -> list[str]:
        """Return further options of the gateway on a port."""
        del port
        return []

    @inlineCallbacks
    def start(self) -> Any:
        """Start the IOC, the gateways, the load balancer and the pages."""
        yield self.start_ioc(RECORD)
        self.replicas = [Replica(self, port) for port in (free_port(), free_port())]
        for replica in self.replicas:
            yield replica.start()
            yield replica.run.until_line(self.takes_clients)
        front = free_port()
        self.proxy = self.twistd()
        self.proxy.run(self.balancer(front))
        yield until_true(lambda: listens(front))
        self.url = f"ws://127.0.0.1:{front}/monitor"
        self.pages = [self.open_page() for _ in range(10)]
        if NODE is not None and (ROOT / "js" / "node_modules" / "ws").exists():
            self.pages.append(self.javascript_page(NODE))
        yield gatherResults([page.until_more(5) for page in self.pages])
        self.assertEqual(sum(replica.clients for replica in self.replicas), len(self.pages))
        for page in self.pages:
            page.start_again()

    def configuration(self, name: str, documented: str, front: int) -> str:
        """Return a configuration of contrib/ with the ports of this test."""
        text = (ROOT / "contrib" / name).read_text()
        for port, ours in (
            (documented, f"127.0.0.1:{front}"),
            ("127.0.0.1:8001", f"127.0.0.1:{self.replicas[0].port}"),
            ("127.0.0.1:8002", f"127.0.0.1:{self.replicas[1].port}"),
        ):
            self.assertEqual(text.count(f" {port}"), 1, port)
            text = text.replace(f" {port}", f" {ours}")
        return text

    def write(self, text: str) -> str:
        """Write a file; return its path."""
        path = Path(self.mktemp()).absolute()
        path.write_text(text)
        return str(path)

    def open_page(self) -> Watcher:
        """Return a page of the Python client."""
        watcher = Watcher()
        client = GatewayClient(reactor, self.url)
        self.addCleanup(client.close)
        client.subscribe(f"{self.prefix}N", watcher)
        return watcher

    def javascript_page(self, node: str) -> Watcher:
        """Return a page of the JavaScript client."""
        watcher = Watcher()
        run = self.twistd()
        run.run([node, str(ROOT / "js" / "support" / "watch.js"), self.url, f"{self.prefix}N"])
        run.on_line = lambda line: watcher.take(float(line.removeprefix("value ")))
        return watcher

    @inlineCallbacks
    def assert_go_on(self, gap: float) -> Any:
        """Assert that all pages get updates, in order, without a longer pause."""
        yield gatherResults([page.until_more(5) for page in self.pages])
        for page in self.pages:
            self.assertEqual(page.values, sorted(page.values))
            self.assertLess(page.longest_gap, allowed(gap + SLACK))


class HAProxyTestCase(ReplicaTestCase):
    """Tests with contrib/haproxy.cfg."""

    def balancer(self, front: int) -> list[str]:
        """Run HAProxy."""
        if HAPROXY is None:
            raise SkipTest("no HAProxy: apt-get install haproxy")
        return [HAPROXY, "-db", "-f", self.write(self.configuration("haproxy.cfg", ":8080", front))]

    @inlineCallbacks
    def assert_one_is_enough(self) -> Any:
        """Assert that the pages of a killed gateway continue with the other one within 2 s."""
        # Pages with one URL use one gateway, up to 1.25 times its share.
        self.assertGreater(min(replica.clients for replica in self.replicas), 0)
        killed, other = self.replicas
        killed.run.signal("KILL")
        yield killed.run.when_ended()
        yield until_true(lambda: other.clients == len(self.pages))
        yield self.assert_go_on(2.0)
