"""Names that no server has: searches for them become rare, and take constant memory."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Generator
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from pycawamp.demo.ports import LOOPBACK
from pycawamp.pv.pva.environment import Environment
from pycawamp.pv.pva.messages import search_response
from pycawamp.pv.pva.search import DATAGRAM, Names, Searcher
from pycawamp.pv.pva.wire import BIG, Reader
from tests.support.ioc_case import until_true
from tests.support.pva_case import PVATestCase, RecordingSink

NAMES = 10_000
FEWER = 2000
"""Names whose searches of minutes are counted."""
BROADCAST = "127.255.255.255"
STEP = 0.05
"""Seconds by which time passes."""


class Listener(DatagramProtocol):
    """Records received searches."""

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.datagrams.append(datagram)


class UnfoundTests(PVATestCase):
    """A backend whose searches get no reply."""

    @inlineCallbacks
    def test_many(self) -> Generator[Deferred[Any], Any, None]:
        """Ten thousand names are searched for in few datagrams, until their handles close."""
        listener = Listener()
        port = reactor.listenUDP(self.ports.search, listener, LOOPBACK, 65536)  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        backend = self.start_backend()
        sink = RecordingSink()
        handles = [backend.open(f"unfound:{number}", sink) for number in range(NAMES)]
        last = f"unfound:{NAMES - 1}".encode()
        yield until_true(lambda: any(last in datagram for datagram in listener.datagrams))
        self.assertTrue(all(len(datagram) <= 1500 for datagram in listener.datagrams))
        for handle in handles:
            handle.close()
        self.assertEqual(len(backend.searcher), 0)
        self.assertEqual(sink.calls, [])


class AddressTests(PVATestCase):
    """Searches on real sockets."""

    @inlineCallbacks
    def test_broadcast(self) -> Generator[Deferred[Any], Any, None]:
        """They are sent to unicast and broadcast addresses, with a flag for unicast."""
        port, addresses = self.ports.search, (LOOPBACK, BROADCAST)
        listeners = {address: Listener() for address in addresses}
        for address, listener in listeners.items():
            opened = reactor.listenUDP(port, listener, address, 65536)  # type: ignore[attr-defined]
            self.addCleanup(opened.stopListening)
        searcher = Searcher(reactor, lambda *_: None)
        targets = tuple(((address, port), address == LOOPBACK) for address in addresses)
        searcher.start(Environment(addresses=targets))
        self.addCleanup(searcher.stop)
        searcher.open(b"x", lambda _: None)
        yield until_true(lambda: all(listener.datagrams for listener in listeners.values()))
        flags = [listener.datagrams[0][12] for listener in listeners.values()]
        self.assertEqual(flags, [0x80, 0])


class FastClock(Clock):
    """A clock that tests advance, with real sockets."""

    def listenUDP(self, port: int, protocol: Any, maxPacketSize: int) -> Any:
        """Open a real socket."""
        return reactor.listenUDP(port, protocol, LOOPBACK, maxPacketSize)  # type: ignore[attr-defined]


class RareSearchTests(TestCase):
    """The searches of minutes, without waiting for them."""

    def setUp(self) -> None:
        """Search for names, at an address where no server listens."""
        self.clock = FastClock()
        self.sent: list[tuple[float, Names]] = []
        self.searcher = Searcher(self.clock, self._record_search)
        self.addCleanup(self.searcher.stop)
        self.searcher.start(Environment(addresses=(((LOOPBACK, 9), True),)))
        self.searches = [
            self.searcher.open(b"unfound:%d" % number, lambda _: None) for number in range(FEWER)
        ]

    def _record_search(self, _sequence: int, names: Names) -> None:
        self.sent.append((self.clock.seconds(), names))

    def pass_time(self, seconds: float) -> list[tuple[float, Names]]:
        """Advance the time; return the searches, one for each datagram."""
        self.sent.clear()
        self.clock.pump([STEP] * round(seconds / STEP))
        return self.sent[:]

    def test_growing_delays(self) -> None:
        """Each name is searched for at growing intervals, up to 30 s."""
        times = Counter(name for _, names in self.pass_time(20) for _, name in names)
        # At 0, 0.1, 0.3, 0.8, 1.8, 3.8, 7.8 and 15.8 s.
        self.assertEqual((len(times), set(times.values())), (FEWER, {8}))
        later = self.pass_time(120)
        times = Counter(name for _, names in later for _, name in names)
        self.assertEqual((len(times), set(times.values())), (FEWER, {4}))
        # Four searches for each name of 20 bytes, in full datagrams.
        self.assertLess(len(later), 1.1 * 4 * FEWER * 20 / DATAGRAM)
        by_second = Counter(int(when) for when, _ in later)
        self.assertLess(len(by_second), 10)
        # A server has started: all are searched for at once, and rarely afterwards.
        self.searcher.hurry()
        times = Counter(name for _, names in self.pass_time(20) for _, name in names)
        self.assertEqual((len(times), set(times.values())), (FEWER, {8}))

    def test_memory(self) -> None:
        """Searches take the same memory after minutes, and none after they were cancelled."""
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        self.pass_time(60)
        before, _ = tracemalloc.get_traced_memory()
        self.pass_time(60)
        after, _ = tracemalloc.get_traced_memory()
        self.assertLess(after - before, FEWER)
        for search in self.searches:
            self.searcher.close(search)
        self.searches.clear()
        self.assertEqual(self.pass_time(60), [])
        left, _ = tracemalloc.get_traced_memory()
        self.assertLess(left, before - 100 * FEWER)


class AnswerTests(SynchronousTestCase):
    """Replies to searches."""

    def test_invalid_reply(self) -> None:
        """A reply by another protocol, or that nothing was found, is ignored."""
        head = bytes(12) + bytes(4) + bytes(16) + b"\x13\xd3"
        tails = ((b"\x03tcp\x01", True), (b"\x03tls\x01", False), (b"\x03tcp\x00", False))
        for tail, is_found in tails:
            raw = head + tail + b"\x00\x01\x00\x00\x00\x05"
            found = search_response(Reader(raw, 0, len(raw), BIG))
            self.assertEqual(found is not None and found.numbers == (5,), is_found)
