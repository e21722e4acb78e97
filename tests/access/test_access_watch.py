"""The policy follows the access files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pycawamp.access import AccessFileError, AccessFiles, IPolicy, Policy
from pycawamp.access.watch import PolicyWatcher
from tests.support.log_events import LogEvents


class Watching(SynchronousTestCase):
    """Tests of a watcher with real files and a clock that the test controls."""

    def setUp(self) -> None:
        """Start to watch a list that allows A."""
        self.pvlist, self.access = Path(self.mktemp()), Path(self.mktemp())
        self.pvlist.write_text("A ALLOW\n")
        self.access.write_text("ASG(DEFAULT) {RULE(1,READ)}\n")
        self.clock = Clock()
        self.events = LogEvents()
        self.policies: list[Policy] = []
        self.watcher = self.made(AccessFiles(self.pvlist, self.access))
        self.watcher.listen(self.policies.append)
        self.watcher.startService()
        self.addCleanup(self.watcher.stopService)

    def made(self, files: AccessFiles) -> PolicyWatcher:
        return PolicyWatcher(files, self.clock, Logger(observer=self.events))

    def wait(self, looks: int = 3) -> None:
        self.clock.pump([PolicyWatcher.interval] * looks)

    def serves(self, pv: str) -> bool:
        return self.watcher.decide(None, "192.0.2.1", None, pv).read

    def errors(self) -> list[str]:
        return [str(formatEvent(one)) for one in self.events if one["log_level"].name == "error"]

    def test_at_first(self) -> None:
        """The files are in force as soon as the watcher is created."""
        self.assertTrue(verifyObject(IPolicy, self.watcher))
        self.assertEqual([self.serves(pv) for pv in "AB"], [True, False])
        self.wait()
        self.assertEqual(self.policies, [])

    def test_bad_at_first(self) -> None:
        """With invalid files, no watcher is created; the error has the position."""
        self.pvlist.write_text("A\n")
        error = self.assertRaises(AccessFileError, self.made, AccessFiles(self.pvlist))
        self.assertEqual((error.file, error.line, error.column), (str(self.pvlist), 1, 2))

    def test_change(self) -> None:
        """A changed file comes into force, and then listeners get the new policy."""
        is_current: list[bool] = []
        self.watcher.listen(lambda policy: is_current.append(self.watcher.policy is policy))
        self.pvlist.write_text("B.* ALLOW\n")
        self.wait()
        self.assertEqual([self.serves(pv) for pv in "AB"], [False, True])
        self.assertEqual((len(self.policies), is_current), (1, [True]))

    def test_each_file(self) -> None:
        """The access security file is watched as well."""
        self.access.write_text("ASG(DEFAULT) {RULE(1,NONE)}\n")
        self.wait()
        self.assertFalse(self.serves("A"))

    def test_being_written(self) -> None:
        """A file is not read while it still changes."""
        for size in range(1, 5):
            self.pvlist.write_text("B ALL"[:size])
            self.wait(1)
        self.pvlist.write_text("B ALLOW\n")
        self.wait(1)
        self.assertEqual((self.errors(), self.policies), ([], []))
        self.wait(1)
        self.assertTrue(self.serves("B"))

    def test_replaced(self) -> None:
        """A file that was renamed to the old name is a change, even with the same size and time."""
        new, times = Path(self.mktemp()), self.pvlist.stat()
        new.write_text("B ALLOW\n")
        os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
        new.rename(self.pvlist)
        self.wait()
        self.assertTrue(self.serves("B"))

    def test_bad_change(self) -> None:
        """An invalid file is logged once, and the old policy stays in force."""
        self.pvlist.write_text("B ALLOW\nC PERMIT\n")
        self.wait(10)
        self.assertEqual([self.serves(pv) for pv in "AB"], [True, False])
        self.assertEqual((self.policies, len(self.errors())), ([], 1))
        self.assertIn(f"{self.pvlist}:2:3: expected ALLOW, DENY or ALIAS", self.errors()[0])
        self.assertIn("stay in force", self.errors()[0])
        self.assertIsNotNone(self.watcher.error)

    def test_repaired(self) -> None:
        """After an invalid file, the next valid one comes into force; the next error is logged."""
        for text, serves, errors in (("B", "A", 1), ("B ALLOW\n", "B", 1), ("C", "B", 2)):
            self.pvlist.write_text(text)
            self.wait()
            self.assertTrue(self.serves(serves))
            self.assertEqual(len(self.errors()), errors)

    def test_gone(self) -> None:
        """A missing file is an error like any other, until it is back."""
        self.pvlist.unlink()
        self.wait(10)
        self.assertTrue(self.serves("A"))
        self.assertEqual(len(self.errors()), 1)
        self.pvlist.write_text("B ALLOW\n")
        self.wait()
        self.assertTrue(self.serves("B"))

    def test_reload(self) -> None:
        """A reload reads settled files at once, and returns whether they are valid."""
        self.assertTrue(self.successResultOf(self.watcher.reload()))
        self.pvlist.write_text("B ALLOW\n")
        reload = self.watcher.reload()
        self.assertNoResult(reload)
        self.wait()
        self.assertTrue(self.successResultOf(reload))
        self.assertTrue(self.serves("B"))
        self.assertEqual(len(self.policies), 2)
        self.pvlist.write_text("B")
        reload = self.watcher.reload()
        self.wait()
        self.assertFalse(self.successResultOf(reload))
        self.assertTrue(self.serves("B"))

    def test_slow_lookup(self) -> None:
        """While files are read in a thread, the old rules are in force; the last read counts."""
        reads: list[tuple[Deferred[Policy], Policy]] = []

        def run(load: Callable[[], Policy]) -> Deferred[Policy]:
            reads.append((Deferred(), load()))
            return reads[-1][0]

        files = AccessFiles(self.pvlist, self.access)
        watcher = PolicyWatcher(files, self.clock, Logger(observer=self.events), run)
        watcher.startService()
        self.addCleanup(watcher.stopService)
        self.pvlist.write_text("B ALLOW\n")
        first = watcher.reload()
        self.wait()
        self.pvlist.write_text("C ALLOW\n")
        second = watcher.reload()
        self.wait()
        self.assertEqual(len(reads), 1, "the second waits for the first")
        self.assertTrue(watcher.decide(None, "192.0.2.1", None, "A").read)
        deferred, policy = reads[-1]
        deferred.callback(policy)
        self.assertTrue(watcher.decide(None, "192.0.2.1", None, "A").read, "B is of yesterday")
        self.wait()
        deferred, policy = reads[-1]
        deferred.callback(policy)
        self.assertEqual(len(reads), 2)
        for reload in (first, second):
            self.assertTrue(self.successResultOf(reload))
        self.assertTrue(watcher.decide(None, "192.0.2.1", None, "C").read)

    def test_unexpected_error(self) -> None:
        """If any error occurs while files are read, the old rules stay in force."""
        watcher = PolicyWatcher(
            AccessFiles(self.pvlist, self.access),
            self.clock,
            Logger(observer=self.events),
            lambda _: fail(RuntimeError("reading")),
        )
        self.assertFalse(self.successResultOf(watcher.reload()))
        self.assertTrue(watcher.decide(None, "192.0.2.1", None, "A").read)
        self.assertIn("log_failure", self.events[-1])

    def test_listeners(self) -> None:
        """A failing listener does not affect others; a removed one is not called."""
        stopped: list[Policy] = []
        after: list[Policy] = []

        def stumble(policy: Policy) -> None:
            raise RuntimeError("listener")

        stop = self.watcher.listen(stopped.append)
        self.watcher.listen(stumble)
        self.watcher.listen(after.append)
        stop()
        self.assertTrue(self.successResultOf(self.watcher.reload()))
        self.assertEqual((len(stopped), len(after)), (0, 1))
        self.assertIn("log_failure", self.events[-1])

    def test_stopped(self) -> None:
        """A stopped service does not check the files, and keeps its policy."""
        self.watcher.stopService()
        self.pvlist.write_text("B ALLOW\n")
        self.wait()
        self.assertTrue(self.serves("A"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_no_files(self) -> None:
        """Without files, nothing is checked."""
        watcher = self.made(AccessFiles())
        self.watcher.stopService()
        watcher.startService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        watcher.stopService()
        self.assertTrue(self.successResultOf(watcher.reload()))
