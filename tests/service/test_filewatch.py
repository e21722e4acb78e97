"""Files that are read again when they change, but never partially."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.filewatch import FileWatcher, Run, UnreadableFileError
from tests.support.log_events import LogEvents


class Text(FileWatcher[str]):
    """The text of a file."""

    def __init__(
        self, clock: Clock, path: Path, events: LogEvents, run: Run[str] | None = None
    ) -> None:
        if run is None:
            super().__init__(clock, (path, None))
        else:
            super().__init__(clock, (path, None), run)
        self._log = Logger(observer=events)
        self.path = path
        self.texts: list[str] = []
        self.failures: list[Failure] = []

    def read(self) -> str:
        return self.path.read_text()

    def accept(self, result: str) -> None:
        if result == "stumble":
            raise RuntimeError(result)
        self.texts.append(result)

    def refuse(self, failure: Failure) -> None:
        self.failures.append(failure)


class FileWatcherTests(SynchronousTestCase):
    """FileWatcher, with real files and a clock that the test controls."""

    def setUp(self) -> None:
        """Make a file."""
        self.clock = Clock()
        self.path = Path(self.mktemp())
        self.path.write_text("old")
        self.events = LogEvents()
        self.watcher = self.started()

    def started(self, run: Run[str] | None = None) -> Text:
        watcher = Text(self.clock, self.path, self.events, run)
        watcher.startService()
        self.addCleanup(watcher.stopService)
        return watcher

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 4)):
            self.clock.advance(0.25)

    def test_unchanged(self) -> None:
        """A file that does not change is not read again."""
        self.wait(10)
        self.assertEqual(self.watcher.texts, [])

    def test_settles(self) -> None:
        """A change is read when the file has stayed the same for `settle` seconds, not before."""
        for text in ("n", "ne", "new"):
            self.path.write_text(text)
            self.wait(0.75)
        self.assertEqual(self.watcher.texts, [])
        self.wait(self.watcher.settle + self.watcher.interval)
        self.assertEqual(self.watcher.texts, ["new"])

    def test_reload_settles(self) -> None:
        """A reload does not read a file that has just changed; it is answered when that settles."""
        reloads = []
        for text in ("n", "ne", "new"):
            self.path.write_text(text)
            reloads.append(self.watcher.reload())
            self.wait(0.75)
            self.assertNoResult(reloads[-1])
        self.wait(self.watcher.settle + self.watcher.interval)
        self.assertEqual([self.successResultOf(reload) for reload in reloads], [True] * 3)
        self.assertEqual(self.watcher.texts, ["new"])

    def test_changed_while_read(self) -> None:
        """The content of a file that changed while it was read is dropped, and read again."""
        reads: list[tuple[Deferred[str], str]] = []

        def run(read: object) -> Deferred[str]:
            reads.append((Deferred(), self.path.read_text()))
            return reads[-1][0]

        watcher = self.started(run)
        self.path.write_text("half")
        reload = watcher.reload()
        self.wait(3)
        self.path.write_text("half and half")
        for _ in range(2):
            deferred, text = reads[-1]
            deferred.callback(text)
            self.wait(3)
        self.assertEqual(watcher.texts, ["half and half"])
        self.assertTrue(self.successResultOf(reload))
        self.assertEqual(len(reads), 2)

    def test_permissions(self) -> None:
        """A file with other permissions is read again: it may not have been readable."""
        self.path.chmod(0o600)
        self.wait(3)
        self.assertEqual(self.watcher.texts, ["old"])

    def test_gone(self) -> None:
        """A missing file is logged once; it is read when it is back."""
        self.path.unlink()
        self.wait(10)
        self.assertEqual(len(self.watcher.failures), 1)
        self.watcher.failures[0].trap(FileNotFoundError)
        self.path.write_text("new")
        self.wait(3)
        self.assertEqual(self.watcher.texts, ["new"])

    def test_stumbles(self) -> None:
        """A failing check of a change is logged, and checks continue."""
        self.path.write_text("stumble")
        self.wait(3)
        self.assertIn("log_failure", self.events[-1])
        self.path.write_text("new")
        self.wait(3)
        self.assertEqual(self.watcher.texts, ["new"])

    def test_unreadable(self) -> None:
        """The service does not start if a file could not be read again."""
        self.path.unlink()
        watcher = Text(self.clock, self.path, self.events)
        error = self.assertRaises(UnreadableFileError, watcher.startService)
        self.assertIn(f"{self.path}: expected a file", str(error))
        self.assertFalse(watcher.running)
