"""Servers that come and go, freeze, refuse, or send more than can be taken."""

from __future__ import annotations

import signal
import time
from collections.abc import Generator
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import deferLater

from harness.pva import PVAServer
from pycawamp.demo.ports import LOOPBACK, PVAPorts
from pycawamp.pv.pva import backend as backend_module
from pycawamp.pv.pva import search as search_module
from pycawamp.pv.pva.messages import search_response
from pycawamp.pv.pva.wire import BIG, Reader
from pycawamp.pv.values import FieldType
from tests.support.ioc_case import until_true
from tests.support.pva_case import PVATestCase, RecordingSink

ADD = 'add("x", nt.NTScalar("d"), {value})'


class LifeTests(PVATestCase):
    """One PV, and what becomes of it."""

    @inlineCallbacks
    def kill(self, server: PVAServer, sink: RecordingSink) -> Generator[Deferred[Any], Any, None]:
        """End a server; fires when that was told."""
        server.kill()
        yield sink.until("connection", lambda connected: not connected)

    @inlineCallbacks
    def test_restarts(self) -> Generator[Deferred[Any], Any, None]:
        """A server that returns is found, each time, by its beacon."""
        sink = RecordingSink()
        backend = self.start_backend()
        backend.open("x", sink)
        for value in range(5):
            server = yield self.serve(ADD.format(value=value))
            reading = yield sink.until("reading")
            self.assertEqual(reading.value, value)
            yield self.kill(server, sink)
        self.assertEqual(len(sink.readings), 5)

    @inlineCallbacks
    def test_beacon(self) -> Generator[Deferred[Any], Any, None]:
        """A beacon has a name found that is not searched for any more for an hour."""
        self.patch(search_module, "DELAYS", (3600.0,))
        sink = RecordingSink()
        self.start_backend().open("x", sink)
        yield deferLater(reactor, 0.5)
        yield self.serve_records('record(ao, "x") {}')
        yield sink.until("reading")

    @inlineCallbacks
    def test_other_type(self) -> Generator[Deferred[Any], Any, None]:
        """A PV may come back as another type, or change while its server stays."""
        sink = RecordingSink()
        backend = self.start_backend()
        handle = backend.open("x", sink)
        server = yield self.serve(ADD.format(value=1))
        yield sink.until("reading")
        yield self.kill(server, sink)
        server = yield self.serve('add("x", nt.NTScalar("as"), ["a"])')
        reading = yield sink.until("reading")
        self.assertEqual((reading.value, sink.described.type), (["a"], FieldType.STRING))
        yield server.run('pvs["x"].close()')
        yield sink.until("connection", lambda connected: not connected)
        yield server.run('pvs["x"].open(nt.NTScalar("l").wrap(2**60 + 1))')
        reading = yield sink.until("reading")
        self.assertEqual((reading.value, sink.described.type), (2**60 + 1, FieldType.INT64))
        yield handle.put(2**61 + 1, True)

    @inlineCallbacks
    def test_name_server(self) -> Generator[Deferred[Any], Any, None]:
        """Names are found by TCP, at a name server that comes later too."""
        sink = RecordingSink()
        self.patch(backend_module, "NAME_SERVER_PAUSE", 0.2)
        backend = self.start_backend(
            EPICS_PVA_ADDR_LIST="", EPICS_PVA_NAME_SERVERS=f"{LOOPBACK}:{self.ports.server}"
        )
        backend.open("x", sink)
        yield deferLater(reactor, 0.5)
        self.assertEqual(sink.calls, [])
        yield self.serve(ADD.format(value=3))
        reading = yield sink.until("reading")
        self.assertEqual(reading.value, 3)

    @inlineCallbacks
    def test_two_servers(self) -> Generator[Deferred[Any], Any, None]:
        """One server that hangs holds no other up; its PVs are told as lost, and come back."""
        other = PVAPorts.free()
        first = yield self.serve(ADD.format(value=1))
        second = yield self.serve('add("y", nt.NTScalar("d"), 1)', ports=other)
        backend = self.start_backend(other, EPICS_PVA_CONN_TMO="1.5")
        sinks = {name: RecordingSink() for name in "xy"}
        for name, sink in sinks.items():
            backend.open(name, sink)
            yield sink.until("reading")
        first.process.send_signal(signal.SIGSTOP)
        for value in range(2, 5):
            yield second.run(f'pvs["y"].post({value})')
            yield sinks["y"].until("reading", lambda told, value=value: told.value == value)
        yield sinks["x"].until("connection", lambda connected: not connected)
        first.process.send_signal(signal.SIGCONT)
        yield sinks["x"].until("connection", lambda connected: connected)

    @inlineCallbacks
    def test_idle(self) -> Generator[Deferred[Any], Any, None]:
        """A connection on which nothing happens is kept, for several times its timeout."""
        server = yield self.serve(ADD.format(value=1))
        sink = RecordingSink()
        backend = self.start_backend(EPICS_PVA_CONN_TMO="1")
        backend.open("x", sink)
        yield sink.until("reading")
        yield deferLater(reactor, 5)
        yield server.run('pvs["x"].post(2)')
        yield sink.until("reading", lambda told: told.value == 2)
        self.assertEqual([call for call, _ in sink.calls].count("connection"), 1)

    @inlineCallbacks
    def test_back_pressure(self) -> Generator[Deferred[Any], Any, None]:
        """While the gateway is busy its servers leave updates out; the newest one comes."""
        server = yield self.serve(ADD.format(value=0))
        sink = RecordingSink()
        backend = self.start_backend()
        backend.open("x", sink)
        yield sink.until("reading")
        posted = server.run('[pvs["x"].post(n) for n in range(1, 20001)] and None')
        # The reactor does nothing meanwhile: it is this that blocks.
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            time.sleep(0.01)
        yield posted
        yield server.run('pvs["x"].post(-1)')
        yield sink.until("reading", lambda told: told.value == -1)
        self.assertLess(len(sink.readings), 1000)


class Listener(DatagramProtocol):
    """Keeps the searches that come."""

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.datagrams.append(datagram)


class UnfoundTests(PVATestCase):
    """Names that nobody has."""

    @inlineCallbacks
    def test_many(self) -> Generator[Deferred[Any], Any, None]:
        """Ten thousand names are searched for in few datagrams, and ever more rarely."""
        listener = Listener()
        port = reactor.listenUDP(self.ports.search, listener, LOOPBACK, 65536)  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        backend = self.start_backend()
        sink = RecordingSink()
        handles = [backend.open(f"unfound:{number}", sink) for number in range(10_000)]
        last = b"unfound:9999"
        yield until_true(lambda: any(last in datagram for datagram in listener.datagrams))
        yield deferLater(reactor, 6)
        times = sum(datagram.count(b"unfound:9999") for datagram in listener.datagrams)
        # At 0, 0.1, 0.3, 0.8, 1.8, 3.8 and 7.8 seconds.
        self.assertLess(times, 9)
        self.assertTrue(all(len(datagram) <= 1500 for datagram in listener.datagrams))
        before, used = time.monotonic(), time.process_time()
        yield deferLater(reactor, 2)
        share = (time.process_time() - used) / (time.monotonic() - before)
        self.assertLess(share, 0.5)
        for handle in handles:
            handle.close()
        self.assertEqual(len(backend.searcher), 0)
        self.assertEqual(sink.calls, [])

    def test_strange_answer(self) -> None:
        """An answer by another protocol, or that nothing was found, is of no use."""
        head = bytes(12) + bytes(4) + bytes(16) + b"\x13\xd3"
        tails = ((b"\x03tcp\x01", True), (b"\x03tls\x01", False), (b"\x03tcp\x00", False))
        for tail, is_found in tails:
            raw = head + tail + b"\x00\x01\x00\x00\x00\x05"
            found = search_response(Reader(raw, 0, len(raw), BIG))
            self.assertEqual(found is not None and found.numbers == (5,), is_found)
