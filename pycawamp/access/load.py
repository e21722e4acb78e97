"""Reading of access files and resolving of host names."""

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

#: Larger files are refused.
MAX_BYTES = 4 << 20


def _path(value: str | os.PathLike[str] | None) -> Path | None:
    return None if value is None else Path(value)


@frozen
class AccessFiles:
    """The access files of a site, and the settings of the policy that is made from them."""

    pvlist: Path | None = field(default=None, converter=_path)
    """Path of the PV list."""
    access: Path | None = field(default=None, converter=_path)
    """Path of the access security file."""
    puts: bool = False
    """Whether puts are allowed at all."""
    writers: Writers = Writers.NONE
    """Who may write if there is no access security file."""
    lookup: Lookup | None = None
    """Returns the addresses of a host name, such as `system_lookup`. Host names in the files then
    also match the addresses that they have when the files are read."""
    syntax: Syntax | None = None
    """The build of the CA gateway that the PV list was written for; None: the default build, and
    patterns that look as if written for another build are errors."""

    def load(self) -> Policy:
        """Read the files, and return their policy.

        Raises:
            AccessFileError: A file cannot be read or is invalid.
        """
        pvlist = _pvlist(self.pvlist, self.syntax) if self.pvlist else None
        acf = _acf(self.access) if self.access else None
        if self.lookup is not None:
            pvlist = pvlist and pvlist.look_up(self.lookup)
            acf = acf and acf.look_up(self.lookup)
        return Policy(pvlist, acf, self.puts, self.writers)


def system_lookup(name: str) -> Iterable[str]:
    """Return the addresses of a host name from the system's resolver. Blocks."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return {str(address[0]) for *_, address in found}


def _pvlist(path: Path, syntax: Syntax | None) -> PVList:
    # Comments may be in another encoding than UTF-8.
    text = _read(path).decode("utf-8", errors="surrogateescape")
    _check_end(text, path)
    pvlist = parse_pvlist(text, str(path), syntax)
    if not pvlist.rules:
        # The file may be being written.
        message = "expected a line with ALLOW, DENY or ALIAS (`.* DENY` serves nothing)"
        raise AccessFileError(str(path), 1, 1, message)
    return pvlist


def _check_end(text: str, path: Path) -> None:
    last = text.rpartition("\n")[2]
    words = last.partition("#")[0].split()
    # A DENY is accepted: nothing is served that the CA gateway would not serve.
    if "#" not in last and words and [word.upper() for word in words[1:2]] != ["DENY"]:
        place = Place(str(path), text.count("\n") + 1, len(last) + 1)
        raise place.error(
            "expected a line feed at the end of the last line; without one, the CA gateway drops "
            "the last character"
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
