"""A gateway that cannot start prints why on stderr and exits with 1, also as a daemon.

Gateways are forks (`may_fork`), but for that with a library of its own (`test_library`).
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks
from twisted.python.util import runAsEffectiveUser
from twisted.trial.unittest import SkipTest

from pycawamp.config.options import Options
from pycawamp.demo.ports import free_port
from pycawamp.service.app import assemble
from pycawamp.service.start import StartError, check_user
from tests.support.certificate import write_certificate
from tests.support.ioc_case import until_true
from tests.support.service_case import MemoryServiceTestCase, reactor
from tests.support.twistd_case import LOOPBACK, TwistdTestCase

OTHER_USER = 65534
"""The user `nobody`, who does not own the files."""


class StartTestCase(TwistdTestCase):
    """Tests with files that only the current user may read."""

    def setUp(self) -> None:
        """Make a folder that everybody may enter."""
        super().setUp()
        # Not among trial's, which may be for one user only.
        self.folder = Path(mkdtemp())
        self.folder.chmod(0o755)
        self.addCleanup(rmtree, self.folder)

    def write(self, name: str, text: str, mode: int = 0o644) -> str:
        """Return the path of a file of the test."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    def assert_daemon_fails(
        self, expected: str, twistd: tuple[str, ...], *options: str, **environment: str
    ) -> Deferred[None]:
        """A daemon, with options of twistd's, exits with 1 and one line on stderr."""
        how = (f"--logfile={self.folder / 'log'}", *twistd)
        failing: Deferred[None] = self.assert_run_fails(expected, how, *options, **environment)
        return failing

    @inlineCallbacks
    def assert_run_fails(
        self, expected: str, twistd: tuple[str, ...], *options: str, **environment: str
    ) -> Any:
        """So does any run with options of twistd's."""
        pid_file = self.folder / "pids" / "pid"
        pid_file.parent.mkdir(exist_ok=True)
        pid_file.parent.chmod(0o777)
        run = self.twistd(environment)
        run.start(*twistd, f"--pidfile={pid_file}", "pycaserver", *options)
        ended = yield run.when_ended()
        self.assertEqual((ended.status, ended.signal), (1, None), run.lines)
        reasons = [line for line in run.errors if line.startswith("pycaserver: ")]
        self.assertEqual(len(reasons), 1, run.lines)
        self.assertIn(expected, reasons[0])
        self.assertNotIn("Traceback", "\n".join(run.errors))
        # A daemon notifies its parent first, which then exits.
        yield until_true(lambda: not pid_file.exists())


class FailureTests(StartTestCase):
    """Reasons why a gateway cannot start."""

    @inlineCallbacks
    def test_port_in_use(self) -> Any:
        """A port that another process uses."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            expected, option = (
                f"cannot listen on tcp:{port}",
                f"--port=tcp:{port}:interface=127.0.0.1",
            )
            yield self.assert_run_fails(expected, ("-n",), option)
            yield self.assert_daemon_fails(expected, (), option)

    @inlineCallbacks
    def test_put_log(self) -> Any:
        """A put log in a folder that does not exist, or that is a folder."""
        missing, folder = self.folder / "no" / "puts.log", self.folder
        options = ("--port", LOOPBACK)
        yield self.assert_run_fails(str(missing), ("-n",), f"--put-log={missing}", *options)
        yield self.assert_daemon_fails(str(folder), (), f"--put-log={folder}", *options)

    @inlineCallbacks
    def test_library(self) -> Any:
        """A Channel Access library that cannot be loaded."""
        path = self.write("libca.so", "no library")
        yield self.assert_daemon_fails(path, (), "--port", LOOPBACK, PYEPICS_LIBCA=path)

    @inlineCallbacks
    def test_started_daemon(self) -> Any:
        """A daemon does not keep a copy of the stderr that it was started with."""
        run = self.twistd()
        where, pid_file = self.folder / "socket", self.folder / "pid"
        run.start(
            f"--pidfile={pid_file}",
            f"--logfile={self.folder / 'log'}",
            "pycaserver",
            f"--port=unix:{where}",
        )
        # The end is reported when both streams are closed.
        ended = yield run.when_ended()
        self.addCleanup(os.kill, int(pid_file.read_text()), 9)
        self.assertEqual((ended.status, run.errors), (0, []))


class EmbeddedTests(MemoryServiceTestCase):
    """A service that another program starts."""

    @inlineCallbacks
    def test_port_in_use(self) -> Any:
        """One that could not listen can be stopped, and its other ports are free again."""
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        ports = free_port(), taken.getsockname()[1]
        parser = Options()
        parser.parseOptions([f"--port=tcp:{port}:interface=127.0.0.1" for port in ports])
        service = assemble(reactor, parser.settings, self.backend)
        self.assertRaises(StartError, service.startService)
        stopped = yield service.stopService()
        self.assertEqual([failure for success, failure in stopped if not success], [])
        socket.create_server(("127.0.0.1", ports[0])).close()


class UserTests(StartTestCase):
    """twistd's --uid: the user that the gateway becomes must be able to read the files."""

    def setUp(self) -> None:
        """Require root."""
        super().setUp()
        if os.geteuid() != 0:
            raise SkipTest("only root can become another user")
        # Below a folder that the other user may not enter nothing is readable.
        for folder in self.folder.parents:
            if not folder.stat().st_mode & 0o001:
                raise SkipTest(f"{folder} is not for other users")
        self.become = (f"--uid={OTHER_USER}", f"--gid={OTHER_USER}")

    @inlineCallbacks
    def test_private_files(self) -> Any:
        """A file that only root may read is refused: changes could not be read."""
        users = self.write("users", f"alice:$2y$04${'a' * 53}\n", 0o600)
        cases = {
            "--pvlist": self.write("pvlist", ".* ALLOW\n", 0o600),
            "--access": self.write("acf", "ASG(DEFAULT) {RULE(1,READ)}\n", 0o640),
            "--htpasswd": users,
            "--jwt-key": self.write("key", "s" * 40, 0o600),
        }
        for option, path in cases.items():
            yield self.assert_daemon_fails(path, self.become, option, path, "--port", LOOPBACK)

    @inlineCallbacks
    def test_private_put_log(self) -> Any:
        """A put log that only root may write is refused, before anything is written to it."""
        path = self.write("puts.log", "", 0o600)
        options = (f"--put-log={path}", "--port", LOOPBACK)
        yield self.assert_daemon_fails(path, self.become, *options)
        folder = self.folder / "private"
        folder.mkdir(mode=0o700)
        path = str(folder / "puts.log")
        options = (f"--put-log={path}", "--port", LOOPBACK)
        yield self.assert_daemon_fails(path, self.become, *options)
        self.assertEqual(list(folder.iterdir()), [])

    @inlineCallbacks
    def test_private_key(self) -> Any:
        """A TLS key that only root may read is used; a warning says that it is read once."""
        files = write_certificate(self.folder / "tls")
        files.key.chmod(0o600)
        run = self.twistd()
        port = f"ssl:0:interface=127.0.0.1:privateKey={files.key}:certKey={files.certificate}"
        run.start("-n", "--pidfile=", *self.become, "pycaserver", "--port", port)
        yield gatherResults(
            [run.until_line(f"{files.key}: expected"), run.until_line("pycaserver is ready")]
        )

    def test_not_root(self) -> None:
        """Only root can become another user; otherwise twistd would hang as a daemon."""
        for options in ({"uid": OTHER_USER + 1}, {"gid": OTHER_USER + 1}):
            refused = self.assertRaises(
                SystemExit, runAsEffectiveUser, OTHER_USER, OTHER_USER, check_user, options
            )
            self.assertIn("only root can", str(refused))
        check_user({"uid": OTHER_USER, "gid": OTHER_USER})
        runAsEffectiveUser(OTHER_USER, OTHER_USER, check_user, {"uid": None, "gid": None})
