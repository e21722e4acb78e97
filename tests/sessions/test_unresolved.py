"""Thousands of names that no IOC has: existing PVs are found nevertheless."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import gatherResults, inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.sessions.limits import Limits
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.session import Session
from pycawamp.wire.v2.dialect import VERSION_1
from tests.support.memory_gateway import CONNECT_TIMEOUT, LINGER, MemoryGateway, Page, send_request
from tests.support.twistd_case import LOOPBACK, TwistdTestCase
from tests.support.version2_case import send_request as send_to_gateway


class FloodTests(TwistdTestCase):
    """A real gateway and a real IOC, with clients that request names that no IOC has."""

    @inlineCallbacks
    def test_flood(self) -> Any:
        """Eleven clients reach the limit; others at their address find existing PVs."""
        yield self.start_ioc(
            "".join(f'record(ao, "$(P){each}") {{ field(PINI, "YES") }}\n' for each in "abcd")
        )
        run = self.twistd()
        limits = ("--max-channels=5000", "--max-unresolved=500", "--allow-put=anyone")
        ready = yield run.serve("--port", LOOPBACK, *limits)
        url = ready[1].replace("http", "ws") + "monitor"
        crowd = yield gatherResults([self.connect(url) for _ in range(11)])
        for number, client in enumerate(crowd):
            names = [f"{self.prefix}no:{number}:{each}" for each in range(500)]
            client.send({"action": "connect", "pvs": names})
            client.send({"action": "ping"})
        yield gatherResults([client.until(msg_type="pong") for client in crowd])
        honest = yield self.connect(url)
        self.subscribe(honest, "a")
        monitor = yield honest.until(lambda message: message["msg_type"] != "connection")
        self.assertEqual((monitor["msg_type"], monitor.get("value")), ("monitor", 0), monitor)
        got = yield send_to_gateway(honest, "get", pv=self.prefix + "b")
        self.assertEqual(got.get("value"), 0, got)
        info = yield send_to_gateway(honest, "info", pv=self.prefix + "c")
        self.assertEqual(info["msg_type"], "metadata", info)
        put = yield send_to_gateway(honest, "put", pv=self.prefix + "d", value=1)
        self.assertTrue(put.get("ok"), put)

    @inlineCallbacks
    def test_one_shots(self) -> Any:
        """Gets of missing names do not prevent others from finding existing PVs."""
        yield self.start_ioc('record(ao, "$(P)a") { field(PINI, "YES") }\n')
        run = self.twistd()
        ready = yield run.serve("--port", LOOPBACK, "--max-channels=100", "--connect-timeout=60")
        url = ready[1].replace("http", "ws") + "monitor"
        crowd = yield gatherResults([self.connect(url) for _ in range(2)])
        for client in crowd:
            for each in range(100):
                client.send({"action": "get", "pv": f"{self.prefix}{id(client)}:{each}"})
            client.send({"action": "ping"})
        yield gatherResults([client.until(msg_type="pong") for client in crowd])
        honest = yield self.connect(url)
        got = yield send_to_gateway(honest, "get", pv=self.prefix + "a")
        self.assertEqual(got.get("value"), 0, got)


class FairnessTests(SynchronousTestCase):
    """Which clients lose searches, and which are refused."""

    def begin(self, **limits: int) -> None:
        """Make a gateway with these limits and a PV."""
        self.gateway = MemoryGateway(limits=Limits(**limits))
        self.gateway.backend.add("X", 1.0)
        self.pages: dict[Session, Page] = {}

    def open(self, host: str) -> Session:
        """Make a client at an address."""
        page = Page()
        session = self.gateway.sessions.open(page, Peer(host, host), VERSION_1)
        self.pages[session] = page
        return session

    def flood(self, session: Session, number: int, prefix: str = "no") -> None:
        """Request names that no IOC has."""
        names = [f"{prefix}:{session.peer.host}:{id(session)}:{each}" for each in range(number)]
        session.receive(json.dumps({"action": "connect", "pvs": names}).encode())
        while session.is_busy:
            session.process_next()

    def refused(self, session: Session) -> list[tuple[str, str]]:
        """Return code and PV of the errors that a client got since the last call."""
        self.gateway.flush_cycle()
        received = self.pages[session].take()
        return [(each["code"], each["pvname"]) for each in received if each["msg_type"] == "error"]

    def shown(self, session: Session) -> Any:
        """Return the last value that a client got, if any."""
        self.gateway.flush_cycle()
        received = self.pages[session].take()
        return next((each["value"] for each in received if each["msg_type"] == "monitor"), None)

    def test_address(self) -> None:
        """The clients of an address share a limit; the one with most names loses its oldest."""
        self.begin(unresolved=50, unresolved_per_address=60)
        greedy, modest = self.open("192.0.2.1"), self.open("192.0.2.1")
        self.flood(greedy, 50)
        oldest = next(iter(greedy.subscriptions.names))
        self.flood(modest, 20)
        self.assertEqual(self.refused(modest), [])
        gone = self.refused(greedy)
        self.assertEqual(gone[0], ("too_many_pvs", oldest))
        self.assertNotIn(oldest, greedy.subscriptions.names)
        self.assertLessEqual(len(self.gateway.hub), 60)
        self.assertEqual(len(greedy.subscriptions.names), 50 - len(gone))
        elsewhere = self.open("192.0.2.2")
        self.flood(elsewhere, 50)
        self.assertEqual(self.refused(elsewhere), [])

    def test_equals(self) -> None:
        """If no other client has more than the one that requests a name, that one is refused."""
        self.begin(unresolved=50, unresolved_per_address=60)
        first, second = self.open("192.0.2.1"), self.open("192.0.2.1")
        self.flood(first, 30)
        self.flood(second, 50)
        self.assertEqual(self.refused(first), [])
        self.assertEqual(len(self.refused(second)), 20)
        self.assertEqual(len(self.gateway.hub), 60)

    def test_in_all(self) -> None:
        """If many addresses reach the shared limit, a client of another one finds its PVs."""
        self.begin(unresolved_in_all=100)
        crowd = [self.open(f"192.0.2.{number}") for number in range(5)]
        for session in crowd:
            self.flood(session, 40)
        self.assertLessEqual(len(self.gateway.hub), 100)
        honest = self.open("198.51.100.1")
        send_request(honest, "connect", "X")
        self.assertEqual(self.shown(honest), 1.0)
        self.flood(honest, 10)
        self.assertEqual(self.refused(honest), [])
        # Names that were found do not count.
        for number in range(200):
            self.gateway.backend.add(f"X{number}", 1.0)
            send_request(honest, "connect", f"X{number}")
        self.assertEqual(self.refused(honest), [])

    def test_shared(self) -> None:
        """A client keeps a name that another one, which requested it too, has to give up."""
        self.begin(unresolved_in_all=20)
        greedy, other = self.open("192.0.2.1"), self.open("192.0.2.2")
        send_request(greedy, "connect", "late")
        send_request(other, "connect", "late")
        self.flood(greedy, 19)
        self.flood(other, 5)
        self.assertIn(("too_many_pvs", "late"), self.refused(greedy))
        self.gateway.backend.add("late", 2.0)
        self.assertEqual(self.shown(other), 2.0)
        self.assertIsNone(self.shown(greedy))

    def test_left(self) -> None:
        """Clients that request other names repeatedly do not exclude others."""
        self.begin(unresolved=10, unresolved_in_all=20)
        for each in range(10):
            session = self.open("192.0.2.1")
            self.flood(session, 10, f"no{each}")
            self.assertEqual(self.refused(session), [])
            session.close()
        self.assertLessEqual(len(self.gateway.hub), 20)
        honest = self.open("192.0.2.2")
        send_request(honest, "connect", "X")
        self.assertEqual(self.shown(honest), 1.0)
        self.gateway.advance(LINGER)
        self.assertEqual(len(self.gateway.hub), 1)

    def test_get(self) -> None:
        """A get that waits for its PV fails at once if it has to give way."""
        self.begin(unresolved_in_all=10)
        greedy, honest = self.open("192.0.2.1"), self.open("192.0.2.2")
        for each in range(10):
            send_request(greedy, "get", f"no{each}")
        self.assertEqual(self.refused(greedy), [])
        send_request(honest, "get", "no")
        self.assertEqual(self.refused(greedy)[0], ("too_many_pvs", "no0"))
        self.assertEqual(self.refused(honest), [])
        self.gateway.advance(CONNECT_TIMEOUT)
        self.assertEqual(self.refused(honest), [("not_connected", "no")])
