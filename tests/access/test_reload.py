"""SIGHUP and changed files: subscriptions follow valid new rules only."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from pycawamp.filewatch import FileWatcher
from pycawamp.service.signals import HangupReloader
from tests.support.service_case import MemoryServiceTestCase, reactor
from tests.support.timing import allowed


@implementer(ILogObserver)
class LogWaiter:
    """Waits for log lines."""

    def __init__(self) -> None:
        self._waiting: dict[str, Deferred[str]] = {}

    def until(self, text: str) -> Deferred[str]:
        """Fires with the next line that has a text."""
        found = self._waiting[text] = Deferred()
        return found.addTimeout(allowed(20), reactor)

    def __call__(self, event: Any) -> None:
        line = (event.get("log_format") or "").format_map(_Known(event))
        for text in list(self._waiting):
            if text in line:
                self._waiting.pop(text).callback(line)


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""


class ReloadTests(MemoryServiceTestCase):
    """--pvlist and --access while the gateway runs."""

    def setUp(self) -> None:
        """Listen to the log."""
        super().setUp()
        self.patch(FileWatcher, "interval", 0.05)
        self.patch(FileWatcher, "settle", 0.2)
        self.backend.add("Y", 2.5)
        self.log = LogWaiter()
        globalLogPublisher.addObserver(self.log)
        self.addCleanup(globalLogPublisher.removeObserver, self.log)

    @inlineCallbacks
    def reload(self, text: str = "New access rules are in force") -> Any:
        """Send this process a SIGHUP; fires when the result was logged."""
        lines = self.log.until(text)
        os.kill(os.getpid(), signal.SIGHUP)
        yield lines

    @inlineCallbacks
    def test_forbidden(self) -> Any:
        """A PV that is now forbidden is lost, with an error; the others continue."""
        pvlist = self.write("pvlist", ".* ALLOW\n")
        self.serve("--pvlist", pvlist)
        client = yield self.connect()
        client.send({"action": "connect", "pvs": ["X", "Y"]})
        yield client.until(msg_type="monitor", pvname="Y")
        self.write("pvlist", ".* ALLOW\nX DENY\n")
        yield self.reload()
        lost = yield client.receive()
        self.assertEqual((lost["pvname"], lost["conn"]), ("X", False))
        error = yield client.receive()
        self.assertEqual((error["code"], error["pvname"]), ("forbidden", "X"))
        self.backend.set("X", 3)
        self.backend.set("Y", 4)
        monitor = yield client.receive()
        self.assertEqual((monitor["pvname"], monitor["value"]), ("Y", 4))

    @inlineCallbacks
    def test_write_access(self) -> Any:
        """A change of write access is sent to clients that requested metadata."""
        self.write("acf", "ASG(DEFAULT) {RULE(1,READ)}")
        self.serve("--allow-put=anyone", "--access", str(self.folder / "acf"))
        client = yield self.connect()
        client.send({"action": "connect", "pv": "X", "metadata": True})
        metadata = yield client.until(msg_type="metadata")
        self.assertFalse(metadata["write_access"])
        self.write("acf", "ASG(DEFAULT) {RULE(1,WRITE)}")
        yield self.reload()
        metadata = yield client.until(msg_type="metadata")
        self.assertTrue(metadata["write_access"])

    @inlineCallbacks
    def test_bad(self) -> Any:
        """An invalid new file is logged, with file:line:column, and changes nothing."""
        pvlist = self.write("pvlist", ".* ALLOW\nY DENY\n")
        self.serve("--pvlist", pvlist)
        client = yield self.connect()
        client.send("X")
        yield client.until(msg_type="monitor")
        self.write("pvlist", "X DNY\n")
        yield self.reload(f"{pvlist}:1:")
        client.send("Y")
        error = yield client.receive()
        self.assertEqual(error["code"], "forbidden")
        self.backend.set("X", 3)
        monitor = yield client.receive()
        self.assertEqual(monitor["value"], 3)

    @inlineCallbacks
    def test_change(self) -> Any:
        """A changed file is used without a signal."""
        self.write("pvlist", ".* ALLOW\n")
        self.serve("--pvlist", str(self.folder / "pvlist"))
        client = yield self.connect()
        client.send("X")
        yield client.until(msg_type="monitor")
        self.write("pvlist", "Y ALLOW\n")
        error = yield client.until(msg_type="error")
        self.assertEqual(error["code"], "forbidden")

    @inlineCallbacks
    def test_alias(self) -> Any:
        """If an alias changes, the open subscription moves to the new PV."""
        self.write("pvlist", "Z ALIAS X\n")
        self.serve("--pvlist", str(self.folder / "pvlist"))
        client = yield self.connect()
        client.send("Z")
        monitor = yield client.until(msg_type="monitor")
        self.assertEqual(monitor["value"], 1.5)
        self.write("pvlist", "Z ALIAS Y\n")
        yield self.reload()
        monitor = yield client.until(msg_type="monitor")
        self.assertEqual((monitor["pvname"], monitor["value"]), ("Z", 2.5))

    @inlineCallbacks
    def test_comes_back(self) -> Any:
        """A subscription that a policy ended is restored by one that allows it."""
        self.backend.add("Z", 1)
        self.write("pvlist", ".* ALLOW\nZ DENY\n")
        self.serve("--pvlist", str(self.folder / "pvlist"))
        client = yield self.connect()
        client.send({"action": "connect", "pvs": ["X", "Y", "Z"], "text": True})
        yield client.until(msg_type="monitor", pvname="Y")
        self.write("pvlist", "none ALLOW\n")
        yield self.reload()
        yield client.until(code="forbidden", pvname="Y")
        client.send({"action": "list"})
        listed = yield client.until(msg_type="list")
        self.assertEqual(listed["pvs"], ["X", "Y"])
        client.send({"action": "disconnect", "pv": "Y"})
        self.backend.set("X", 3)
        self.write("pvlist", ".* ALLOW\n")
        yield self.reload()
        connection = yield client.receive()
        self.assertEqual((connection["pvname"], connection["conn"]), ("X", True))
        monitor = yield client.receive()
        self.assertEqual((monitor["pvname"], monitor["value"]), ("X", 3))
        self.assertIn("text", monitor)
        client.send({"action": "list"})
        listed = yield client.receive()
        self.assertEqual(listed["pvs"], ["X"])

    @inlineCallbacks
    def test_forbidden_counts(self) -> Any:
        """A subscription that a policy ended counts as a PV of its client."""
        self.write("pvlist", ".* ALLOW\n")
        self.serve("--pvlist", str(self.folder / "pvlist"), "--max-pvs=1")
        client = yield self.connect()
        client.send("X")
        yield client.until(msg_type="monitor")
        self.write("pvlist", "Y ALLOW\n")
        yield self.reload()
        yield client.until(code="forbidden")
        client.send("Y")
        error = yield client.receive()
        self.assertEqual((error["code"], error["pvname"]), ("too_many_pvs", "Y"))
        client.send({"action": "disconnect", "pv": "X"})
        client.send("Y")
        yield client.until(msg_type="monitor", pvname="Y")

    @inlineCallbacks
    def test_half_written(self) -> Any:
        """While a list is being written, neither its empty nor its first half is ever in force."""
        # Longer than this test may be held up between two lines.
        self.patch(FileWatcher, "settle", 3.0)
        self.backend.add("SECRET", 1)
        text = ".* ALLOW\n" + "# a comment\n" * 1000 + "SECRET DENY\n"
        path = Path(self.write("pvlist", text))
        self.serve("--pvlist", str(path))
        client = yield self.connect()
        client.send("X")
        yield client.until(msg_type="monitor")
        position = len(client.messages)
        with path.open("w") as file:
            # As slow as a copy over a network, with an impatient administrator.
            for line in text.splitlines(keepends=True)[::20]:
                file.write(line)
                file.flush()
                os.kill(os.getpid(), signal.SIGHUP)
                client.send({"action": "get", "pv": "SECRET"})
                error = yield client.until(msg_type="error")
                self.assertEqual(error["code"], "forbidden")
            file.write("SECRET DENY\n")
        yield self.log.until("New access rules are in force")
        client.send({"action": "get", "pv": "SECRET"})
        yield client.until(msg_type="error")
        kinds = {(each["msg_type"], each.get("pvname")) for each in client.messages[position:]}
        self.assertEqual(kinds, {("error", "SECRET")})

    @inlineCallbacks
    def test_empty(self) -> Any:
        """An empty list is an error, and the previous list stays in force."""
        pvlist = self.write("pvlist", ".* ALLOW\n")
        self.serve("--pvlist", pvlist)
        client = yield self.connect()
        client.send("X")
        yield client.until(msg_type="monitor")
        for text in ("", "# PVs of the ring\n", "EVALUATION ORDER ALLOW, DENY\n"):
            self.write("pvlist", text)
            yield self.reload(f"{pvlist}:")
        self.backend.set("X", 3)
        monitor = yield client.receive()
        self.assertEqual((monitor["msg_type"], monitor["value"]), ("monitor", 3))


class SignalTests(TestCase):
    """HangupReloader."""

    @inlineCallbacks
    def test_chain(self) -> Any:
        """A previous handler of the signal is called too, and restored at the end."""
        called_handlers: list[str] = []
        before = signal.signal(signal.SIGHUP, lambda *_: called_handlers.append("before"))
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        called: Deferred[None] = Deferred()
        reloading = HangupReloader(
            reactor, [lambda: called_handlers.append("ours"), lambda: called.callback(None)]
        )
        reloading.startService()
        os.kill(os.getpid(), signal.SIGHUP)
        yield called
        self.assertEqual(called_handlers, ["before", "ours"])
        reloading.stopService()
        os.kill(os.getpid(), signal.SIGHUP)
        yield deferLater(reactor, 0)
        self.assertEqual(called_handlers, ["before", "ours", "before"])

    @inlineCallbacks
    def test_other_thread(self) -> Any:
        """It starts outside the main thread, where Python does not handle signals."""
        before = signal.getsignal(signal.SIGHUP)
        reloading = HangupReloader(reactor, [])
        yield deferToThread(reloading.startService)
        self.assertIs(signal.getsignal(signal.SIGHUP), before)
        reloading.stopService()
        self.assertIs(threading.current_thread(), threading.main_thread())
