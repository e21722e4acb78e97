"""Servers that start, stop, hang, refuse, or send too much."""

from __future__ import annotations

import signal
from collections.abc import Generator
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from harness.pva import PVAServer
from pycawamp.demo.ports import LOOPBACK, PVAPorts
from pycawamp.pv.pva import backend as backend_module
from pycawamp.pv.pva import search as search_module
from pycawamp.pv.pva.pipeline import SILENCE
from pycawamp.pv.values import FieldType
from tests.support.ioc_case import until_true
from tests.support.pva_case import PVATestCase, RecordingSink
from tests.support.timing import allowed

ADD = 'add("x", nt.NTScalar("d"), {value})'


class SilentClient(ClientFactory):
    """A client that never sends anything."""

    noisy = False
    protocol = Protocol

    def __init__(self) -> None:
        self.closed: Deferred[None] = Deferred()

    def clientConnectionLost(self, connector: Any, reason: Failure) -> None:
        """The server has closed the connection."""
        self.closed.callback(None)


class LifeTests(PVATestCase):
    """The states of a PV."""

    @inlineCallbacks
    def kill(self, server: PVAServer, sink: RecordingSink) -> Generator[Deferred[Any], Any, None]:
        """Kill a server; fires when the loss was reported."""
        server.kill()
        yield sink.until("connection", lambda connected: not connected)

    @inlineCallbacks
    def test_restarts(self) -> Generator[Deferred[Any], Any, None]:
        """A restarted server is found by its beacon, each time."""
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
        """After a beacon, a name is found for which the next search would be an hour later."""
        self.patch(search_module, "DELAYS", (3600.0,))
        sink = RecordingSink()
        self.start_backend().open("x", sink)
        yield deferLater(reactor, 0.5)
        yield self.serve_records('record(ao, "x") {}')
        yield sink.until("reading")

    @inlineCallbacks
    def test_other_type(self) -> Generator[Deferred[Any], Any, None]:
        """A PV may reconnect with another type, or change its type while its server runs."""
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
        """Names are found by TCP, also with a name server that starts later."""
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
    def test_addresses(self) -> Generator[Deferred[Any], Any, None]:
        """Names are searched for at several addresses."""
        yield self.serve(ADD.format(value=4))
        sink = RecordingSink()
        nobody = PVAPorts.free()
        self.ports, server = nobody, self.ports
        self.start_backend(server).open("x", sink)
        reading = yield sink.until("reading")
        self.assertEqual(reading.value, 4)

    @inlineCallbacks
    def test_two_servers(self) -> Generator[Deferred[Any], Any, None]:
        """A server that hangs does not delay another; its PVs are lost, and reconnect."""
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
            yield sinks["y"].until("reading", lambda received, value=value: received.value == value)
        yield sinks["x"].until("connection", lambda connected: not connected)
        first.process.send_signal(signal.SIGCONT)
        yield sinks["x"].until("connection", lambda connected: connected)

    @inlineCallbacks
    def test_idle(self) -> Generator[Deferred[Any], Any, None]:
        """An idle connection stays open with a server that closes silent ones.

        The timeout, 40 s by default, is 2 s here, the shortest that servers support.
        So 6 s correspond to two minutes; the client sends an echo every 0.75 s, not every 15 s.
        """
        server = yield self.serve(ADD.format(value=1), EPICS_PVA_CONN_TMO=f"{allowed(1.5)}")
        sink = RecordingSink()
        backend = self.start_backend(EPICS_PVA_CONN_TMO=f"{allowed(1.125)}")
        backend.open("x", sink)
        yield sink.until("reading")
        silent = SilentClient()
        reactor.connectTCP(LOOPBACK, self.ports.server, silent)
        yield deferLater(reactor, allowed(6))
        yield silent.closed
        yield server.run('pvs["x"].post(2)')
        yield sink.until("reading", lambda received: received.value == 2)
        self.assertEqual([call for call, _ in sink.calls].count("connection"), 1)

    @inlineCallbacks
    def test_back_pressure(self) -> Generator[Deferred[Any], Any, None]:
        """While the gateway is busy, its servers omit updates; the newest one arrives."""
        server = yield self.serve(ADD.format(value=0))
        sink = RecordingSink()
        backend = self.start_backend()
        backend.open("x", sink)
        yield sink.until("reading")
        # This blocks the reactor.
        server.run_now('[pvs["x"].post(n) for n in range(1, 20001)] and None')
        yield server.run('pvs["x"].post(-1)')
        yield sink.until("reading", lambda received: received.value == -1)
        self.assertLess(len(sink.readings), 1000)

    @inlineCallbacks
    def test_burst(self) -> Generator[Deferred[Any], Any, None]:
        """The newest value of a burst is not delayed as long as the last of slower updates."""
        server = yield self.serve(f"{ADD.format(value=0)}; {ADD.format(value=0).replace('x', 'y')}")
        x, y = RecordingSink(), RecordingSink()
        backend = self.start_backend()
        backend.open("x", x)
        backend.open("y", y)
        yield x.until("reading")
        yield y.until("reading")
        yield server.run('[pvs["x"].post(n) for n in range(1, 2001)] and None')
        yield deferLater(reactor, 0.8 * SILENCE)
        yield server.run('pvs["y"].post(1)')
        yield y.until("reading", lambda received: received.value == 1)
        self.assertEqual(x.readings[-1].value, 2000)

    @inlineCallbacks
    def test_burst_after_restart(self) -> Generator[Deferred[Any], Any, None]:
        """The same if some earlier updates have not been acknowledged."""
        names = "abc"
        server = yield self.serve(*(f'add("{name}", nt.NTScalar("d"), 0)' for name in names))
        backend = self.start_backend()
        sinks = {name: RecordingSink() for name in names}
        for name, sink in sinks.items():
            backend.open(name, sink)
            yield sink.until("reading")
        for number in range(1, 11):
            for index, name in enumerate(names):
                # With the first value, these are one, two and three after the last acknowledgement.
                if number <= 8 + index:
                    yield server.run(f'pvs["{name}"].post({number})')
            yield deferLater(reactor, 0.06)
        # The subscriptions were started again.
        yield until_true(lambda: not len(backend.watched))
        for name in names:
            # This blocks the reactor.
            server.run_now(f'[pvs["{name}"].post(n) for n in range(1000, 3001)] and None')
        for sink in sinks.values():
            yield sink.until("reading", lambda update: update.value == 3000)
