"""The put log: one line for each put, including those that were refused."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import attrs
import numpy as np
from twisted.logger import Logger

from pycawamp.pv.text import clip
from pycawamp.pv.values import Reading
from pycawamp.wire.v2.codec import dumps

MAX_SHOWN = 200
"""Maximum characters of a value in the log."""
MODE = 0o640
"""Permissions of a new file: not readable by others."""


@attrs.frozen
class PutRecord:
    """One put, as far as it was executed."""

    user: str | None
    client: str
    name: str
    new: Any
    """The value in the request."""
    old: Reading | None = None
    after: Reading | None = None
    """The value after the put; None if it was not read, or the IOC did not answer."""

    @classmethod
    def of(cls, user: str | None, client: str, name: str, new: Any) -> PutRecord:
        """Return a record with values truncated to what the line shows."""
        return cls(user, client, name, new[:MAX_SHOWN] if isinstance(new, str | list) else new)

    def line(self, outcome: str) -> str:
        """Return the line. Values are JSON, so that no client can begin a new line."""
        fields = {
            "user": self.user,
            "client": self.client,
            "pv": self.name,
            "old": None if self.old is None else self.old.value,
            "new": self.new,
            "outcome": outcome,
        }
        if self.after is not None:
            fields["after"] = self.after.value
        return " ".join(f"{key}={_shown(value)}" for key, value in fields.items())


def _shown(value: Any) -> str:
    if isinstance(value, str | list | np.ndarray):
        # Before it is rendered, which takes time in the reactor.
        value = value[:MAX_SHOWN]
    try:
        text = dumps(value).decode()
    except TypeError:
        # The parser accepts a depth of 1024, the encoder less.
        text = '"nested too deeply to be shown"'
    shown = clip(text, MAX_SHOWN)
    return shown if shown.isprintable() else "".join(map(_printable, shown))


def _printable(character: str) -> str:
    """Return the character or its JSON escape: some programs end lines at U+0085 or U+2028."""
    return character if character.isprintable() else json.dumps(character)[1:-1]


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class PutLogError(Exception):
    """The put log cannot be written; the text has the file and the reason."""


class PutLog:
    """Writes a line for each put to a file, or to the ordinary log if there is none.

    The file is opened for each line, so it can be rotated at any time. If it cannot be written,
    lines go to the ordinary log and are counted; their number is added to the file when it can be
    written again.
    """

    _log = Logger()

    def __init__(self, path: str | None = None, now: Callable[[], datetime] = _utc_now) -> None:
        self._path = path
        self._now = now
        self.outcomes: Counter[str] = Counter()
        """The number of puts by outcome: `ok`, `sent`, or the code of an error."""
        self.missing = 0
        """Number of lines missing in the file since it was last written."""

    def check(self) -> None:
        """Check that the file can be written, without creating it.

        Raises:
            PutLogError: It cannot be written.
        """
        if self._path is None:
            return
        place = self._path if os.path.exists(self._path) else os.path.dirname(self._path) or "."
        if not os.path.exists(place):
            raise self._error(f"there is no folder {place}")
        if os.path.isdir(self._path):
            raise self._error("it is a folder")
        if not os.access(place, os.W_OK, effective_ids=True):
            raise self._error(f"{place} is not writable")

    def open(self) -> None:
        """Create the file if it does not exist.

        Raises:
            PutLogError: It cannot be written.
        """
        if self._path is not None:
            try:
                os.close(_open(self._path))
            except OSError as error:
                raise self._error(error.strerror or str(error)) from None

    def close(self) -> None:
        """Log how many lines are missing in the file."""
        if self.missing:
            self._log.error(
                "The put log {path} is missing its last {count} lines",
                path=self._path,
                count=self.missing,
            )

    def write(self, record: PutRecord, outcome: str) -> None:
        """Log a put and its outcome."""
        self.outcomes[outcome.partition(":")[0]] += 1
        line = record.line(outcome)
        if self._path is None or not self._append(self._path, line):
            self._log.info("put {line}", line=line)

    def _append(self, path: str, line: str) -> bool:
        stamp = self._now().isoformat(timespec="milliseconds")
        text = f"{stamp} {line}\n"
        if self.missing:
            text = f"{stamp} missing={self.missing}\n{text}"
        try:
            _append_lines(path, text.encode())
        except OSError as error:
            if not self.missing:
                self._log.error(
                    "The put log {path} cannot be written: {error}. Its lines go to this log",
                    path=path,
                    error=error,
                )
            self.missing += 1
            return False
        if self.missing:
            self._log.info(
                "The put log {path} can be written again; it is missing {count} lines",
                path=path,
                count=self.missing,
            )
            self.missing = 0
        return True

    def _error(self, problem: str) -> PutLogError:
        return PutLogError(f"--put-log: {self._path} cannot be written: {problem}")


def _append_lines(path: str, data: bytes) -> None:
    """Append to a file whose last line may be incomplete, because the disk was full."""
    descriptor = _open(path)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            data = b"\n" + data
        # A disk that is nearly full accepts a part; the next write fails.
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)


def _open(path: str) -> int:
    # Non-blocking, since it might be a pipe that nobody reads.
    flags = os.O_RDWR | os.O_APPEND | os.O_NONBLOCK
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        descriptor = os.open(path, flags | os.O_CREAT, MODE)
        # Independent of the umask.
        os.fchmod(descriptor, MODE)
        return descriptor
