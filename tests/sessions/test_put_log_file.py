"""The put log's file: its permissions, and lines that cannot be written."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.config.settings import GatewaySettings
from pycawamp.service.gateway import Gateway
from pycawamp.sessions.putlog import PutLog, PutLogError, PutRecord
from tests.support.ioc_case import until_true
from tests.support.log_events import LogEvents
from tests.support.put_log import fields
from tests.support.service_case import reactor
from tests.support.twistd_case import LOOPBACK, TwistdTestCase

RECORD = 'record(ao, "$(P)x") { field(PINI, "YES") }'


class FileTests(SynchronousTestCase):
    """PutLog and its file."""

    def setUp(self) -> None:
        """Choose a file, and watch the log."""
        self.path = Path(self.mktemp())
        self.events = LogEvents()

    def put_log(self, path: str) -> PutLog:
        """Return a put log whose errors are recorded."""
        put_log = PutLog(path)
        self.patch(put_log, "_log", Logger(observer=self.events))
        return put_log

    def write(self, put_log: PutLog, *values: int) -> None:
        """Log some puts."""
        for value in values:
            put_log.write(PutRecord(None, "test", "X", value), "ok")

    def logged(self) -> list[str]:
        """Return the lines of the ordinary log."""
        return [str(formatEvent(event)) for event in self.events]

    def test_mode(self) -> None:
        """A new file is for its owner and group (0640), for any umask; an old one is unchanged."""
        for umask in (0, 0o022, 0o077):
            self.addCleanup(os.umask, os.umask(umask))
            self.path.unlink(missing_ok=True)
            self.write(PutLog(str(self.path)), 1)
            self.assertEqual(self.path.stat().st_mode & 0o777, 0o640, oct(umask))
        self.path.chmod(0o600)
        self.write(PutLog(str(self.path)), 2)
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)

    def test_torn_before(self) -> None:
        """After an incomplete last line, as after a crash, a new line is started."""
        self.path.write_text("2026-07-01T12:00:00.250+00:00 user=nu")
        self.write(PutLog(str(self.path)), 1)
        torn, line = self.path.read_text().splitlines()
        self.assertEqual((torn[-7:], fields(line)["new"]), ("user=nu", 1))

    def test_full(self) -> None:
        """A full disk is logged once; each put is in the ordinary log, and counted."""
        put_log = self.put_log("/dev/full")
        self.write(put_log, 1, 2, 3)
        complaint, *puts = self.logged()
        self.assertIn("/dev/full cannot be written: [Errno 28]", complaint)
        self.assertEqual([fields(line)["new"] for line in puts], [1, 2, 3])
        self.assertEqual(put_log.missing, 3)
        put_log.close()
        self.assertIn("is missing its last 3 lines", self.logged()[-1])

    def test_refused(self) -> None:
        """A gateway cannot be created, or does not start, if the put log cannot be written."""
        for path in (self.path / "no" / "puts.log", Path(".").absolute()):
            settings = GatewaySettings(put_log=str(path))
            error = self.assertRaises(PutLogError, Gateway, reactor, settings)
            self.assertIn(str(path), str(error))
        folder = Path(self.mktemp())
        folder.mkdir()
        put_log = PutLog(str(folder / "puts.log"))
        put_log.check()
        self.assertEqual(list(folder.iterdir()), [])
        folder.rmdir()
        self.assertRaises(PutLogError, put_log.open)


class FullDiskTests(TwistdTestCase):
    """A real gateway with a limit of file sizes, which acts like a full disk."""

    @inlineCallbacks
    def test_full_disk(self) -> Any:
        """The line that did not fit is incomplete; the next one has the number of missing lines."""
        yield self.start_ioc(RECORD)
        path = Path(self.mktemp()).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        run = self.twistd()
        ready = yield run.serve("--port", LOOPBACK, "--put-log", str(path), "--allow-put=anyone")
        client = yield self.connect(ready[1].replace("http", "ws") + "monitor")

        @inlineCallbacks
        def put(value: int) -> Any:
            client.send({"action": "put", "pv": self.prefix + "x", "value": value, "id": value})
            yield client.until(id=value)

        yield put(1)
        # The line follows the reply: it has the value after the put.
        yield until_true(lambda: path.stat().st_size > 0)
        size = path.stat().st_size
        _, hard_limit = resource.prlimit(run.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(run.pid, resource.RLIMIT_FSIZE, (size + 30, hard_limit))
        yield put(2)
        yield put(3)
        yield run.until_line(r"put user=.* new=3")
        self.assertEqual(path.stat().st_size, size + 30)
        problems = [line for line in run.lines if "cannot be written" in line]
        self.assertEqual(len(problems), 1)
        resource.prlimit(run.pid, resource.RLIMIT_FSIZE, (hard_limit, hard_limit))
        yield put(4)
        yield run.until_line("can be written again; it is missing 2 lines")
        first, torn, missing, last = path.read_text().splitlines()
        self.assertEqual([fields(line)["new"] for line in (first, last)], [1, 4])
        self.assertEqual(len(torn), 30)
        self.assertEqual(fields(missing), {"missing": 2})
