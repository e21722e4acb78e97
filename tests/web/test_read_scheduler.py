"""Much data of clients: handled in slices, in order, without delaying others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.service.gateway import Gateway
from pycawamp.testing import WebSocketTestClient as Client
from pycawamp.web import read_scheduler
from pycawamp.web.read_scheduler import PIECE, SLICE, SMALL, ReadScheduler
from tests.support.gateway_case import MemoryGatewayTestCase, connect_all


class Socket:
    """A transport that records whether it is read, and whether it was aborted."""

    reading = True
    aborted = False

    def pauseProducing(self) -> None:
        """Stop reading."""
        self.reading = False

    def resumeProducing(self) -> None:
        """Read again."""
        self.reading = True

    def abortConnection(self) -> None:
        """Abort it."""
        self.aborted = True


class Connection:
    """Handles pieces of data; every piece takes a while."""

    is_busy = False

    def __init__(self, clock: Clock, log: list[Connection], seconds: float = 0.0) -> None:
        self.busy_for = 0
        """The number of calls until it has handled its data."""
        self.transport = Socket()
        self.taken = b""
        self._clock = clock
        self._log = log
        self._seconds = seconds

    def handle(self, data: bytes) -> None:
        """Handle bytes; `!` is an internal error."""
        self._clock.rightNow += self._seconds
        self._log.append(self)
        self.taken += data
        self.busy_for -= self.is_busy
        self.is_busy = self.busy_for > 0
        if data.startswith(b"!"):
            raise ValueError("a mistake of ours")


class IntakeTests(SynchronousTestCase):
    """Connections with more or less data."""

    def setUp(self) -> None:
        """Make the scheduler."""
        self.clock = Clock()
        self.read_scheduler = ReadScheduler(self.clock)
        self.log: list[Connection] = []

    def connection(self, seconds: float = 0.0) -> Connection:
        """Return another connection."""
        return Connection(self.clock, self.log, seconds)

    def flush_cycle(self) -> None:
        """Run one iteration of the event loop; the clock's `advance` would run until the end."""
        [call] = self.clock.getDelayedCalls()
        work: Callable[[], None] = call.func  # type: ignore[attr-defined]
        call.cancel()
        work()

    def test_small(self) -> None:
        """A little data is handled at once."""
        one = self.connection()
        self.read_scheduler.take(one, b"x" * SMALL)
        self.assertEqual(len(one.taken), SMALL)
        self.assertTrue(one.transport.reading)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_order(self) -> None:
        """Much data is handled in pieces, in order; data that arrives meanwhile comes after it."""
        one = self.connection()
        sent = bytes(range(256)) * (5 * PIECE // 256)
        self.read_scheduler.take(one, sent)
        self.assertEqual(one.taken, b"")
        self.assertFalse(one.transport.reading)
        self.read_scheduler.take(one, b"small")
        self.flush_cycle()
        self.assertEqual(one.taken, sent + b"small")
        self.assertTrue(one.transport.reading)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_turns(self) -> None:
        """Connections that wait take turns, and small data does not wait for them."""
        first, second = self.connection(SLICE / 2), self.connection(SLICE / 2)
        for one in (first, second):
            self.read_scheduler.take(one, b"x" * 3 * PIECE)
        self.flush_cycle()
        self.assertEqual(self.log, [first, second])
        third = self.connection()
        self.read_scheduler.take(third, b"ping")
        self.assertEqual(third.taken, b"ping")
        for _ in range(2):
            self.flush_cycle()
        self.assertEqual(self.log, [first, second, third, *[first, second] * 2])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_busy(self) -> None:
        """One that is busy with little data continues in turn, and gets no more until then."""
        one, other = self.connection(SLICE / 2), self.connection(SLICE / 2)
        one.busy_for = 2
        self.read_scheduler.take(one, b"a")
        self.assertFalse(one.transport.reading)
        self.read_scheduler.take(one, b"b")
        self.read_scheduler.take(other, b"x" * PIECE)
        self.flush_cycle()
        self.assertEqual((one.taken, self.log), (b"a", [one, one, other]))
        self.flush_cycle()
        self.assertEqual((one.taken, self.log), (b"ab", [one, one, other, one, one]))
        self.assertTrue(one.transport.reading)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_busy_no_more(self) -> None:
        """One whose work ends otherwise, as when the gateway closes it, is read again."""
        one = self.connection()
        one.busy_for = 9
        self.read_scheduler.take(one, b"a")
        one.is_busy = False
        one.busy_for = 0
        self.flush_cycle()
        self.assertEqual((one.transport.reading, one.transport.aborted), (True, False))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_gone(self) -> None:
        """After a disconnect, no more data of a client is handled."""
        one, other = self.connection(SLICE), self.connection()
        self.read_scheduler.take(one, b"x" * 3 * PIECE)
        self.read_scheduler.take(other, b"x" * PIECE)
        self.flush_cycle()
        self.read_scheduler.drop(one)
        self.flush_cycle()
        self.assertEqual((len(one.taken), len(other.taken)), (PIECE, PIECE))
        self.assertFalse(one.transport.reading)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_mistake(self) -> None:
        """A connection with an internal error is aborted; the others are served."""
        one, other = self.connection(), self.connection()
        self.read_scheduler.take(one, b"!" + b"x" * PIECE)
        self.read_scheduler.take(other, b"x" * PIECE)
        self.flush_cycle()
        self.assertTrue(one.transport.aborted)
        self.assertEqual((len(one.taken), len(other.taken)), (PIECE, PIECE))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class OpeningTests(MemoryGatewayTestCase):
    """A page with many PVs opens beside other clients, over real TCP."""

    PVS = 5000

    @inlineCallbacks
    def begin(self) -> Any:
        """Return a gateway, clients with many and with few requests, and the names of all PVs."""
        # The clients run in the same event loop: their work must not lengthen the slices.
        self.patch(read_scheduler, "LONGEST_SLICE", SLICE)
        names = [f"X{i}" for i in range(self.PVS)]
        for name in names:
            self.backend.add(name, 0)
        fixture = yield self.start()
        bulk, other = yield connect_all(fixture, 2)
        return fixture.gateway, bulk, other, names

    @inlineCallbacks
    def assert_not_alone(self, gateway: Gateway, bulk: Client, other: Client) -> Any:
        """A client with a small request is answered before another has everything."""
        yield bulk.until(pvname="X0", msg_type="monitor")
        other.send({"action": "ping"})
        yield other.until(msg_type="pong")
        self.assertLess(len(gateway.hub), self.PVS)

    def assert_all_in_order(self, bulk: Client, names: list[str]) -> None:
        """Each PV's value has arrived, in the order of the requests."""
        monitors = [each["pvname"] for each in bulk.messages if each["msg_type"] == "monitor"]
        self.assertEqual(monitors, names)

    @inlineCallbacks
    def test_others_are_served_meanwhile(self) -> Any:
        """A client with a small request is answered long before one with many."""
        gateway, bulk, other, names = yield self.begin()
        for name in names:
            bulk.send({"action": "connect", "pv": name})
        yield self.assert_not_alone(gateway, bulk, other)
        yield bulk.until(pvname=names[-1], msg_type="monitor")
        self.assert_all_in_order(bulk, names)

    @inlineCallbacks
    def test_long_list(self) -> Any:
        """So it is beside one that sends a long list; its next request comes after the list."""
        gateway, bulk, other, names = yield self.begin()
        bulk.send({"action": "connect", "pvs": names})
        bulk.send({"action": "disconnect", "pvs": names})
        bulk.send({"action": "list", "id": 1})
        yield self.assert_not_alone(gateway, bulk, other)
        listed = yield bulk.until(id=1)
        self.assertEqual(listed["pvs"], [])
        self.assert_all_in_order(bulk, names)
