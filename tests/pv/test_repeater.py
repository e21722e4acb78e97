"""The CA repeater: a process with real libca, started if there is none."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import gatherResults, inlineCallbacks
from twisted.internet.interfaces import IReactorProcess
from twisted.internet.threads import deferToThread
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SynchronousTestCase, TestCase

from pycawamp.demo.process import SoftIOC, free_ports
from pycawamp.pv.ca.repeater import DEFAULT_PORT, REGISTER, answers, ensure_repeater, repeater_port
from tests.support.ca_client import run_client
from tests.support.process_state import set_environment

reactor = cast(IReactorProcess, installed_reactor)

VARIABLE = "EPICS_CA_REPEATER_PORT"
GATEWAY = """
import json, os
from pycawamp.pv.ca.repeater import ensure_repeater
# What a careless library may leave open for every child.
os.set_inheritable(os.open("/dev/null", os.O_RDONLY), True)
repeater = ensure_repeater(owned=False)
children = open(f"/proc/self/task/{os.getpid()}/children").read().split()
print(json.dumps([repeater.pid, repeater.problem, children, os.getsid(0)]))
"""
SEARCH = """
pv = epics.PV("nobody:has:this")
pv.wait_for_connection(0.5)
answer(open(f"/proc/self/task/{threading.get_native_id()}/children").read().split())
"""
AWAIT_BEACONS = """
import os, socket
pv = epics.PV("T:x")
# libca registers with the repeater 10 s after its start: too long to wait here, so that is done
# for it, from the socket that it would use.
for name in os.listdir("/proc/self/fd"):
    try:
        datagrams = socket.socket(fileno=os.dup(int(name)))
    except OSError:
        continue
    if datagrams.type == socket.SOCK_DGRAM:
        datagrams.sendto(REGISTER, ("127.0.0.1", int(os.environ["EPICS_CA_REPEATER_PORT"])))
assert pv.wait_for_connection(15)
period = epics.ca.libca.ca_beacon_period
period.restype, period.argtypes = ctypes.c_double, [ctypes.c_void_p]
deadline = time.monotonic() + 15
# libca has no event for this.
while period(pv.chid.value) < 0 and time.monotonic() < deadline:
    time.sleep(0.01)
answer(period(pv.chid.value))
"""


class RepeaterTests(TestCase):
    """ensure_repeater with its process."""

    def setUp(self) -> None:
        """Choose a port."""
        self.ports = free_ports()
        self.port = self.ports.repeater
        set_environment(self, {VARIABLE: str(self.port)})

    @inlineCallbacks
    def ensure_owned(self) -> Any:
        """Return a repeater that is stopped at the end of the test."""
        repeater = yield deferToThread(ensure_repeater, owned=True)
        self.addCleanup(repeater.close)
        self.assertIsNone(repeater.problem)
        return repeater

    @inlineCallbacks
    def test_owned(self) -> Any:
        """An owned repeater answers at once, and is stopped when closed."""
        repeater = yield self.ensure_owned()
        self.assertTrue(Path(f"/proc/{repeater.pid}").exists())
        self.assertTrue(answers(self.port, 1))
        repeater.close()
        self.assertFalse(Path(f"/proc/{repeater.pid}").exists())
        self.assertFalse(answers(self.port, 0.1))

    @inlineCallbacks
    def test_one_is_enough(self) -> Any:
        """If there is a repeater, no other is started, and closing does not end it."""
        yield self.ensure_owned()
        second = ensure_repeater(owned=True)
        self.assertEqual((second.pid, second.problem), (None, None))
        second.close()
        self.assertTrue(answers(self.port, 1))

    @inlineCallbacks
    def test_outlives_its_starter(self) -> Any:
        """A detached repeater outlives its starter, and holds none of its descriptors."""
        [[pid, problem, children, session]] = yield self.run_gateways(1)
        self.assertIsNone(problem)
        self.assertEqual(children, [])
        self.assertTrue(answers(self.port, 1))
        self.assertNotEqual(os.getsid(pid), session)
        self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
        held = set()
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            # A repeater opens sockets for a moment, to see which clients are gone.
            with contextlib.suppress(FileNotFoundError):
                held.add(os.readlink(descriptor).partition(":")[0])
        self.assertEqual(held, {os.devnull, "socket"})

    @inlineCallbacks
    def test_race(self) -> Any:
        """If several start one at once, all find a repeater, and one stays."""
        results = yield self.run_gateways(3)
        self.assertEqual([problem for _, problem, _, _ in results], [None] * 3)
        self.assertTrue(answers(self.port, 1))

    @inlineCallbacks
    def test_libca_content(self) -> Any:
        """With a repeater, libca logs nothing and starts no process."""
        yield self.ensure_owned()
        client = yield run_client(reactor, self.ports, SEARCH)
        self.assertEqual((client.answer, client.stderr), ([], ""))

    @inlineCallbacks
    def test_beacons(self) -> Any:
        """A client gets the beacons of an IOC through the repeater."""
        yield self.ensure_owned()
        database = self.mktemp()
        Path(database).write_text('record(ai, "T:x") {}')
        ioc = SoftIOC(reactor, [database], ports=self.ports)
        self.addCleanup(ioc.stop)
        # The client waits for the IOC, which sends most of its beacons at the start.
        client = run_client(reactor, self.ports, f"REGISTER = {REGISTER!r}\n{AWAIT_BEACONS}")
        yield ioc.start()
        result = yield client
        self.assertGreater(result.answer, 0)

    @inlineCallbacks
    def test_fans_out(self) -> Any:
        """A datagram reaches each registered client."""
        yield self.ensure_owned()
        clients = [self.registered() for _ in range(3)]
        beacon = bytes([0, 13]) + bytes(14)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ioc:
            ioc.sendto(beacon, ("127.0.0.1", self.port))
        for client in clients:
            while client.recv(64)[:2] != beacon[:2]:
                pass

    @inlineCallbacks
    def test_hopeless(self) -> Any:
        """If no process can be started, the problem is reported, not raised."""
        self.patch(sys, "executable", "/nonexistent/python")
        for owned in (True, False):
            repeater = yield deferToThread(ensure_repeater, owned=owned)
            self.assertIn("cannot start a CA repeater", repeater.problem)
            repeater.close()

    def registered(self) -> socket.socket:
        """A client of the repeater."""
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.settimeout(5)
        client.sendto(REGISTER, ("127.0.0.1", self.port))
        self.assertEqual(client.recv(64)[:2], bytes([0, 17]))
        return client

    @inlineCallbacks
    def run_gateways(self, count: int) -> Any:
        """Start a repeater in some processes at once; return their output."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = (sys.executable, ["-c", GATEWAY], environment)
        finished = yield gatherResults(
            [getProcessOutputAndValue(*command, reactor=reactor) for _ in range(count)]
        )
        self.assertEqual([stderr for _, stderr, _ in finished], [b""] * count)
        results = [json.loads(stdout) for stdout, _, _ in finished]
        for pid, _, _, _ in results:
            self.addCleanup(_kill, pid)
        return results


class PortTests(SynchronousTestCase):
    """repeater_port."""

    def test_as_libca(self) -> None:
        """The environment contains the port; an invalid one means the default, as in libca."""
        for text, port in [("5999", 5999), ("", DEFAULT_PORT), ("x", DEFAULT_PORT)]:
            self.assertEqual(repeater_port({VARIABLE: text}), port)
        self.assertEqual(repeater_port({VARIABLE: "70000"}), DEFAULT_PORT)
        self.assertEqual(repeater_port({}), DEFAULT_PORT)


def _kill(pid: int | None) -> None:
    if pid is not None:
        # The loser of a race is gone already.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
