"""Limits: what is still let through, what is not, and that it is counted."""

from __future__ import annotations

import json
from typing import Any, cast

from twisted.internet.defer import gatherResults, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access import Policy, Writers
from pycawamp.limits import BURST, PATIENCE, Limits, Tally, TokenBucket
from pycawamp.session import Client, Session
from pycawamp.testing import WebSocketTestClient, connect
from tests.fakes import LINGER, Page, SteppingReactor, World, ask
from tests.guarded import UPGRADE, GuardedTestCase, reactor, request
from tests.ioc import until_true

PING = b'{"action":"ping","id":7}'


class BucketTests(SynchronousTestCase):
    """Token buckets."""

    def test_bucket(self) -> None:
        """A burst goes through at once, then the rate; a rest is worth a burst at most."""
        clock = SteppingReactor()
        bucket = TokenBucket(clock, 2, 5)
        self.assertEqual([bucket.take() for _ in range(6)], [True] * 5 + [False])
        clock.advance(0.5)
        self.assertEqual([bucket.take(), bucket.take()], [True, False])
        clock.advance(1000)
        self.assertTrue(bucket.is_full)
        self.assertEqual([bucket.take() for _ in range(6)], [True] * 5 + [False])

    def test_slow_rate(self) -> None:
        """At less than one in a burst's time, one goes through all the same."""
        clock = SteppingReactor()
        bucket = TokenBucket(clock, 0.01, 0.2)
        self.assertEqual([bucket.take(), bucket.take()], [True, False])
        clock.advance(100)
        self.assertTrue(bucket.take())

    def test_tally(self) -> None:
        """Every refusal is counted; of one kind, one a minute is logged."""
        clock = SteppingReactor()
        logged: list[Any] = []
        observer = cast(ILogObserver, logged.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        tally = Tally(clock)
        for _ in range(3):
            tally.count("flood", "192.0.2.7")
        tally.count("other", "192.0.2.7")
        self.assertEqual(len(logged), 2)
        clock.advance(60)
        tally.count("flood", "192.0.2.7")
        self.assertEqual(len(logged), 3)
        self.assertEqual(str(tally), "flood: 4, other: 1")


class SessionLimitTests(SynchronousTestCase):
    """What one client may ask for."""

    def open(self, **limits: Any) -> Session:
        """A client of a gateway with these limits, whose connection notes that it is closed."""
        self.world = World(Policy(puts=True, writers=Writers.ANYONE), limits=Limits(**limits))
        for number in range(5):
            self.world.backend.add(f"X{number}", 1.0)
        self.page = Page()
        self.closed: list[int] = []
        return self.world.sessions.open(
            self.page, Client("test"), lambda code, _: self.closed.append(code)
        )

    def codes(self) -> list[str]:
        """The codes of the errors since the last time."""
        self.world.turn()
        return [each["code"] for each in self.page.take() if each["msg_type"] == "error"]

    def count(self) -> int:
        """How many refusals were counted."""
        return self.world.sessions.tally.counts.total()

    def test_requests(self) -> None:
        """Beyond the rate a request is answered by `rate_limited`, with its id; time heals."""
        session = self.open(request_rate=1)
        for _ in range(int(BURST)):
            session.receive(PING)
        self.assertEqual(self.codes(), [])
        session.receive(PING)
        self.world.turn()
        (error,) = self.page.take()
        self.assertEqual((error["code"], error["id"]), ("rate_limited", 7))
        self.world.advance(1)
        session.receive(PING)
        self.assertEqual(self.codes(), [])
        self.assertEqual((self.count(), self.closed), (1, []))

    def test_abuse(self) -> None:
        """Who goes on is closed with 1008, also by what is no request at all."""
        for payload in (PING, b"{", b"X", b"[" * 1000):
            session = self.open(request_rate=1)
            for _ in range(int(BURST) + PATIENCE):
                session.receive(payload)
            self.assertEqual(self.closed, [])
            session.receive(payload)
            self.assertEqual(self.closed, [1008])

    def test_puts(self) -> None:
        """Puts have a rate of their own."""
        session = self.open(put_rate=1 / BURST)
        ask(session, "put", "X0", value=2)
        ask(session, "put", "X0", value=3)
        self.assertEqual(self.codes(), ["rate_limited"])
        self.world.advance(BURST)
        ask(session, "put", "X0", value=4)
        self.assertEqual(self.codes(), [])
        self.assertEqual(self.count(), 1)

    def test_pvs(self) -> None:
        """One PV more than may be is refused by name; leaving one makes room."""
        session = self.open(pvs=3)
        names = [f"X{number}" for number in range(4)]
        session.receive(json.dumps({"action": "connect", "pvs": names}).encode())
        self.world.turn()
        errors = [each for each in self.page.take() if each["msg_type"] == "error"]
        self.assertEqual([(e["code"], e["pvname"]) for e in errors], [("too_many_pvs", "X3")])
        ask(session, "connect", "X0")
        self.assertEqual(self.codes(), [])
        ask(session, "disconnect", "X0")
        ask(session, "connect", "X3")
        self.assertEqual(self.codes(), [])
        self.assertEqual(self.count(), 1)

    def test_channels(self) -> None:
        """One channel more than may be open in all is refused; an open one is shared."""
        first = self.open(channels=2)
        second = self.world.sessions.open(Page(), Client("other"))
        ask(second, "connect", "X0")
        ask(first, "connect", "X0")
        ask(first, "connect", "X1")
        self.assertEqual(self.codes(), [])
        for action in ("connect", "get", "info"):
            ask(first, action, "X2")
            self.assertEqual(self.codes(), ["too_many_pvs"])
        ask(first, "disconnect", "X1")
        self.world.advance(LINGER)
        ask(first, "connect", "X2")
        self.assertEqual(self.codes(), [])

    def test_unresolved(self) -> None:
        """Of names without an answer, one more than may be is refused; found ones do not count."""
        session = self.open(unresolved=2)
        for name in ("X0", "X1", "X2", "no1", "no2", "X0"):
            ask(session, "connect", name)
            self.assertEqual(self.codes(), [])
        for action in ("connect", "get"):
            ask(session, action, "no3")
            self.assertEqual(self.codes(), ["too_many_pvs"])
        self.world.backend.add("no1", 1.0)
        self.world.advance(1)
        ask(session, "connect", "no3")
        self.assertEqual(self.codes(), [])

    def test_unresolved_churn(self) -> None:
        """Leaving a name makes no room until its channel's linger is over."""
        session = self.open(unresolved=2)
        for name in ("no1", "no2"):
            ask(session, "connect", name)
            ask(session, "disconnect", name)
        self.world.advance(LINGER / 2)
        ask(session, "connect", "no3")
        self.assertEqual(self.codes(), ["too_many_pvs"])
        self.world.advance(LINGER)
        ask(session, "connect", "no3")
        self.assertEqual(self.codes(), [])

    def test_long_list(self) -> None:
        """A long answer to a short question counts for more than one request."""
        session = self.open(request_rate=10)
        session.receive(
            json.dumps({"action": "connect", "pvs": [f"N{n}" for n in range(5000)]}).encode()
        )
        while session.is_busy:
            session.go_on()
        asked = 0
        while "rate_limited" not in self.codes():
            session.receive(b'{"action":"list"}')
            asked += 1
        self.assertLess(asked, 10)


class ServedLimitTests(GuardedTestCase):
    """Limits of connections."""

    def assert_counted(self, service: Any, kind: str) -> None:
        """A refusal of a kind was counted."""
        self.assertGreater(list(service)[1].tally.counts[kind], 0)

    @inlineCallbacks
    def test_clients(self) -> Any:
        """One client more than may be is refused with 503; one that leaves makes room."""
        service = self.serve("--max-clients=2")
        first, second = yield gatherResults([self.connect(), self.connect()])
        refused = yield self.knock()
        self.assertEqual(refused.status, 503)
        self.assert_counted(service, "as many clients as may be")
        yield first.close()
        third = yield self.connect()
        for client in (second, third):
            client.send({"action": "ping"})
            yield client.until(msg_type="pong")

    @inlineCallbacks
    def test_clients_per_address(self) -> Any:
        """One client more of an address is refused; other addresses have room of their own."""
        service = self.serve("--max-clients-per-address=1", "--trust-proxy=127.0.0.1")
        yield self.connect({"X-Forwarded-For": "192.0.2.1"})
        refused = yield self.knock(X_Forwarded_For="192.0.2.1")
        other = yield self.knock(X_Forwarded_For="192.0.2.2")
        self.assertEqual((refused.status, other.status), (503, 101))
        self.assert_counted(service, "as many clients of one address as may be")
        yield self.connect({"X-Forwarded-For": "2001:db8::1"})
        neighbour = yield self.knock(X_Forwarded_For="2001:db8::2")
        elsewhere = yield self.knock(X_Forwarded_For="2001:db8:0:1::1")
        self.assertEqual((neighbour.status, elsewhere.status), (503, 101))

    @inlineCallbacks
    def test_pipelined(self) -> Any:
        """What asks without end and reads nothing is not answered beyond what it may leave."""
        service = self.serve()
        site = cast(Any, service.getServiceNamed("port"))._site
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)
        client: Any = yield endpoint.connect(Factory.forProtocol(Protocol))
        client.transport.pauseProducing()
        client.transport.write(b"GET /static/console.css HTTP/1.1\r\nHost: x\r\n\r\n" * 2500)

        def waits() -> int:
            transports = [each.transport for each in site.channels if each.transport is not None]
            return sum(len(each.dataBuffer) + each._tempDataLen for each in transports)

        yield until_true(lambda: waits() > 0)
        for _ in range(3):
            yield self.get()
        self.assertLess(waits(), 4 * 2**20)
        client.transport.abortConnection()

    @inlineCallbacks
    def test_message(self) -> Any:
        """--max-message is the size of the largest message."""
        self.serve("--max-message=100")
        client = yield self.connect()
        client.send("{" + " " * 99)
        error = yield client.receive()
        self.assertEqual(error["code"], "bad_json")
        client.send("{" + " " * 100)
        code = yield client.when_closed()
        self.assertEqual(code, 1009)

    @inlineCallbacks
    def test_flood(self) -> Any:
        """A client that floods is closed with 1008; another is served."""
        service = self.serve("--max-request-rate=5")
        flooder, other = yield gatherResults([self.connect(), self.connect()])
        for _ in range(300):
            flooder.send({"action": "ping"})
        code = yield flooder.when_closed()
        self.assertEqual(code, 1008)
        self.assertEqual(flooder.messages[-1]["code"], "rate_limited")
        other.send({"action": "ping"})
        yield other.until(msg_type="pong")
        self.assert_counted(service, "too many requests a second")

    @inlineCallbacks
    def test_control_frames(self) -> Any:
        """A flood of pings is one too."""
        self.serve("--max-request-rate=5")
        flooder = yield self.connect()
        for _ in range(300):
            flooder.protocol.sendPing(b"x")
        code = yield flooder.when_closed()
        self.assertEqual(code, 1008)

    @inlineCallbacks
    def test_header(self) -> Any:
        """A header at the limit is taken, one byte more is refused with 431; endless ones too."""
        service = self.serve("--max-header=1000")
        plain = request("/", {"Connection": "close", "X": ""})
        # Line ends are not counted.
        fill = 1000 - len(plain.replace(b"\r\n", b""))
        for more, status in ((0, 200), (1, 431), (100_000, 431)):
            answer = yield self.exchange(
                request("/", {"Connection": "close", "X": "x" * (fill + more)})
            )
            self.assertEqual(answer.status, status, more)
        lines = {f"X-{number}": "x" * 50 for number in range(100)}
        for data in (request("/", lines), b"G" * 50_000):
            answer = yield self.exchange(data)
            self.assertEqual(answer.status, 431)
        self.assert_counted(service, "header too large")

    @inlineCallbacks
    def test_body(self) -> Any:
        """Requests with a body are refused: nothing of it is kept."""
        service = self.serve()
        for header, status in (
            ({"Content-Length": "5"}, 413),
            ({"Content-Length": "99999999999"}, 413),
            ({"Transfer-Encoding": "chunked"}, 413),
            ({"Content-Length": "0"}, 200),
        ):
            data = request("/", {"Connection": "close", **header})
            answer = yield self.exchange(data + (b"" if status == 200 else b"5\r\nhello\r\n"))
            self.assertEqual(answer.status, status, header)
        self.assert_counted(service, "request with a body")

    @inlineCallbacks
    def test_handshake_time(self) -> Any:
        """A request that does not arrive whole in time is cut off; a socket that is open is not."""
        service = self.serve("--handshake-timeout=0.3")
        client: WebSocketTestClient = yield connect(reactor, self.url)
        self.addCleanup(client.abort)
        started = reactor.seconds()
        silent, half, late = yield gatherResults(
            [
                self.exchange(b""),
                self.exchange(request("/monitor", UPGRADE)[:-2]),
                self.exchange(request("/", {}) + b"GET / HT"),
            ]
        )
        self.assertEqual([silent.status, half.status, late.status], [0, 0, 200])
        self.assertLess(reactor.seconds() - started, 5)
        self.assert_counted(service, "request too slow")
        client.send({"action": "ping"})
        yield client.until(msg_type="pong")
