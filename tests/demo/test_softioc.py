"""The IOC as a child process: its life, its shell, its scan rates. All against real EPICS."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IReactorProcess, IReactorTCP
from twisted.internet.protocol import Factory, ProcessProtocol, Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from pycawamp.demo import softioc
from pycawamp.demo.ports import BLOCK, CAPorts, free_port, free_ports
from pycawamp.demo.process import IOCError, SoftIOC
from tests.support.ca_client import run_client
from tests.support.timing import TIMEOUT, allowed

reactor = cast(IReactorProcess, installed_reactor)

RECORDS = """
record(ao, "$(P)setpoint") { field(VAL, "1.5") field(PINI, "YES") }
record(calc, "$(P)hundred") { field(SCAN, ".01 second") field(CALC, "VAL+1") }
record(calc, "$(P)thousand") { field(SCAN, ".001 second") field(CALC, "VAL+1") }
"""
COUNT_UPDATES = """
updates = {"T:hundred": [], "T:thousand": []}
enough = threading.Event()
def count(pvname, value, timestamp, **_):
    updates[pvname].append((value, timestamp))
    if len(updates["T:thousand"]) > 1000 and len(updates["T:hundred"]) > 100:
        enough.set()
pvs = [epics.PV(name, form="time", callback=count) for name in updates]
enough.wait(10)
def rate(seen):
    return (len(seen) - 1) / (seen[-1][1] - seen[0][1])
def gaps(seen):
    return sum(later[0] - earlier[0] != 1 for earlier, later in zip(seen, seen[1:]))
# What came before the monitor was set up is no gap: the first is the value at that time.
answer({name[2:]: [rate(seen[1:]), gaps(seen[1:])] for name, seen in updates.items()})
"""
ORPHAN = """
import os, signal, sys
from twisted.internet import reactor
from pycawamp.demo.process import CAPorts, SoftIOC
ioc = SoftIOC(reactor, [sys.argv[1]], "P=T:", CAPorts(int(sys.argv[2]), int(sys.argv[3])))
def ready(_):
    print("up", flush=True)
reactor.callWhenRunning(lambda: ioc.start().addCallback(ready))
reactor.run()
"""
MODULES = """
import sys
from pycawamp.demo import softioc
softioc.main(sys.argv[1:])
print(*sys.modules)
"""


class SoftIOCTests(TestCase):
    """SoftIOC with its child."""

    def setUp(self) -> None:
        """Writes the database."""
        self.database = self.mktemp() + ".db"
        Path(self.database).parent.mkdir(parents=True, exist_ok=True)
        Path(self.database).write_text(RECORDS)

    def make(
        self,
        database: str | None = None,
        ports: CAPorts | None = None,
        access_file: str | None = None,
    ) -> SoftIOC:
        """Return an IOC that is stopped at the end of the test."""
        ioc = SoftIOC(reactor, [database or self.database], "P=T:", ports, access_file)
        self.addCleanup(ioc.stop)
        return ioc

    @inlineCallbacks
    def test_serves_and_obeys(self) -> Any:
        """The IOC serves its records and executes the lines of its shell in order."""
        ioc = self.make()
        self.assertFalse(ioc.running)
        yield ioc.start()
        self.assertTrue(ioc.running)
        ioc.command('dbpf("T:setpoint","7.25")')
        shown = yield ioc.query("dbgf T:setpoint")
        self.assertEqual(shown.split(), ["DBF_DOUBLE:", "7.25"])
        client = yield run_client(reactor, ioc.ports, "answer(epics.caget('T:setpoint'))")
        self.assertEqual(client.answer, 7.25)
        # A line that the shell cannot parse spoils no other.
        answer = yield ioc.query('echo "unfinished')
        self.assertEqual(answer, "")
        self.assertIn("Unbalanced quote.", "\n".join(ioc.output))
        answer = yield ioc.query("echo next")
        self.assertEqual(answer, "next")

    @inlineCallbacks
    def test_fast_scans(self) -> Any:
        """Records scan at 100 Hz and at 1 kHz, and a client misses no update."""
        ioc = self.make()
        yield ioc.start()
        client = yield run_client(reactor, ioc.ports, COUNT_UPDATES)
        for name, hertz in [("hundred", 100), ("thousand", 1000)]:
            rate, gaps = client.answer[name]
            # A busy machine scans late, and EPICS does not make up for it.
            self.assertApproximates(rate, hertz, allowed(0.2 * hertz))
            self.assertEqual(gaps, 0)

    @inlineCallbacks
    def test_start_failure(self) -> Any:
        """An IOC that cannot start says why in the error."""
        Path(self.database).write_text('record(nonsense, "X") {}')
        error = yield self.assertFailure(self.make().start(), IOCError)
        self.assertIn("nonsense", str(error))
        self.assertIn("cannot load", str(error))

    @inlineCallbacks
    def test_kill(self) -> Any:
        """When an IOC is killed, pending and later queries fail, and `ended` fires."""
        ioc = self.make()
        yield ioc.start()
        ended, query = ioc.when_ended(), ioc.query("epicsThreadSleep 10")
        ioc.kill()
        reason = yield ended
        self.assertIn("signal 9", reason)
        yield self.assertFailure(query, IOCError)
        self.assertRaises(IOCError, ioc.query, "casr")
        self.assertFalse(ioc.running)

    @inlineCallbacks
    def test_stop(self) -> Any:
        """A stopped IOC exits, well before it would be killed."""
        ioc = self.make()
        yield ioc.start()
        ended = ioc.when_ended()
        yield ioc.stop()
        reason = yield ended
        self.assertIn("process finished with exit code 0", reason)

    @inlineCallbacks
    def test_stop_hung(self) -> Any:
        """An IOC that hangs is killed."""
        ioc = self.make()
        yield ioc.start()
        ioc.command("epicsThreadSleep 60")
        ended = ioc.when_ended()
        yield ioc.stop()
        reason = yield ended
        self.assertIn("signal 9", reason)

    @inlineCallbacks
    def test_restart(self) -> Any:
        """Another IOC uses the ports of a killed one, on loopback only."""
        first = self.make()
        yield first.start()
        yield _connect(first.ports.server)
        ended = first.when_ended()
        first.kill()
        yield ended
        Path(self.database).write_text('record(stringin, "T:setpoint") { field(VAL, "text") }')
        second = self.make(ports=first.ports)
        yield second.start()
        report = yield second.query("casr 1")
        self.assertIn(f"CAS-TCP server on 127.0.0.1:{first.ports.server} with", report)
        beacons = f"CAS-beacons to 1 address:\n    127.0.0.1:{first.ports.repeater}"
        self.assertIn(beacons, report)
        shown = yield second.query("dbgf T:setpoint")
        self.assertEqual(shown.split(), ["DBF_STRING:", '"text"'])

    @inlineCallbacks
    def test_access_file(self) -> Any:
        """The rules of an access file apply to clients."""
        rules = self.mktemp()
        Path(rules).write_text("ASG(DEFAULT) { RULE(1, READ) }")
        ioc = self.make(access_file=rules)
        yield ioc.start()
        script = """
        pv = epics.PV("T:setpoint")
        pv.wait_for_connection(10)
        answer([pv.get(), pv.read_access, pv.write_access])
        """
        client = yield run_client(reactor, ioc.ports, script)
        self.assertEqual(client.answer, [1.5, True, False])

    @inlineCallbacks
    def test_dies_with_parent(self) -> Any:
        """The IOC ends when its parent is killed."""
        ports, parent = free_ports(), _Parent()
        command = [sys.executable, "-c", ORPHAN, self.database]
        command += [str(ports.server), str(ports.repeater)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = reactor.spawnProcess(parent, command[0], command, env=environment)
        yield parent.up
        watcher = yield _connect(ports.server)
        process.signalProcess("KILL")
        yield gatherResults([parent.ended, watcher.lost])


class StartTests(SynchronousTestCase):
    """The process alone."""

    def test_imports(self) -> None:
        """It starts without setuptools, which takes longer to import than the IOC to start."""
        database = Path(self.mktemp())
        database.write_text('record(ao, "X") {}')
        command = [sys.executable, "-c", MODULES, str(database)]
        environment = free_ports().ioc_environment()
        ended = subprocess.run(
            command,
            check=True,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        ready, *modules = ended.stdout.split()
        self.assertEqual(ready, softioc.READY)
        self.assertIn("epicscorelibs", modules)
        self.assertNotIn("setuptools", modules)


class PortTests(SynchronousTestCase):
    """CAPorts and free_ports."""

    def test_free(self) -> None:
        """Free ports are free for TCP and for UDP, and differ."""
        ports = free_ports()
        self.assertNotEqual(ports.server, ports.repeater)
        for port in (ports.server, ports.repeater):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as one:
                    one.bind(("127.0.0.1", port))

    def test_other_process(self) -> None:
        """Two processes never have the same, also when nobody listens yet; nor have forks."""
        own = {free_port() for _ in range(2 * BLOCK)}
        script = (
            "import os, sys\n"
            "from pycawamp.demo.ports import BLOCK, free_port\n"
            "free_port()\n"
            "os.fork()\n"
            "print(*[free_port() for _ in range(BLOCK)])\n"
        )
        printed = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)
        processes = [set(map(int, line.split())) for line in printed.stdout.splitlines()]
        self.assertEqual(len(processes), 2)
        for one, other in itertools.combinations([own, *processes], 2):
            self.assertGreater(len(one), BLOCK / 2)
            self.assertEqual(one & other, set())

    def test_all_in_use(self) -> None:
        """An error is raised if all ports of the process are in use."""
        script = (
            "import socket\n"
            "from pycawamp.demo.ports import BLOCK, free_port\n"
            "used = [socket.create_server(('', free_port())) for _ in range(BLOCK)]\n"
        )
        command = [sys.executable, "-c", f"{script}free_port()"]
        ended = subprocess.run(
            command, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False
        )
        self.assertIn(f"all {BLOCK} ports for IOCs of this process are in use", ended.stderr)

    def test_environments(self) -> None:
        """Both environments contain the ports and no address but loopback."""
        client, server = CAPorts(1, 2).client_environment(), CAPorts(1, 2).server_environment()
        self.assertEqual(client["EPICS_CA_ADDR_LIST"], "127.0.0.1:1")
        self.assertEqual(client["EPICS_CA_REPEATER_PORT"], "2")
        self.assertEqual(server["EPICS_CAS_SERVER_PORT"], "1")
        self.assertEqual(server["EPICS_CAS_BEACON_PORT"], "2")
        self.assertEqual(server["EPICS_CAS_INTF_ADDR_LIST"], "127.0.0.1")


class _Watcher(Protocol):
    """A connection to the IOC that detects when it ends."""

    def __init__(self) -> None:
        self.lost: Deferred[None] = Deferred()

    def connectionLost(self, reason: Failure = Protocol.connectionLost) -> None:  # type: ignore[assignment]
        self.lost.callback(None)


class _Parent(ProcessProtocol):
    """A process that starts an IOC and reports that."""

    def __init__(self) -> None:
        self.up: Deferred[None] = Deferred()
        self.ended: Deferred[None] = Deferred()

    def outReceived(self, data: bytes) -> None:
        # The end of the line may come by itself.
        if data.endswith(b"\n"):
            self.up.callback(None)

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback(None)


def _connect(port: int) -> Deferred[_Watcher]:
    endpoint = TCP4ClientEndpoint(cast(IReactorTCP, reactor), "127.0.0.1", port)
    return cast("Deferred[_Watcher]", endpoint.connect(Factory.forProtocol(_Watcher)))
