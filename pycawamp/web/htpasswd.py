"""Password files in the format of Apache's htpasswd, with bcrypt and argon2 entries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import argon2
import attrs
import bcrypt

MAX_PASSWORD = 1024
"""UTF-8 bytes; longer ones are refused without hashing."""
BCRYPT_BYTES = 72
"""bcrypt uses only the first bytes of a password."""
_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|1[0-9])\$[./A-Za-z0-9]{53}")


class LoginFileError(Exception):
    """A file with passwords or a key is invalid or cannot be read."""


@attrs.frozen
class Passwords:
    """The entries of a file."""

    entries: Mapping[str, str] = attrs.field(repr=False)
    _by_cost: Mapping[str, str] = attrs.field(init=False, repr=False, eq=False)
    """One entry for each scheme and cost."""

    @_by_cost.default
    def _find_costs(self) -> Mapping[str, str]:
        return {_cost(entry): entry for entry in self.entries.values()}

    def entry(self, user: str) -> str | None:
        """Return the user's hash; None for an unknown user."""
        return self.entries.get(user)

    def check(self, user: str, password: str) -> bool:
        """Return whether this is the user's password. Blocks for some tenths of a second.

        It computes one hash for each scheme and cost in the file, for any user, so that the time
        does not depend on whether a user exists.
        """
        entry = self.entries.get(user)
        tried = dict(self._by_cost) if entry is None else {**self._by_cost, _cost(entry): entry}
        matching = [each for each in tried.values() if _matches(each, password.encode())]
        return entry in matching


def read_passwords(path: Path) -> Passwords:
    """Read a password file.

    Raises:
        LoginFileError: The file is invalid or cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LoginFileError(f"{path}: cannot be read: {reason}") from None
    entries: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        user, _, entry = line.strip().partition(":")
        problem = _problem(user, entry, entries)
        if problem:
            raise LoginFileError(f"{path}:{number}: expected {problem}")
        entries[user] = entry
    if not entries:
        raise LoginFileError(f"{path}:1: expected a line such as user:$2y$…")
    return Passwords(entries)


def _problem(user: str, entry: str, entries: Mapping[str, str]) -> str | None:
    # The line is not part of the message, since it may be a password.
    if not user or not user.isprintable():
        return "a user's name before the first colon"
    if user in entries:
        return f"one entry for each user, {user!r} has one above"
    if _BCRYPT.fullmatch(entry) or _is_argon2(entry):
        return None
    return "a bcrypt or argon2 hash after the name (htpasswd -B makes bcrypt)"


def _is_argon2(entry: str) -> bool:
    try:
        argon2.extract_parameters(entry)
    except argon2.exceptions.InvalidHashError:
        return False
    return True


def _cost(entry: str) -> str:
    """Return the scheme and parameters of an entry, which determine the time to check it."""
    return entry[4:6] if entry.startswith("$2") else entry.rsplit("$", 2)[0]


def _matches(entry: str, password: bytes) -> bool:
    if len(password) > MAX_PASSWORD or b"\0" in password:
        return False
    if entry.startswith("$2"):
        return bcrypt.checkpw(password[:BCRYPT_BYTES], entry.encode())
    try:
        return argon2.PasswordHasher().verify(entry, password)
    except argon2.exceptions.VerificationError:
        return False
