"""The tokens of formulas: numbers, names, operators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from pycawamp.pv.calc import MAX_OPERATORS
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
    """The text is not a valid formula; the error says where, and what was expected."""


class FormulaTokenKind(Enum):
    """The kind of a token."""

    NUMBER = "number"
    WORD = "word"
    """The name of a function or a constant, or of a PV without quotes."""
    QUOTED = "quoted"
    """The name of a PV."""
    MARK = "mark"
    END = "end"


_KINDS: dict[str | None, FormulaTokenKind | None] = {
    "blank": None,
    **{kind.value: kind for kind in FormulaTokenKind},
}


class FormulaToken(NamedTuple):
    """A part of a formula.

    A NamedTuple, not an attrs class, as it is created in half the time: clients may send many.
    """

    kind: FormulaTokenKind
    text: str
    """The text; a PV name is without quotes."""
    place: int
    """The position of its first character in the name of the formula, from 1."""

    def error(self, expected: str) -> FormulaError:
        """Return the error that something else was expected at this place."""
        return FormulaError(f"character {self.place}: expected {expected}, found {self}")

    def __str__(self) -> str:
        return "the end" if self.kind is FormulaTokenKind.END else repr(clip(self.text, 32))


def tokens(text: str, start: int = 0) -> Iterator[FormulaToken]:
    """Yield the tokens of a formula, END last; raises FormulaError. It begins at `start`."""
    at, marks = start, 0
    for match in _TOKEN.finditer(text, start):
        if match.start() != at:
            break
        kind = _KINDS[match.lastgroup]
        at = match.end()
        if kind is FormulaTokenKind.QUOTED:
            yield _quoted(match)
        elif kind is not None:
            yield FormulaToken(kind, match[0], match.start() + 1)
        marks += kind is FormulaTokenKind.MARK
        if marks > MAX_OPERATORS:
            raise FormulaError(f"expected at most {MAX_OPERATORS} operators and parentheses")
    if at < len(text):
        raise _unknown(text, at)
    yield FormulaToken(FormulaTokenKind.END, "", at + 1)


def quoted(name: str) -> str:
    """Return the name of a PV in quotes."""
    for quote in _QUOTES:
        if quote not in name:
            return f"{quote}{name}{quote}"
    raise FormulaError(
        f"expected formulas within a formula to be nested once, found {clip(name, 32)!r} in one"
    )


def _quoted(match: re.Match[str]) -> FormulaToken:
    token = FormulaToken(FormulaTokenKind.QUOTED, match[0][1:-1], match.start() + 1)
    if not token.text.strip():
        raise token.error("the name of a PV in quotes")
    return token


def _unknown(text: str, at: int) -> FormulaError:
    found = FormulaToken(FormulaTokenKind.MARK, text[at], at + 1)
    if text[at] in _QUOTES:
        return FormulaError(f"character {at + 1}: expected another {text[at]} after the name")
    if text[at] == '"':
        return found.error("a number, as formulas compute no texts")
    return found.error("a number, the name of a PV in backquotes, a function or an operator")
