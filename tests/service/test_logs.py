"""The log of the real gateway: its file, its formats, its lines about clients."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.utils import getProcessOutputAndValue
from twisted.logger import Logger
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from twisted.web.client import Agent, readBody

from pycawamp.config.settings import LogFormat, LogSettings
from pycawamp.service.logs import LogFile, log_observer
from tests.support.ioc_case import until_true
from tests.support.twistd_case import LOOPBACK, RECORD, TwistdTestCase

reactor = cast(Any, installed_reactor)
LOGROTATE = shutil.which("logrotate") or shutil.which("logrotate", path="/usr/sbin")


class LogTestCase(TwistdTestCase):
    """Tests with a gateway that has a log."""

    @inlineCallbacks
    def serve(self, *options: str) -> Any:
        """Fires with a run that is ready; its WebSockets are at `self.url`."""
        run = self.twistd()
        run.start("-n", "--pidfile=", "pycaserver", "--port", LOOPBACK, *options)
        ready = yield run.until_line(r"pycaserver is ready: open ([^\s\"]+)")
        self.where = ready[1]
        self.url = self.where.replace("http", "ws") + "monitor"
        return run

    @inlineCallbacks
    def get_page(self) -> Any:
        """Fires when a page was received."""
        response = yield Agent(reactor).request(b"GET", f"{self.where}?pv=secret".encode())
        yield readBody(response)


class ClientTests(LogTestCase):
    """Lines about clients."""

    @inlineCallbacks
    def test_lines(self) -> Any:
        """Each client has a line when it connects and one when it disconnects, with details."""
        yield self.start_ioc(RECORD)
        run = yield self.serve()
        yield self.get_page()
        client = yield self.connect(self.url)
        yield run.until_line(r"Connected: 127.0.0.1:\d+, user -, AutobahnPython/\S+$")
        yield self.assert_live(client)
        yield client.close()
        yield run.until_line(
            r"Disconnected: 127.0.0.1:\d+, user -, AutobahnPython/\S+, after \d+\.\d s with 1 PVs: "
            r"the client closed it \(1000\)"
        )
        lost = yield self.connect(self.url)
        lost.abort()
        yield run.until_line("Disconnected: .* with 0 PVs: the connection was lost$")
        mistaken = yield self.connect(self.url)
        mistaken.send_raw_text(b"\xff")
        yield run.until_line(r"Disconnected: .*\(1007\)$")
        yield self.connect(self.url)
        run.signal("TERM")
        yield run.until_line(r"Disconnected: .*: the gateway is stopping \(1001\)$")
        self.assertNotIn("'GET'", "\n".join(run.lines))

    @inlineCallbacks
    def test_requests(self) -> Any:
        """Requests have a line if enabled, without what may be secret."""
        run = yield self.serve("--access-log")
        yield self.get_page()
        yield self.connect(self.url)
        yield run.until_line("Connected: ")
        (found,) = [line for line in run.lines if "'GET'" in line]
        self.assertNotIn("secret", found)


class FormTests(LogTestCase):
    """--log-format and --log-level."""

    @inlineCallbacks
    def test_json(self) -> Any:
        """Each line is an object, with the text and its parts."""
        run = yield self.serve("--log-format=json")
        yield self.connect(self.url)
        yield run.until_line("Connected: ")
        run.signal("TERM")
        yield run.when_ended()
        lines = [json.loads(line) for line in run.lines]
        self.assertGreater(len(lines), 5)
        for line in lines:
            self.assertLessEqual({"time", "level", "system", "message"}, set(line))
        (line,) = [line for line in lines if line["message"].startswith("Connected")]
        self.assertEqual((line["user"], line["level"]), ("-", "info"))
        self.assertTrue(line["agent"].startswith("AutobahnPython/"))
        self.assertRegex(line["client"], r"^127\.0\.0\.1:\d+$")
        self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT[\d:.]+\+00:00$")


class ObserverTests(SynchronousTestCase):
    """The observers."""

    def written(self, settings: LogSettings, log: Callable[[Logger], None]) -> str:
        """Return the content of the file after something was logged."""
        path = Path(self.mktemp())
        log(Logger("test", observer=log_observer(settings, LogFile(path))))
        return path.read_text()

    def test_level(self) -> None:
        """Events below the level are omitted."""

        def log(logger: Logger) -> None:
            logger.info("low")
            logger.warn("high")

        for form in LogFormat:
            log_text = self.written(LogSettings(form, "warn"), log)
            self.assertIn("high", log_text)
            self.assertNotIn("low", log_text)

    def test_traceback(self) -> None:
        """An exception stays in its line, with its traceback."""

        def log(logger: Logger) -> None:
            try:
                raise ValueError("two\nlines")
            except ValueError:
                logger.failure("failed: {what}", what="it")

        (line,) = self.written(LogSettings(LogFormat.JSON), log).splitlines()
        event = json.loads(line)
        self.assertEqual(event["message"], "failed: it")
        self.assertEqual(event["level"], "critical")
        self.assertIn("ValueError: two\nlines", event["traceback"])

    def test_anything(self) -> None:
        """Values that are not JSON are text; those without a text are logged too."""

        class Dumb:
            def __str__(self) -> str:
                raise RuntimeError("no")

        def log(logger: Logger) -> None:
            logger.info("x", path=Path("/a"), dumb=Dumb(), number=5, lone="\ud800")

        event = json.loads(self.written(LogSettings(LogFormat.JSON), log))
        self.assertEqual((event["path"], event["number"]), ("/a", 5))
        self.assertIn("no", event["dumb"])


class RotationTests(LogTestCase):
    """A log file that is renamed, by logrotate or otherwise."""

    @inlineCallbacks
    def start(self) -> Any:
        """Fires with a run that logs to `self.path`."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir(parents=True)
        self.path = folder / "pycaserver.log"
        run = self.twistd()
        run.start("-n", "--pidfile=", f"--logfile={self.path}", "pycaserver", "--port", LOOPBACK)
        yield until_true(lambda: self.path.exists() and "is ready" in self.path.read_text())
        self.url = self.path.read_text().split("is ready: open ")[1].split()[0]
        self.url = self.url.replace("http", "ws") + "monitor"
        return run

    @inlineCallbacks
    def rotate(self, how: str) -> Any:
        """Run logrotate with a configuration for this file."""
        if LOGROTATE is None:
            raise SkipTest("no logrotate: apt-get install logrotate")
        configuration = self.path.with_name("logrotate.conf")
        configuration.write_text(f"{self.path} {{\nrotate 3\n{how}\n}}\n")
        configuration.chmod(0o600)
        state = self.path.with_name("state")
        out, errors, status = yield getProcessOutputAndValue(
            LOGROTATE, ["-f", "-s", str(state), str(configuration)], os.environ
        )
        self.assertEqual(status, 0, out + errors)

    @inlineCallbacks
    def assert_rotated(self) -> Any:
        """New lines are in the file, old ones in the other one."""
        yield self.connect(self.url)
        yield until_true(lambda: self.path.exists() and "Connected" in self.path.read_text())
        text = self.path.read_text()
        self.assertNotIn("is ready", text)
        self.assertNotIn("\0", text)
        self.assertIn("is ready", self.path.with_name("pycaserver.log.1").read_text())

    @inlineCallbacks
    def test_copied(self) -> Any:
        """With copytruncate, no signal is needed."""
        yield self.start()
        yield self.rotate("copytruncate")
        yield self.assert_rotated()

    @inlineCallbacks
    def test_renamed(self) -> Any:
        """After a rename, SIGUSR1 makes it open a new file with the old name."""
        run = yield self.start()
        yield self.rotate(f"nocreate\npostrotate\nkill -USR1 {run.pid}\nendscript")
        yield until_true(self.path.exists)
        yield self.assert_rotated()

    @inlineCallbacks
    def test_cannot_reopen(self) -> Any:
        """If the new file cannot be opened, the old one stays in use, with a line about it."""
        run = yield self.start()
        moved = self.path.with_name("moved")
        self.path.rename(moved)
        self.path.mkdir()
        os.kill(run.pid, signal.SIGUSR1)
        yield until_true(lambda: "The log file cannot be reopened" in moved.read_text())
        yield self.connect(self.url)
        yield until_true(lambda: "Connected" in moved.read_text())
