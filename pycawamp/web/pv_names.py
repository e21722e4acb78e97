"""A file with PV names, which the console suggests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from pycawamp.filewatch import FileWatcher, Run
from pycawamp.web.name_index import NameIndex

MAX_NAMES = 1_000_000
MAX_LENGTH = 2000
"""Maximum characters of a line."""


class NamesFileError(Exception):
    """A file with names is invalid or cannot be read."""


class PVNames(FileWatcher[NameIndex]):
    """A service with the names in a file, which it reads again when it changes.

    Each line has a name, optionally followed by a space and a description. Empty lines, and lines
    that start with `#`, are ignored.

    Raises:
        NamesFileError: The file is invalid.
    """

    _log = Logger()

    def __init__(self, reactor: Any, path: Path, run: Run[NameIndex]) -> None:
        super().__init__(reactor, (path,), run)
        self._path = path
        self.index = self.read()

    def read(self) -> NameIndex:
        """Read the file.

        Raises:
            NamesFileError: It is invalid.
        """
        return NameIndex(_lines(self._path))

    def accept(self, result: NameIndex) -> None:
        """Use the new names."""
        self.index = result

    def refuse(self, failure: Failure) -> None:
        """Log why the previous names are kept."""
        if failure.check(NamesFileError):
            self._log.error("{error}; the previous names stay in use", error=failure.value)
        else:
            self._log.failure("The file of PV names could not be read again", failure)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            count = 0
            for number, line in enumerate(file, 1):
                name, _, description = line.strip().partition(" ")
                if not name or name.startswith("#"):
                    continue
                count += 1
                if count > MAX_NAMES:
                    raise NamesFileError(f"{path}:{number}: expected at most {MAX_NAMES} names")
                if len(line) > MAX_LENGTH:
                    raise NamesFileError(
                        f"{path}:{number}: expected a line of at most {MAX_LENGTH} characters"
                    )
                yield name, description.strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NamesFileError(f"{path}: cannot be read: {reason}") from None
