"""The gateway as users run it: the real `twistd pycaserver`, in separate processes.

Those of `RealTestCase` are; the others are forks.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from twisted.internet import reactor, ssl, threads
from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks
from twisted.internet.endpoints import SSL4ClientEndpoint
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from pycawamp.pv.ca.repeater import answers
from pycawamp.testing import WebSocketTestClient
from tests.support.certificate import write_certificate
from tests.support.timing import allowed
from tests.support.twistd_case import LOOPBACK, RECORD, TwistdTestCase, unix_endpoint

STOPS = int(os.environ.get("PYCASERVER_TEST_STOPS", "2"))
"""How often to stop a gateway in the test of stopping; use 50 for a thorough test."""
PVS = 1000
MOVING = 100
"""How many of them have a new value each second; with more, a busy machine may not keep up."""
RECORDS = "".join(
    f'record(calc, "$(P){number}") {{ field(PINI, "YES") field(CALC, "VAL+1")'
    f' field(SCAN, "{"1 second" if number < MOVING else "Passive"}") }}\n'
    for number in range(PVS)
)


class RealTestCase(TwistdTestCase):
    """Tests with the programs as users run them."""

    may_fork = False


class StopTests(RealTestCase):
    """SIGTERM and SIGINT."""

    timeout = allowed(120 + 4 * STOPS)

    @inlineCallbacks
    def stop(self, name: str) -> Any:
        """Run a gateway, open all PVs, and stop it; return its output."""
        run = self.twistd()
        ready = yield run.serve("--port", LOOPBACK)
        url = ready[1].replace("http", "ws") + "monitor"
        clients = yield gatherResults([self.connect(url) for _ in range(3)])
        for client in clients:
            self.subscribe(client, *map(str, range(PVS)))
        yield gatherResults([self.until_all_open(client) for client in clients])
        started = reactor.seconds()
        run.signal(name)
        codes = yield gatherResults([client.when_closed() for client in clients])
        ended = yield run.when_ended()
        self.assertNotIn("Traceback", "\n".join(run.lines))
        self.assertEqual(codes, [1001] * 3, f"{ended}; it said {run.lines}")
        self.assertLess(ended.seconds - started, allowed(2.0))
        return ended

    def until_all_open(self, client: WebSocketTestClient) -> Deferred[Any]:
        """Fires when a client has a value of each PV."""
        seen: set[str] = set()

        def is_last(message: Any) -> bool:
            if message["msg_type"] == "monitor":
                seen.add(message["pvname"])
            return len(seen) == PVS

        until: Deferred[Any] = client.until(is_last)
        return until

    @inlineCallbacks
    def test_stop(self) -> Any:
        """With 1,000 PVs open, a signal closes clients with 1001 and ends the process in 2 s."""
        yield self.start_ioc(RECORDS)
        for _ in range(0, STOPS, 2):
            ends = yield gatherResults([self.stop("TERM"), self.stop("INT")])
            self.assertEqual([end.status for end in ends], [None, None])
            self.assertEqual([end.signal for end in ends], [signal.SIGTERM, signal.SIGINT])


class DaemonTests(RealTestCase):
    """Without -n: twistd forks, and continues in the background."""

    @inlineCallbacks
    def test_daemon(self) -> Any:
        """A daemon serves PVs, writes its log and pid files, and ends on SIGTERM."""
        yield self.start_ioc(RECORD)
        folder = Path(self.mktemp()).absolute()
        folder.mkdir(parents=True)
        pid_file, log_file, where = folder / "pid", folder / "log", folder / "socket"
        run = self.twistd()
        run.start(
            f"--pidfile={pid_file}", f"--logfile={log_file}", "pycaserver", f"--port=unix:{where}"
        )
        ended = yield run.when_ended()
        self.assertEqual(ended.status, 0, run.lines)
        pid = int(pid_file.read_text())
        gone = _when_gone(pid)
        client = yield self.connect("ws://localhost/monitor", unix_endpoint(where))
        yield self.assert_live(client)
        os.kill(pid, signal.SIGTERM)
        code = yield client.when_closed()
        self.assertEqual(code, 1001)
        yield gone
        self.assertFalse(pid_file.exists())
        self.assertIn("pycaserver is ready", log_file.read_text())
        self.assertNotIn("Traceback", log_file.read_text())


class EndpointTests(TwistdTestCase):
    """--port."""

    @inlineCallbacks
    def test_tls(self) -> Any:
        """The gateway can listen with TLS."""
        yield self.start_ioc(RECORD)
        files = write_certificate(Path(self.mktemp()).absolute())
        ready = yield self.twistd().serve(
            "--port",
            f"ssl:0:interface=127.0.0.1:privateKey={files.key}:certKey={files.certificate}",
        )
        self.assertTrue(ready[1].startswith("https://"))
        port = int(ready[1].rstrip("/").rsplit(":", 1)[1])
        trust = ssl.Certificate.loadPEM(files.certificate.read_bytes())
        options = ssl.optionsForClientTLS("localhost", trustRoot=trust)
        endpoint = SSL4ClientEndpoint(reactor, "127.0.0.1", port, options)
        client = yield self.connect(f"wss://localhost:{port}/monitor", endpoint)
        yield self.assert_live(client)


class RefusalTests(TwistdTestCase):
    """Errors are one line, with exit status 1."""

    @inlineCallbacks
    def test_bad_option(self) -> Any:
        """A bad option value is refused before anything is opened."""
        run = self.twistd()
        run.start("-n", "--pidfile=", "pycaserver", "--linger=soon")
        ended = yield run.when_ended()
        self.assertEqual((ended.status, ended.signal), (1, None))
        (complaint,) = [line for line in run.lines if "pycaserver: " in line]
        self.assertIn("--linger", complaint)
        self.assertNotIn("Traceback", "\n".join(run.lines))


class OutputTests(RealTestCase):
    """The output of a gateway."""

    @inlineCallbacks
    def test_quiet(self) -> Any:
        """From start to stop on a machine without a CA repeater, nothing is logged as an error.

        The repeater that the gateway started outlives it: by then it serves others too.
        """
        yield self.start_ioc(RECORD)
        self.repeater.close()
        run = self.twistd()
        ready = yield run.serve("--port", LOOPBACK)
        client = yield self.connect(ready[1].replace("http", "ws") + "monitor")
        yield self.assert_live(client)
        client.send("{")
        yield client.until(msg_type="error")
        yield client.close()
        run.signal("TERM")
        yield run.when_ended()
        answered = yield threads.deferToThread(answers, self.ports.repeater, 5)
        for pid in processes_with(f"EPICS_CA_REPEATER_PORT={self.ports.repeater}", "repeater.py"):
            os.kill(pid, signal.SIGKILL)
        self.assertTrue(answered)
        output = "\n".join(run.lines)
        for word in ("caRepeater", "Traceback", "CA.Client", "rror:", "warn"):
            self.assertNotIn(word, output)
        # Nothing but twistd's log lines, which start with the date.
        self.assertEqual([line for line in run.lines if not line.startswith("20")], [])


def processes_with(variable: str, word: str) -> list[int]:
    """Return the processes with a variable in their environment and a word in their command."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_text()
        except OSError:
            continue  # It has ended, or belongs to another user.
        if variable.encode() in environment and word in command:
            found.append(int(folder.name))
    return found


def _when_gone(pid: int) -> Deferred[None]:
    """Fires when a process that is not a child has ended."""
    gone: Deferred[None] = Deferred()
    descriptor = os.pidfd_open(pid)

    @implementer(IReadDescriptor)
    class Watcher:
        def fileno(self) -> int:
            return descriptor

        def doRead(self) -> None:
            reactor.removeReader(self)
            os.close(descriptor)
            gone.callback(None)

        def connectionLost(self, reason: Failure) -> None:
            os.close(descriptor)

        def logPrefix(self) -> str:
            return "pidfd"

    reactor.addReader(Watcher())
    return gone
