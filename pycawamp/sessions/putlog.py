"""Who wrote what: one line for every put, refused ones too."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import attrs
import numpy as np
from twisted.logger import Logger

from pycawamp.pv.values import Reading
from pycawamp.wire.v2.codec import dumps

MAX_SHOWN = 200
"""Characters of a value; an array of a million is not for a log."""


@attrs.frozen
class PutRecord:
    """One put, as far as it got."""

    user: str | None
    client: str
    name: str
    new: Any
    old: Reading | None = None

    def line(self, outcome: str) -> str:
        """What the log says: JSON values, so that nothing a client sends begins a new line."""
        old = None if self.old is None else self.old.value
        fields = {
            "user": self.user,
            "client": self.client,
            "pv": self.name,
            "old": old,
            "new": self.new,
            "outcome": outcome,
        }
        return " ".join(f"{key}={_shown(value)}" for key, value in fields.items())


def _shown(value: Any) -> str:
    if isinstance(value, str | list | np.ndarray):
        # Before it is rendered, not after: this is the reactor's time.
        value = value[:MAX_SHOWN]
    try:
        text = dumps(value).decode()
    except TypeError:
        # JSON is read to a depth of 1024, and written to less.
        text = '"nested too deeply to be shown"'
    shown = text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"
    return shown if shown.isprintable() else "".join(map(_printable, shown))


def _printable(character: str) -> str:
    """The character, or its JSON escape: some programs end a line at U+0085 or U+2028."""
    return character if character.isprintable() else json.dumps(character)[1:-1]


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class PutLog:
    """Writes a line for each put to a file, or to the ordinary log where there is none.

    The file is opened for each line: puts are few, and whoever rotates logs may move
    it away at any time.
    """

    _log = Logger()

    def __init__(self, path: str | None = None, now: Callable[[], datetime] = _utc_now) -> None:
        self._path = path
        self._now = now

    def write(self, record: PutRecord, outcome: str) -> None:
        """Log a put and what became of it."""
        line = record.line(outcome)
        if self._path is None or not self._append(self._path, line):
            self._log.info("put {line}", line=line)

    def _append(self, path: str, line: str) -> bool:
        stamp = self._now().isoformat(timespec="milliseconds")
        try:
            with open(path, "a", encoding="utf-8") as file:
                file.write(f"{stamp} {line}\n")
        except OSError as error:
            self._log.error("The put log {path} cannot be written: {error}", path=path, error=error)
            return False
        return True
