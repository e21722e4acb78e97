"""Limits: which requests are allowed, which are refused, and that refusals are counted."""

from __future__ import annotations

import json
from typing import Any, cast

from twisted.logger import ILogObserver, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access import Policy, Writers
from pycawamp.sessions.limits import BURST, Limits
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.quota import PATIENCE
from pycawamp.sessions.refusals import RefusalCounter
from pycawamp.sessions.session import Session
from pycawamp.sessions.token_bucket import TokenBucket
from pycawamp.wire.v2.dialect import VERSION_1
from tests.support.memory_gateway import LINGER, MemoryGateway, Page, SteppingReactor, send_request

PING = b'{"action":"ping","id":7}'


class BucketTests(SynchronousTestCase):
    """Token buckets."""

    def test_bucket(self) -> None:
        """A burst is allowed at once, then the rate; a pause restores at most a burst."""
        clock = SteppingReactor()
        bucket = TokenBucket(clock, 2, 5)
        self.assertEqual([bucket.take() for _ in range(6)], [True] * 5 + [False])
        clock.advance(0.5)
        self.assertEqual([bucket.take(), bucket.take()], [True, False])
        clock.advance(1000)
        self.assertTrue(bucket.is_full)
        self.assertEqual([bucket.take() for _ in range(6)], [True] * 5 + [False])

    def test_slow_rate(self) -> None:
        """With less than one per burst time, one is allowed nevertheless."""
        clock = SteppingReactor()
        bucket = TokenBucket(clock, 0.01, 0.2)
        self.assertEqual([bucket.take(), bucket.take()], [True, False])
        clock.advance(100)
        self.assertTrue(bucket.take())

    def test_tally(self) -> None:
        """Every refusal is counted; one per minute and kind is logged."""
        clock = SteppingReactor()
        logged: list[Any] = []
        observer = cast(ILogObserver, logged.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        refusals = RefusalCounter(clock)
        for _ in range(3):
            refusals.count("flood", "192.0.2.7")
        refusals.count("other", "192.0.2.7")
        self.assertEqual(len(logged), 2)
        clock.advance(60)
        refusals.count("flood", "192.0.2.7")
        self.assertEqual(len(logged), 3)
        self.assertEqual(str(refusals), "flood: 4, other: 1")


class SessionLimitTests(SynchronousTestCase):
    """Limits of one client."""

    def open(self, **limits: Any) -> Session:
        """Make a client of a gateway with these limits, whose connection records its end."""
        self.gateway = MemoryGateway(
            Policy(puts=True, writers=Writers.ANYONE), limits=Limits(**limits)
        )
        for number in range(5):
            self.gateway.backend.add(f"X{number}", 1.0)
        self.page = Page()
        self.closed: list[int] = []
        return self.gateway.sessions.open(
            self.page, Peer("test"), VERSION_1, lambda code, _: self.closed.append(code)
        )

    def codes(self) -> list[str]:
        """Return the codes of the errors since the last call."""
        self.gateway.flush_cycle()
        return [each["code"] for each in self.page.take() if each["msg_type"] == "error"]

    def count(self) -> int:
        """Return the number of refusals."""
        return self.gateway.sessions.shared.refusals.counts.total()

    def test_requests(self) -> None:
        """Beyond the rate, a request is answered by `rate_limited`, with its id, for some time."""
        session = self.open(request_rate=1)
        for _ in range(int(BURST)):
            session.receive(PING)
        self.assertEqual(self.codes(), [])
        session.receive(PING)
        self.gateway.flush_cycle()
        (error,) = self.page.take()
        self.assertEqual((error["code"], error["id"]), ("rate_limited", 7))
        self.gateway.advance(1)
        session.receive(PING)
        self.assertEqual(self.codes(), [])
        self.assertEqual((self.count(), self.closed), (1, []))

    def test_refused_by_name(self) -> None:
        """A refused request about one PV is answered with its action and its name."""
        session = self.open(request_rate=1)
        for _ in range(int(BURST)):
            session.receive(PING)
        send_request(session, "connect", "X0")
        send_request(session, "get", "X1")
        session.receive(b"X2")
        session.receive(json.dumps({"action": "connect", "pvs": ["X3", "X4"], "id": 8}).encode())
        session.receive(b'{"action":"put","pv":"X0","id":9}')
        self.gateway.flush_cycle()
        received = [
            (each.get("action"), each.get("pvname"), each.get("id"))
            for each in self.page.take()
            if each.get("code") == "rate_limited"
        ]
        self.assertEqual(
            received,
            [
                ("connect", "X0", None),
                ("get", "X1", None),
                ("connect", "X2", None),
                ("connect", None, 8),
                ("put", "X0", 9),
            ],
        )

    def test_abuse(self) -> None:
        """A client that continues is closed with 1008, even if it sends invalid requests."""
        for payload in (PING, b"{", b"X", b"[" * 1000):
            session = self.open(request_rate=1)
            for _ in range(int(BURST) + PATIENCE):
                session.receive(payload)
            self.assertEqual(self.closed, [])
            session.receive(payload)
            self.assertEqual(self.closed, [1008])

    def test_puts(self) -> None:
        """Puts have their own rate."""
        session = self.open(put_rate=1 / BURST)
        send_request(session, "put", "X0", value=2)
        send_request(session, "put", "X0", value=3)
        self.assertEqual(self.codes(), ["rate_limited"])
        self.gateway.advance(BURST)
        send_request(session, "put", "X0", value=4)
        self.assertEqual(self.codes(), [])
        self.assertEqual(self.count(), 1)

    def test_pvs(self) -> None:
        """One PV above the limit is refused by name; disconnecting from one allows another."""
        session = self.open(pvs=3)
        names = [f"X{number}" for number in range(4)]
        session.receive(json.dumps({"action": "connect", "pvs": names}).encode())
        self.gateway.flush_cycle()
        errors = [each for each in self.page.take() if each["msg_type"] == "error"]
        self.assertEqual([(e["code"], e["pvname"]) for e in errors], [("too_many_pvs", "X3")])
        send_request(session, "connect", "X0")
        self.assertEqual(self.codes(), [])
        send_request(session, "disconnect", "X0")
        send_request(session, "connect", "X3")
        self.assertEqual(self.codes(), [])
        self.assertEqual(self.count(), 1)

    def test_channels(self) -> None:
        """One channel above the total limit is refused; an open one can be shared."""
        first = self.open(channels=2)
        second = self.gateway.sessions.open(Page(), Peer("other"), VERSION_1)
        send_request(second, "connect", "X0")
        send_request(first, "connect", "X0")
        send_request(first, "connect", "X1")
        self.assertEqual(self.codes(), [])
        for action in ("connect", "get", "info"):
            send_request(first, action, "X2")
            self.assertEqual(self.codes(), ["too_many_pvs"])
        send_request(first, "disconnect", "X1")
        self.gateway.advance(LINGER)
        send_request(first, "connect", "X2")
        self.assertEqual(self.codes(), [])

    def test_unresolved(self) -> None:
        """Of unresolved names, one above the limit is refused; found ones do not count."""
        session = self.open(unresolved=2)
        for name in ("X0", "X1", "X2", "no1", "no2", "X0"):
            send_request(session, "connect", name)
            self.assertEqual(self.codes(), [])
        for action in ("connect", "get"):
            send_request(session, action, "no3")
            self.assertEqual(self.codes(), ["too_many_pvs"])
        self.gateway.backend.add("no1", 1.0)
        self.gateway.advance(1)
        send_request(session, "connect", "no3")
        self.assertEqual(self.codes(), [])

    def test_unresolved_churn(self) -> None:
        """Disconnecting from a name allows another after its channel's linger time."""
        session = self.open(unresolved=2)
        for name in ("no1", "no2"):
            send_request(session, "connect", name)
            send_request(session, "disconnect", name)
        self.gateway.advance(LINGER / 2)
        send_request(session, "connect", "no3")
        self.assertEqual(self.codes(), ["too_many_pvs"])
        self.gateway.advance(LINGER)
        send_request(session, "connect", "no3")
        self.assertEqual(self.codes(), [])

    def test_long_list(self) -> None:
        """A long reply to a short request counts as several requests."""
        session = self.open(request_rate=10)
        session.receive(
            json.dumps({"action": "connect", "pvs": [f"N{n}" for n in range(5000)]}).encode()
        )
        while session.is_busy:
            session.process_next()
        handled = 0
        while "rate_limited" not in self.codes():
            session.receive(b'{"action":"list"}')
            handled += 1
        self.assertLess(handled, 10)
