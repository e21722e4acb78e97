"""Files that are read again when they change."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

T = TypeVar("T")
Run: TypeAlias = Callable[[Callable[[], T]], "Deferred[T]"]
Signature: TypeAlias = "tuple[int, int, int, int] | None"
"""Inode, size, times of the last write and of the last change; None: no such file."""


class UnreadableFileError(Exception):
    """A file cannot be read by the user that the process runs as."""


class FileWatcher(Service, Generic[T]):
    """A service that reads files when they have changed, and on `reload`.

    The files are read when they have not changed for `settle` seconds. If they change while
    they are read, the result is discarded. So a partially written file is not used.

    Subclasses read the files first when they are created, after calling `__init__`.
    """

    interval = 1.0
    """Seconds between checks of the files."""
    settle = 1.0
    """Seconds for which the files must stay the same."""

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, paths: Iterable[Path | None], run: Run[T] = maybeDeferred
    ) -> None:
        """Record the current state of the files.

        Args:
            clock: Measures `interval` and `settle`.
            paths: The files; None is ignored.
            run: Calls `read`, in a thread if that may take long, and returns a Deferred of its
                result.
        """
        self._clock = clock
        self._paths = tuple(path for path in paths if path is not None)
        self._run = run
        self._accepted = self._latest = self._signatures()
        self._latest_since = float("-inf")
        self._reading = False
        self._reloads: list[Deferred[bool]] = []
        self._polling = LoopingCall(self._poll)
        self._polling.clock = clock

    @abstractmethod
    def read(self) -> T:
        """Read the files, and return the result, or raise an exception with the reason."""

    @abstractmethod
    def accept(self, result: T) -> None:
        """Use a new result."""

    @abstractmethod
    def refuse(self, failure: Failure) -> None:
        """Log why the files could not be read; the previous result stays in force."""

    def startService(self) -> None:
        """Start watching the files.

        Raises:
            UnreadableFileError: A file cannot be read. twistd may have read it as another user
                before, and its changes could not be read.
        """
        self.check_readable()
        super().startService()  # type: ignore[no-untyped-call]
        if self._paths:
            self._polling.start(self.interval, now=False)

    def stopService(self) -> None:
        """Stop watching the files; the last result stays in force."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._polling.running:
            self._polling.stop()

    def check_readable(self) -> None:
        """Check that the user of this process can read the files.

        Raises:
            UnreadableFileError: One cannot be read.
        """
        for path in self._paths:
            try:
                # Non-blocking, since it might be a pipe.
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            except OSError as error:
                raise UnreadableFileError(
                    f"{path}: expected a file that the gateway's user can read again "
                    f"when it changes: {error.strerror}"
                ) from None

    def reload(self) -> Deferred[bool]:
        """Read the files even if they have not changed, once they have not changed for a while.

        Returns:
            A Deferred that fires with whether the files are valid. It does not fire while the
            files keep changing.
        """
        done: Deferred[bool] = Deferred()
        self._reloads.append(done)
        self._poll()
        return done

    def _signatures(self) -> tuple[Signature, ...]:
        return tuple(_signature(path) for path in self._paths)

    def _poll(self) -> None:
        if self._reading:
            return
        found, now = self._signatures(), self._clock.seconds()
        if found != self._latest:
            self._latest, self._latest_since = found, now
        settled = now - self._latest_since >= self.settle
        if settled and (self._reloads or found != self._accepted):
            self._reading = True
            self._accepted = found
            reloads, self._reloads = self._reloads, []
            self._run(self.read).addBoth(self._done, reloads)

    def _done(self, result: T | Failure, reloads: list[Deferred[bool]]) -> None:
        self._reading = False
        if self._signatures() != self._accepted:
            # The content may be partly old and partly new: read it again later.
            self._reloads = reloads + self._reloads
        else:
            good = self._take(result)
            for reload in reloads:
                reload.callback(good)
        if self._reloads:
            self._poll()

    def _take(self, result: Any) -> bool:
        try:
            if isinstance(result, Failure):
                self.refuse(result)
            else:
                self.accept(result)
        except Exception:
            self._log.failure("{paths}: a change failed", paths=", ".join(map(str, self._paths)))
        return not isinstance(result, Failure)


def _signature(path: Path) -> Signature:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
