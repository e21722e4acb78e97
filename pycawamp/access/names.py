"""The different names of one channel, so that no rule can be bypassed by another spelling."""

from __future__ import annotations

import re

from attrs import frozen

from pycawamp.pv.names import MAX_NAME, is_too_long

# dbFindFieldPart reads a C identifier; what follows may be $, [range], {filters} (dbChannel.c).
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|", re.ASCII)
_MODIFIERS = re.compile(r"[$\[{].*", re.DOTALL)


@frozen
class Spellings:
    """A name as requested, without modifiers (`bare`), and all names of its channel.

    `every` contains the record, the name with its field, and the former two. A rule that denies
    any of them denies the channel.
    """

    requested: str
    bare: str
    every: tuple[str, ...]


def name_problem(name: str) -> str | None:
    """Return why this cannot be the name of a channel, or None if it can.

    Channel Access ends a name at its first NUL, so only the patterns would see what follows.
    """
    if not name or is_too_long(name):
        return f"a name has 1 to {MAX_NAME} bytes of UTF-8"
    if name.isascii() and name.isprintable():
        return None
    if any(not char.isprintable() for char in name):
        return "a name has no control characters"
    return None


def modified_record(name: str) -> str | None:
    """Return the record of a name with modifiers (`X.VAL$`, `X.[0:5]`, `X.{}`), else None."""
    record, _, rest = name.partition(".")
    end = _FIELD.match(rest)
    return record if _MODIFIERS.match(rest, end.end() if end else 0) else None


def spellings(name: str) -> Spellings:
    """Return the spellings of a name: `X`, `X.VAL`, `X.`, `X$` and `X.{}` are one channel."""
    record, dot, rest = name.partition(".")
    if not dot:
        return _of_record(name)
    end = _FIELD.match(rest)
    field = end.group() if end else ""
    tail = rest[len(field) :]
    modified = tail[:1] in ("$", "[", "{")
    if modified or not tail:
        bare = f"{record}.{field}" if field else record
        return _unique(name, bare, record, f"{record}.{field or 'VAL'}")
    return _of_foreign(name, record, rest)


def _of_record(name: str) -> Spellings:
    """A name without a field. Servers other than EPICS base accept modifiers without a dot too."""
    if name[-1:] not in ("$", "]", "}"):
        return _unique(name, name, f"{name}.VAL")
    record = _MODIFIERS.sub("", name)
    return _unique(name, name, f"{name}.VAL", record, f"{record}.VAL")


def _of_foreign(name: str, record: str, rest: str) -> Spellings:
    """A name such as `a.b.c`, which is not valid in EPICS base, but may be in other servers."""
    plain = f"{record}.{_MODIFIERS.sub('', rest)}"
    bare = plain if name[-1:] in ("$", "]", "}") else name
    return _unique(name, bare, record, plain, plain.rpartition(".")[0])


def _unique(requested: str, bare: str, *more: str) -> Spellings:
    every = tuple(dict.fromkeys(one for one in (requested, bare, *more) if one))
    return Spellings(requested, bare or requested, every)
