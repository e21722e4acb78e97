"""Reads the access files of a site: the one place here that opens files or asks for addresses."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from pathlib import Path

from attrs import field, frozen

from .acf import Acf
from .acf_file import parse_acf
from .errors import AccessFileError, Place
from .hosts import Lookup
from .policy import Policy, Writers
from .pvlist import PVList
from .pvlist_file import parse_pvlist
from .syntax import Syntax

#: A file larger than this is not an access file.
MAX_BYTES = 4 << 20


def _path(value: str | os.PathLike[str] | None) -> Path | None:
    return None if value is None else Path(value)


@frozen
class AccessFiles:
    """Where the access files of a site are, and how a policy is made of them.

    With a `lookup`, host names in the files also match the addresses they have while the files
    are read. `syntax` is that of the PV list, if it is not that of the CA gateway's default build.
    """

    pvlist: Path | None = field(default=None, converter=_path)
    access: Path | None = field(default=None, converter=_path)
    puts: bool = False
    writers: Writers = Writers.NONE
    lookup: Lookup | None = None
    syntax: Syntax | None = None

    def load(self) -> Policy:
        """The policy that the files say now; raises `AccessFileError`."""
        pvlist = _pvlist(self.pvlist, self.syntax) if self.pvlist else None
        acf = _acf(self.access) if self.access else None
        if self.lookup is not None:
            pvlist = pvlist and pvlist.look_up(self.lookup)
            acf = acf and acf.look_up(self.lookup)
        return Policy(pvlist, acf, self.puts, self.writers)


def system_lookup(name: str) -> Iterable[str]:
    """The addresses that this machine's resolver has for the name; blocks while it asks."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return {str(address[0]) for *_, address in found}


def _pvlist(path: Path, syntax: Syntax | None) -> PVList:
    # What is no UTF-8 may stand in comments.
    text = _read(path).decode("utf-8", errors="surrogateescape")
    _check_end(text, path)
    pvlist = parse_pvlist(text, str(path), syntax)
    if not pvlist.rules:
        # Somebody may be about to write it.
        message = "expected a line with ALLOW, DENY or ALIAS (`.* DENY` serves nothing)"
        raise AccessFileError(str(path), 1, 1, message)
    return pvlist


def _check_end(text: str, path: Path) -> None:
    last = text.rpartition("\n")[2]
    words = last.partition("#")[0].split()
    # DENY is taken all the same: nothing is served that the gateway does not serve.
    if "#" not in last and words and [word.upper() for word in words[1:2]] != ["DENY"]:
        place = Place(str(path), text.count("\n") + 1, len(last) + 1)
        raise place.error(
            "expected a line feed at the end of the last line, which is without its last "
            "character in the CA gateway"
        )


def _acf(path: Path) -> Acf:
    content = _read(path)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return parse_acf(text, str(path))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        raise AccessFileError(str(path), 0, 0, message) from None
    if len(content) > MAX_BYTES:
        raise AccessFileError(str(path), 0, 0, f"expected a file of at most {MAX_BYTES} bytes")
    return content
