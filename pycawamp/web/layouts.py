"""Layouts of the console in a folder; they are never written."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.server import Request

from pycawamp.web.answer_page import HTTPRequester, Reply
from pycawamp.web.authentication import RefusalError
from pycawamp.web.name_index import NameIndex
from pycawamp.web.query import text_of
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.v2.codec import dumps, loads

ENDING = ".json"
MAX_LAYOUTS = 1000
MAX_ENTRIES = 10_000
"""Maximum number of entries of the folder that are read."""
MAX_BYTES = 2**20
"""Maximum bytes of a layout."""
MAX_PVS = 200_000
"""Maximum number of names in all layouts that are suggested."""
FRESH = 30.0
"""Seconds after which the layouts are read again."""
_NAME = re.compile(r"[^\W_][\w .+-]{0,99}")


class LayoutError(Exception):
    """A layout does not exist, or its file is invalid; the text says what was expected."""


@attrs.frozen
class LayoutFolder:
    """A folder with a file `NAME.json` for each layout. Its methods block."""

    path: Path

    def names(self) -> list[str]:
        """Return the names of the layouts, sorted.

        Raises:
            LayoutError: The folder cannot be read.
        """
        try:
            with os.scandir(self.path) as entries:
                found = [entry.name for entry in islice(entries, MAX_ENTRIES) if entry.is_file()]
        except OSError as error:
            raise LayoutError(f"{self.path}: cannot be read: {error.strerror}") from None
        names = [name.removesuffix(ENDING) for name in found if name.endswith(ENDING)]
        return sorted(filter(_NAME.fullmatch, names))[:MAX_LAYOUTS]

    def read(self, name: str) -> bytes:
        """Return the JSON text of a layout.

        Raises:
            LayoutError: The layout does not exist, or its file is invalid.
        """
        problem = f"{name[:100]}: no such layout"
        if not _NAME.fullmatch(name):
            raise LayoutError(problem)
        try:
            text = self._content(name + ENDING)
        except OSError:
            raise LayoutError(problem) from None
        if len(text) > MAX_BYTES:
            raise LayoutError(f"{name}: expected at most {MAX_BYTES} bytes")
        try:
            layout = loads(text)
        except BadMessageError as mistake:
            raise LayoutError(f"{name}: {mistake.message}") from None
        if not isinstance(layout, dict) or not isinstance(layout.get("groups"), list):
            raise LayoutError(f'{name}: expected an object with a list "groups"')
        return text

    def pvs(self) -> Iterator[str]:
        """Yield the PV names in all valid layouts."""
        for name in self.names():
            try:
                layout = loads(self.read(name))
            except LayoutError:
                continue
            yield from _pvs(layout["groups"])

    def _content(self, file: str) -> bytes:
        """Return the content of a file, or slightly more than the maximum.

        Raises:
            OSError: The file cannot be read.
        """
        folder = os.path.realpath(self.path)
        # A link within the folder is usual where files are mounted, one out of it is a mistake.
        path = os.path.realpath(os.path.join(folder, file))
        if os.path.commonpath((folder, path)) != folder:
            raise FileNotFoundError(file)
        # Non-blocking, since it might be a pipe.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise FileNotFoundError(file)
            return opened.read(MAX_BYTES + 1)


class LayoutNames:
    """The PV names in all layouts of a folder, read again after some time."""

    def __init__(
        self, folder: LayoutFolder, in_thread: Callable[..., Deferred[Any]], clock: IReactorTime
    ) -> None:
        self._folder = folder
        self._in_thread = in_thread
        self._clock = clock
        self._read_at = -FRESH
        self._index = NameIndex(())
        self._waiting: list[Deferred[NameIndex]] | None = None

    def index(self) -> Deferred[NameIndex]:
        """Return a Deferred of the names, or of the previous ones if the folder cannot be read."""
        if self._clock.seconds() - self._read_at < FRESH:
            return succeed(self._index)
        answer: Deferred[NameIndex] = Deferred()
        if self._waiting is None:
            self._waiting = []
            self._in_thread(self._read).addBoth(self._took)
        self._waiting.append(answer)
        return answer

    def _read(self) -> NameIndex:
        names = dict.fromkeys(islice(self._folder.pvs(), MAX_PVS))
        return NameIndex((name, "") for name in names if name.isprintable())

    def _took(self, result: NameIndex | Failure) -> None:
        if isinstance(result, NameIndex):
            self._index = result
        self._read_at = self._clock.seconds()
        waiting, self._waiting = self._waiting or [], None
        for answer in waiting:
            answer.callback(self._index)


def _pvs(groups: list[Any]) -> Iterator[str]:
    for group in groups:
        members = group.get("pvs") if isinstance(group, dict) else None
        for member in members if isinstance(members, list) else ():
            name = member.get("pv") if isinstance(member, dict) else member
            if isinstance(name, str):
                yield name


@attrs.frozen
class LayoutPage:
    """Returns the names of the layouts at `/layouts`, and a layout at `/layouts/NAME`.

    `in_thread` calls a blocking function.
    """

    _folder: LayoutFolder
    _in_thread: Callable[..., Deferred[Any]]

    def __call__(self, request: Request, requester: HTTPRequester) -> Deferred[Reply]:
        """Return the response to a request.

        Raises:
            RefusalError: There is no such layout.
        """
        requester.charge(1)
        path = [text_of(part) for part in request.postpath or [] if part]
        if len(path) > 1:
            raise RefusalError(404, "expected /layouts or /layouts/NAME")
        if path:
            read = self._in_thread(self._folder.read, path[0]).addCallback(Reply)
        else:
            names = self._in_thread(self._folder.names)
            read = names.addCallback(lambda found: Reply(dumps({"layouts": found})))
        answer: Deferred[Reply] = read.addErrback(_refused)
        return answer


def _refused(failure: Failure) -> Any:
    failure.trap(LayoutError)
    raise RefusalError(HTTPStatus.NOT_FOUND, str(failure.value))
