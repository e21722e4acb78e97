"""SIGTERM with --drain-time, systemd's notifications, and workers that share a port."""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import gatherResults, inlineCallbacks
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from twisted.web.client import Agent, readBody

from pycawamp.config.options import Options
from pycawamp.service.systemd import SystemdNotifier
from pycawamp.testing import WebSocketTestClient
from tests.support.ioc_case import until_true
from tests.support.twistd import READY, Twistd
from tests.support.twistd_case import LOOPBACK, RECORD, TwistdTestCase

reactor = cast(Any, installed_reactor)
UNITS = Path(__file__).parents[2] / "contrib" / "systemd"
GATEWAYS = ("pycaserver.service", "pycaserver@.service")
SHARED = "systemd:domain=INET:index=0"


class DrainTests(TwistdTestCase):
    """--drain-time."""

    @inlineCallbacks
    def get(self, url: str) -> Any:
        """Return a Deferred of the status and the text of a response."""
        response = yield Agent(reactor).request(b"GET", url.encode())
        body = yield readBody(response)
        return response.code, body.decode()

    @inlineCallbacks
    def test_spread(self) -> Any:
        """When a gateway stops, it is not ready at once; its clients are closed one by one."""
        yield self.start_ioc(RECORD)
        run = self.twistd()
        ready = yield run.serve("--port", LOOPBACK, "--drain-time=4")
        url = ready[1].replace("http", "ws") + "monitor"
        clients = yield gatherResults([self.connect(url) for _ in range(20)])
        self.assertEqual((yield self.get(f"{ready[1]}readyz"))[0], 200)
        closed: list[float] = []
        for client in clients:
            client.when_closed().addCallback(lambda _: closed.append(reactor.seconds()))
        run.signal("TERM")
        yield run.until_line("Draining for 4 s")
        began = reactor.seconds()
        status, text = yield self.get(f"{ready[1]}readyz")
        self.assertEqual(status, 503)
        self.assertIn("draining", text)
        # Clients that were not closed yet are still served.
        late = yield self.connect(url)
        yield self.assert_live(late)
        yield until_true(lambda: len(closed) > 3)
        # It does not wait for clients that disconnect by themselves.
        clients[[client.close_code for client in clients].index(None)].abort()
        status, _ = yield self.get(f"{ready[1]}monitor")
        self.assertEqual(status, 426)
        yield self.assertFailure(self.connect(url), Exception)
        codes = yield gatherResults([client.when_closed() for client in (*clients, late)])
        self.assertGreaterEqual(codes.count(1001), len(codes) - 1)
        yield run.when_ended()
        self.assertGreater(closed[0] - began, 0.5)
        self.assertGreater(closed[-1] - closed[0], 1.0, run.lines)


class NotifyTests(TwistdTestCase):
    """NOTIFY_SOCKET and WATCHDOG_USEC."""

    @inlineCallbacks
    def test_systemd_notified(self) -> Any:
        """READY, WATCHDOG repeatedly, and STOPPING are sent to systemd."""
        # A path of a UNIX socket has 107 bytes at most.
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        where = f"{folder.name}/notify"
        notifications = _Systemd()
        port = reactor.listenUNIXDatagram(where, notifications)
        self.addCleanup(port.stopListening)
        run = self.twistd({"NOTIFY_SOCKET": where, "WATCHDOG_USEC": "200000"})
        yield run.serve("--port", LOOPBACK, "--drain-time=1")
        yield until_true(lambda: notifications.states.count("WATCHDOG=1") >= 3)
        self.assertEqual(notifications.states[0], "READY=1")
        run.signal("TERM")
        yield until_true(lambda: "STOPPING=1" in notifications.states)
        yield run.when_ended()
        # A gateway that drains does not hang.
        after = notifications.states[notifications.states.index("STOPPING=1") :]
        self.assertIn("WATCHDOG=1", after)

    def test_environment(self) -> None:
        """Without systemd, or with a watchdog for another process, nothing is sent."""
        clock = Clock()
        for environment in (
            {},
            {"NOTIFY_SOCKET": "/no/such", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
        ):
            notifier = SystemdNotifier(clock, environment)
            notifier.startService()
            self.assertFalse(clock.getDelayedCalls())
            notifier.stopService()


class WorkerTests(TwistdTestCase):
    """Processes that share a listening socket, as with pycaserver@.service."""

    @inlineCallbacks
    def test_shared(self) -> Any:
        """Two workers serve one port; when one stops, the other accepts all clients."""
        yield self.start_ioc(RECORD)
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as shared:
            url = f"ws://127.0.0.1:{shared.getsockname()[1]}/monitor"
            workers: list[Twistd] = []
            for _ in range(2):
                workers.append(self.worker(shared))
                yield workers[-1].until_line(READY)
            clients: list[WebSocketTestClient] = []

            def both() -> bool:
                return all("Connected:" in "\n".join(worker.lines) for worker in workers)

            while not both() and len(clients) < 200:
                clients += yield gatherResults([self.connect(url) for _ in range(10)])
            self.assertTrue(both(), "one worker took all connections")
            stopped, other = workers
            stopped.signal("TERM")
            yield stopped.until_line("Draining")
            before = len(stopped.lines)
            late = yield gatherResults([self.connect(url) for _ in range(20)])
            for client in late:
                yield self.assert_live(client)
            yield stopped.when_ended()
            self.assertNotIn("Connected:", "\n".join(stopped.lines[before:]))
            self.assertEqual([client.close_code for client in late], [None] * len(late))
            other.signal("TERM")
            yield other.when_ended()

    def worker(self, shared: socket.socket) -> Twistd:
        """A worker with the socket."""
        run = self.twistd()
        run.start(
            f"--port={SHARED}", "--drain-time=2", program="pycaserver", shared=shared.fileno()
        )
        return run


class UnitTests(SynchronousTestCase):
    """contrib/systemd."""

    def test_options(self) -> None:
        """The commands of the units have options that exist."""
        for name in GATEWAYS:
            (line,) = re.findall(r"^ExecStart=(.*)$", (UNITS / name).read_text(), re.MULTILINE)
            _, config, path, *options = shlex.split(line)
            self.assertEqual((config, Path(path).name), ("--config", "pycaserver.toml"))
            parsed = Options()
            parsed.parseOptions(options)
            self.assertEqual(parsed.settings.drain_time, 10)

    def test_stop(self) -> None:
        """The timeout of systemd is longer than a drain."""
        for name in GATEWAYS:
            text = (UNITS / name).read_text()
            (drain,) = re.findall(r"--drain-time (\d+)", text)
            (patience,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
            self.assertGreater(int(patience), int(drain) + 5)


class VerifyTests(TwistdTestCase):
    """systemd's own check of the units."""

    @inlineCallbacks
    def test_verify(self) -> Any:
        """The units have no problems."""
        program = shutil.which("systemd-analyze")
        if program is None:
            raise SkipTest("no systemd-analyze: apt-get install systemd")
        folder = Path(self.mktemp()).absolute()
        folder.mkdir(parents=True)
        for path in UNITS.iterdir():
            text = re.sub(r"/opt/pycaserver/bin/[\w-]+", "/bin/true", path.read_text())
            (folder / path.name).write_text(text)
        names = [str(folder / path.name) for path in UNITS.iterdir()]
        out, errors, status = yield getProcessOutputAndValue(program, ["verify", *names])
        self.assertEqual((out, errors, status), (b"", b"", 0))


class _Systemd(DatagramProtocol):
    """Receives the notifications of a process."""

    def __init__(self) -> None:
        self.states: list[str] = []

    def datagramReceived(self, datagram: bytes, _addr: Any) -> None:
        self.states.append(datagram.decode())
