"""Access that depends on PVs: INP and CALC of an access security file, while the gateway runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from pycawamp.access import AccessFiles
from pycawamp.access.interfaces import IPolicy, Verdict
from pycawamp.access.watch import PolicyWatcher
from pycawamp.pv.interfaces import ISubscriber, PVState
from pycawamp.pv.values import Metadata, Reading
from pycawamp.sessions.peer import Peer
from pycawamp.testing import GatewayFixture
from pycawamp.wire.v2.dialect import VERSION_1
from tests.support.ioc_case import IOCTestCase
from tests.support.memory_gateway import LINGER, MemoryGateway, Page, send_request
from tests.support.service_case import MemoryServiceTestCase

GATED = """
ASG(DEFAULT) {
    INPA(gate)
    RULE(1,READ)
    RULE(1,WRITE,TRAPWRITE) { CALC("A=1") }
}
"""


class Served(MemoryServiceTestCase):
    """What clients of a running service see."""

    @inlineCallbacks
    def until_writable(self, client: Any, writable: bool) -> Any:
        """Fires when the client has received whether it may write."""
        message = yield client.until(msg_type="metadata", pvname="X")
        self.assertEqual(message["write_access"], writable)

    @inlineCallbacks
    def test_writing(self) -> Any:
        """Puts, and write access in metadata, follow the value of an INP, its alarm and loss."""
        self.backend.add("gate", 0)
        self.serve("--allow-put=anyone", "--access", self.write("acf", GATED))
        client = yield self.connect()
        client.send({"action": "connect", "pv": "X", "metadata": True})
        yield self.until_writable(client, False)
        client.send({"action": "put", "pv": "X", "value": 2})
        refused = yield client.until(msg_type="error")
        self.assertEqual(refused["code"], "forbidden")
        self.backend.set("gate", 1)
        yield self.until_writable(client, True)
        client.send({"action": "put", "pv": "X", "value": 2})
        yield client.until(msg_type="put", ok=True)
        self.backend.set("gate", 1, severity=3)
        yield self.until_writable(client, False)
        self.backend.set("gate", 1)
        yield self.until_writable(client, True)
        self.backend.remove("gate")
        yield self.until_writable(client, False)
        self.backend.add("gate", 1)
        yield self.until_writable(client, True)

    @inlineCallbacks
    def test_reading(self) -> Any:
        """A subscription ends when the rule that allows it no longer applies."""
        self.backend.add("gate", 1)
        rule = 'ASG(DEFAULT) {INPA(gate) RULE(1,READ) {CALC("A")}}'
        self.serve("--access", self.write("acf", rule))
        client = yield self.connect()
        client.send("X")
        yield client.until(msg_type="monitor", pvname="X")
        self.backend.set("gate", 2)
        error = yield client.until(msg_type="error")
        self.assertEqual((error["code"], error["pvname"]), ("forbidden", "X"))

    @inlineCallbacks
    def test_pvlist_syntax(self) -> Any:
        """--pvlist-syntax is the build that the list was written for."""
        pvlist = self.write("pvlist", "(X|Z) ALLOW\n")
        self.serve("--pvlist", pvlist, "--pvlist-syntax", "pcre")
        client = yield self.connect()
        client.send("X")
        yield client.until(msg_type="monitor", pvname="X")
        for bad in (["--pvlist-syntax", "pcre"], ["--pvlist", pvlist, "--pvlist-syntax=perl"]):
            self.assertRaises(SystemExit, self.serve, *bad)
        self.assertRaises(SystemExit, self.serve, "--pvlist", pvlist)

    def test_stopped(self) -> None:
        """A stopped service leaves no subscription to its INPs."""
        files = AccessFiles(access=Path(self.write("acf", GATED)))
        gateway = MemoryGateway()
        gateway.backend.add("gate", 1)
        watcher = PolicyWatcher(files, gateway.clock)
        watcher.follow(gateway.hub)
        watcher.startService()
        self.assertIn("gate", gateway.hub)
        gateway.backend.set("gate", 0)
        watcher.stopService()
        self.assertEqual(len(gateway.hub.subscribe("gate", _Deaf()).pv.subscribers), 1)
        self.assertEqual(gateway.clock.getDelayedCalls()[0].getTime(), LINGER)


@implementer(ISubscriber)
class _Deaf:
    """A subscriber that does nothing."""

    def metadata(self, pv: PVState, metadata: Metadata) -> None:
        """Do nothing."""

    def connection(self, pv: PVState, connected: bool) -> None:
        """Do nothing."""

    def reading(self, pv: PVState, reading: Reading) -> None:
        """Do nothing."""


class Reloaded(SynchronousTestCase):
    """A new file that replaces the old one."""

    def test_same_input(self) -> None:
        """With a new file with the same PV, its value is known at once, by the same channel."""
        path = Path(self.mktemp())
        path.write_text(GATED)
        gateway = MemoryGateway()
        gateway.backend.add("gate", 1)
        watcher = PolicyWatcher(AccessFiles(access=path, puts=True), gateway.clock)
        watcher.follow(gateway.hub)
        self.assertFalse(watcher.decide(None, "192.0.2.1", None, "X").write)
        watcher.startService()
        self.addCleanup(watcher.stopService)
        self.assertTrue(watcher.decide(None, "192.0.2.1", None, "X").write)
        for condition, writes in (("A=1", True), ("A=2", False)):
            path.write_text(GATED.replace("A=1", condition))
            done = watcher.reload()
            # Until the file has settled, and is looked at once more.
            gateway.advance(watcher.settle + watcher.interval)
            self.assertTrue(self.successResultOf(done))
            self.assertEqual(watcher.decide(None, "192.0.2.1", None, "X").write, writes)
        gateway.backend.set("gate", 2)
        self.assertTrue(watcher.decide(None, "192.0.2.1", None, "X").write)
        self.assertEqual(len(gateway.backend.handles), 1)

    def test_gathered(self) -> None:
        """Listeners are called once for many changes within a tenth of a second."""
        path = Path(self.mktemp())
        path.write_text(GATED)
        gateway = MemoryGateway()
        gateway.backend.add("gate", 0)
        watcher = PolicyWatcher(AccessFiles(access=path), gateway.clock)
        watcher.follow(gateway.hub)
        calls: list[object] = []
        watcher.listen(calls.append)
        watcher.startService()
        self.addCleanup(watcher.stopService)
        for value in (1, 0, 1, 1):
            gateway.backend.set("gate", value)
        gateway.clock.advance(PolicyWatcher.inputs_delay)
        self.assertEqual(calls, [watcher.policy])
        gateway.backend.set("gate", 1)
        gateway.clock.advance(PolicyWatcher.inputs_delay)
        self.assertEqual(len(calls), 1)

    def test_changes_reach_all(self) -> None:
        """A policy that changes with each decision is applied to all clients in turn."""
        policy = _Restless()
        policy.gateway = gateway = MemoryGateway(policy)
        gateway.backend.add("X", 1)
        users = [f"user{number}" for number in range(5)]
        for user in users:
            session = gateway.sessions.open(Page(), Peer("test", user=user), VERSION_1)
            send_request(session, "connect", "X")
        policy.changes = 20
        gateway.sessions.reauthorize()
        while gateway.clock.getDelayedCalls() and policy.changes:
            gateway.clock.advance(0)
        self.assertEqual(sorted(policy.deciding_users[-10:][:5]), users)
        gateway.clock.advance(0)
        self.assertEqual(sorted(policy.deciding_users[-5:]), users)


@implementer(IPolicy)
class _Restless:
    """A policy that changes with each decision, for some time."""

    gateway: MemoryGateway
    changes = 0

    def __init__(self) -> None:
        self.deciding_users: list[str | None] = []

    def decide(self, user: str | None, host: str, host_name: str | None, pv: str) -> Verdict:
        """Allow everything, and change."""
        self.deciding_users.append(user)
        if self.changes:
            self.changes -= 1
            self.gateway.sessions.reauthorize()
        return Verdict(True, False, pv, False, ())


class RealIOC(IOCTestCase):
    """The same with a record of a real IOC."""

    @inlineCallbacks
    def test_record(self) -> Any:
        """A record's value, an enum's index and an INVALID alarm decide who may write."""
        ioc = yield self.borrow_ioc(
            'record(bo,"$(P)gate"){field(ZNAM,"shut")field(ONAM,"open")}'
            'record(ao,"$(P)set"){field(VAL,"1")field(PINI,"YES")}'
        )
        path = Path(self.mktemp())
        path.write_text(GATED.replace("gate", f"{self.prefix}gate"))
        watcher = PolicyWatcher(AccessFiles(access=path, puts=True), reactor)
        fixture = GatewayFixture(reactor, ports=self.ports, policy=watcher)
        watcher.follow(fixture.gateway.hub)
        watcher.listen(lambda _: fixture.gateway.reauthorize())
        self.addCleanup(fixture.stop)
        yield fixture.start()
        watcher.startService()
        self.addCleanup(watcher.stopService)
        client = yield fixture.connect()
        client.send({"action": "connect", "pv": f"{self.prefix}set", "metadata": True})
        for field, value, writable in (
            ("gate", "0", False),
            ("gate", "1", True),
            ("gate.OSV", "INVALID", True),
            ("gate", "1", False),
            ("gate.OSV", "NO_ALARM", False),
            ("gate", "1", True),
        ):
            yield ioc.query(f'dbpf("{self.prefix}{field}","{value}")')
            if writable != self.last:
                yield self._assert_write_access(client, writable)

    last: bool | None = None

    @inlineCallbacks
    def _assert_write_access(self, client: Any, writable: bool) -> Any:
        message = yield client.until(msg_type="metadata")
        while message["write_access"] != writable:
            message = yield client.until(msg_type="metadata")
        self.last = writable
