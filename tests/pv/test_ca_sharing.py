"""One channel for many clients, seen from the IOC."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import gatherResults, inlineCallbacks

from pycawamp.config.settings import GatewaySettings
from pycawamp.pv.ca.backend import CABackend
from pycawamp.pv.hub import PVHub
from pycawamp.pv.inbox import Inbox
from tests.support.gateway_case import connect_all
from tests.support.ioc_case import IOCTestCase, subscription_counts, until_true
from tests.support.memory_gateway import Listener
from tests.support.shared_ioc import Shell
from tests.support.timing import allowed

RECORDS = """
record(ao, "$(P)a") { field(VAL, "1.5") field(EGU, "mm") field(PINI, "YES") }
record(stringout, "$(P)b") { field(VAL, "text") field(PINI, "YES") }
record(bo, "$(P)c") { field(ZNAM, "Off") field(ONAM, "On") field(PINI, "YES") }
"""
# A string has no metadata to subscribe to.
ALL_SERVED = {"a": 2, "b": 1, "c": 2}


class SharingTests(IOCTestCase):
    """The channels of the gateway, as the IOC reports them."""

    @inlineCallbacks
    def assert_served(self, ioc: Shell, expected: dict[str, int]) -> Any:
        """The IOC serves these channels, each with this number of subscriptions."""
        counts = yield subscription_counts(ioc)
        self.assertEqual({self.prefix + name: n for name, n in expected.items()}, counts)

    @inlineCallbacks
    def until_served(self, ioc: Shell, expected: dict[str, int]) -> Any:
        """Fires when the IOC serves these channels only."""
        expected_counts = {self.prefix + name: n for name, n in expected.items()}
        started = reactor.seconds()
        while (counts := (yield subscription_counts(ioc))) != expected_counts:
            self.assertLess(reactor.seconds() - started, allowed(10), f"still serves {counts}")

    @inlineCallbacks
    def test_shared(self) -> Any:
        """Thirty clients have one channel and the same updates; more clients change nothing."""
        ioc = yield self.borrow_ioc(RECORDS)
        fixture = yield self.start_gateway()
        clients = yield connect_all(fixture, 30)
        for client in clients:
            self.subscribe(client, "a", "b", "c")
            self.subscribe(client, "a")
        for client in clients:
            for name in "abc":
                if not any(m["pvname"] == self.prefix + name for m in client.messages):
                    yield client.until(msg_type="monitor", pvname=self.prefix + name)
        yield self.assert_served(ioc, ALL_SERVED)
        newcomer = yield fixture.connect()
        before = [len(client.messages) for client in clients]
        self.subscribe(newcomer, "a")
        connection = yield newcomer.receive()
        monitor = yield newcomer.receive()
        self.assertEqual(connection["conn"], True)
        self.assertEqual((monitor["value"], monitor["units"]), (1.5, "mm"))
        self.assertEqual([len(client.messages) for client in clients], before)
        yield ioc.query(f'dbpf("{self.prefix}a","2.5")')
        seen = yield gatherResults([client.until(value=2.5) for client in [*clients, newcomer]])
        self.assertEqual(len(seen), 31)

    @inlineCallbacks
    def test_freed(self) -> Any:
        """After the linger time without clients, subscription and channel are cleared."""
        ioc = yield self.borrow_ioc(RECORDS)
        fixture = yield self.start_gateway(GatewaySettings(linger=0.3))
        first, second = yield connect_all(fixture, 2)
        for client in (first, second):
            self.subscribe(client, "a", "b")
            yield client.until(msg_type="monitor", pvname=self.prefix + "b")
        yield first.close()
        self.subscribe(second, "c")
        yield second.until(msg_type="monitor", pvname=self.prefix + "c")
        yield self.assert_served(ioc, ALL_SERVED)
        second.send({"action": "disconnect", "pv": self.prefix + "b"})
        yield self.until_served(ioc, {"a": 2, "c": 2})
        yield second.abort()
        yield self.until_served(ioc, {})
        self.assertEqual(fixture.gateway.hub.names, [])

    @inlineCallbacks
    def test_threads_let_go(self) -> Any:
        """Thread states of libca's threads are released when an IOC's last channel is closed."""
        ioc = yield self.borrow_ioc(RECORDS)
        self.see_own_ioc()
        inbox = Inbox(reactor, after_slice=lambda: None)
        self.addCleanup(inbox.close)
        backend = CABackend(reactor, inbox, own_repeater=True)
        hub = PVHub(reactor, backend, linger=0.1)
        hub.startService()
        self.addCleanup(hub.stopService)
        for _ in range(3):
            listener = Listener()
            subscription = hub.subscribe(self.prefix + "a", listener)
            yield until_true(lambda: bool(listener.take()))  # noqa: B023 (called at once)
            in_use = backend.kept_threads
            self.assertGreater(in_use, 0)
            subscription.close()
            yield until_true(lambda: backend.kept_threads < in_use)  # noqa: B023
            yield self.until_served(ioc, {})
        self.assertLess(backend.kept_threads, 3)
