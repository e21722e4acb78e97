"""What a formula is written with: numbers, names, operators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

import attrs

from pycawamp.pv.text import clip

_TOKEN = re.compile(
    r"""
    (?P<blank> [ \t]+)
    | (?P<number> (?:[0-9]+\.?[0-9]* | \.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<word> [^\W\d][\w:]*)
    | (?P<quoted> `[^`]*` | '[^']*')
    | (?P<mark> && | \|\| | == | != | <= | >= | [-+*/^%<>&|!?:(),])
    """,
    re.VERBOSE,
)
_QUOTES = ("`", "'")


class FormulaError(ValueError):
    """The text is no formula that can be computed; says where, and what was expected."""


class Kind(Enum):
    """The kind of a token."""

    NUMBER = "number"
    WORD = "word"
    """The name of a function or a constant, or of a PV without quotes."""
    QUOTED = "quoted"
    """The name of a PV."""
    MARK = "mark"
    END = "end"


@attrs.frozen
class Token:
    """A part of a formula."""

    kind: Kind
    text: str
    """Of the name of a PV: without its quotes."""
    place: int
    """Characters before it, and 1."""

    def error(self, expected: str) -> FormulaError:
        """Return the error that something else was expected here."""
        return FormulaError(f"character {self.place}: expected {expected}, found {self}")

    def __str__(self) -> str:
        return "the end" if self.kind is Kind.END else repr(clip(self.text, 32))


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a formula, END last; raises FormulaError."""
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unknown(text, at)
        group = str(match.lastgroup)
        if group == "quoted":
            yield _quoted(match[0], at + 1)
        elif group != "blank":
            yield Token(Kind(group), match[0], at + 1)
        at = match.end()
    yield Token(Kind.END, "", at + 1)


def quoted(name: str) -> str:
    """Return the name of a PV in quotes."""
    for quote in _QUOTES:
        if quote not in name:
            return f"{quote}{name}{quote}"
    raise FormulaError(
        f"expected formulas within a formula to be nested once, found {clip(name, 32)!r} in one"
    )


def _quoted(text: str, place: int) -> Token:
    token = Token(Kind.QUOTED, text[1:-1], place)
    if not token.text.strip():
        raise token.error("the name of a PV in quotes")
    return token


def _unknown(text: str, at: int) -> FormulaError:
    found = Token(Kind.MARK, text[at], at + 1)
    if text[at] in _QUOTES:
        return FormulaError(f"character {at + 1}: expected another {text[at]} after the name")
    if text[at] == '"':
        return found.error("a number, as formulas compute no texts")
    return found.error("a number, the name of a PV in backquotes, a function or an operator")
