r"""The syntaxes of regular expressions in PV lists, and their conversion to RE2.

The CA gateway is built either with the GNU library, whose groups are `\(A\)`, or with PCRE,
whose groups are `(A)`; and with or without `!` as a negation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

from attrs import evolve, frozen

from .errors import PatternError
from .gnu import from_gnu, literal


class RegexLibrary(Enum):
    """The library of regular expressions."""

    GNU = "gnu"
    PCRE = "pcre"


class Syntax(Enum):
    """The build of the CA gateway that a PV list was written for; the first is the default."""

    GNU = "gnu"
    GNU_NEG = "gnu-neg"
    PCRE = "pcre"
    PCRE_NEG = "pcre-neg"

    @property
    def library(self) -> RegexLibrary:
        """The library that reads the patterns (USE_PCRE)."""
        return RegexLibrary(self.value.partition("-")[0])

    @property
    def negates(self) -> bool:
        """Whether a `!` before a pattern negates it (USE_NEG_REGEXP)."""
        return self.value.endswith("-neg")


# Elements that indicate another build than the default, which reads them as plain characters
# that no record name has, or as an unlikely set.
_SIGNS = (
    (re.compile(r"!"), "a negation"),
    (re.compile(r"[()|]"), "a group or an alternative"),
    (re.compile(r"\\[AC-RT-VX-Zac-rt-vx-z]"), "an escape"),
    (re.compile(r"\[.*\\[\w\]\[^-].*\]"), "an escape in a bracket"),
    (re.compile(r"\[.*\[:\^?\w+:\].*\]"), "a class in a bracket"),
)
_BRACKET = {
    # The first character may be "]". PCRE has escapes and classes in brackets, GNU has neither.
    RegexLibrary.PCRE: re.compile(r"\[\^?\]?(?:\[[:.=].*?[:.=]\]|\\.|[^\]\\])*\]"),
    RegexLibrary.GNU: re.compile(r"\[\^?\]?[^\]]*\]"),
}


@frozen
class _Token:
    """An element of a pattern: a bracket, an escaped character or a plain one."""

    text: str
    offset: int


def _tokens(source: str, library: RegexLibrary) -> Iterator[_Token]:
    at = 0
    while at < len(source):
        bracket = _BRACKET[library].match(source, at) if source[at] == "[" else None
        size = len(bracket.group()) if bracket else 2 if source[at] == "\\" else 1
        yield _Token(source[at : at + size], at)
        at += size


def check_default(source: str) -> None:
    """Check a pattern of a list without a syntax.

    Raises:
        PatternError: It looks as if written for another build than the default.
    """
    for token in _tokens(source, RegexLibrary.PCRE):
        for sign, what in _SIGNS:
            if sign.fullmatch(token.text) and (token.text != "!" or token.offset == 0):
                raise PatternError(
                    token.offset,
                    "expected a pattern as the CA gateway's default build reads it; "
                    f"{token.text} is {what} in other builds only: say with --pvlist-syntax "
                    "which build the list is for",
                )


_UNSUPPORTED = "expected a regular expression without {}, which need unbounded time to match"
_BACK_REFERENCE = _UNSUPPORTED.format("back-references")

_PCRE_REFUSED = {
    "(?=": _UNSUPPORTED.format("look-ahead"),
    "(?!": _UNSUPPORTED.format("look-ahead"),
    "(?<=": _UNSUPPORTED.format("look-behind"),
    "(?<!": _UNSUPPORTED.format("look-behind"),
    "(?>": _UNSUPPORTED.format("atomic groups"),
    "(?(": _UNSUPPORTED.format("conditions"),
    "(?|": _UNSUPPORTED.format("branch resets"),
    "(?&": _UNSUPPORTED.format("recursion"),
    "(?R": _UNSUPPORTED.format("recursion"),
    "(?P=": _BACK_REFERENCE,
    "(?P>": _UNSUPPORTED.format("recursion"),
    "(*": "expected a regular expression without verbs such as (*SKIP)",
}
_ESCAPES_REFUSED = {
    **{f"\\{digit}": _BACK_REFERENCE for digit in "123456789"},
    r"\k": _BACK_REFERENCE,
    r"\g": _BACK_REFERENCE,
}


# PCRE refuses what RE2 accepts: repeated anchors and flags, and duplicate group names.
_REPEATED_ANCHOR = re.compile(r"(?:\^|\$|\\[AbBzZ]|\(\?[A-Za-z-]*\))(?:[*+?]|\{\d)")
_NAMED = re.compile(r"\(\?P?<(\w+)>")


def _from_pcre(source: str) -> str:
    """Check a PCRE pattern, which RE2 accepts as it is, for unsupported elements."""
    for token in _tokens(source, RegexLibrary.PCRE):
        _check_pcre(token, source)
    names = [found.group(1) for found in _NAMED.finditer(source)]
    if len(set(names)) < len(names):
        raise PatternError(0, "expected another name for each group")
    # RE2's \s does not include the vertical tab, which no name has.
    return "".join(char if char.isascii() else literal(char) for char in source)


def _check_pcre(token: _Token, source: str) -> None:
    if token.text in _ESCAPES_REFUSED:
        raise PatternError(token.offset, _ESCAPES_REFUSED[token.text])
    if re.match(r"\[.*\[[.=]", token.text):
        raise PatternError(token.offset, "expected a bracket without [. .] or [= =]")
    if _REPEATED_ANCHOR.match(source, token.offset):
        raise PatternError(token.offset, "expected no repetition of what matches nothing")
    if token.text == "(":
        for start, message in _PCRE_REFUSED.items():
            if source.startswith(start, token.offset):
                raise PatternError(token.offset, message)


_TO_RE2 = {RegexLibrary.GNU: from_gnu, RegexLibrary.PCRE: _from_pcre}


def to_re2(source: str, library: RegexLibrary) -> str:
    """Return the pattern in RE2's syntax, in ASCII and for bytes.

    Raises:
        PatternError: The pattern is invalid, or RE2 does not support it.
    """
    # One character for each byte, as in the CA gateway's libraries.
    encoded = source.encode()
    try:
        return _TO_RE2[library](encoded.decode("latin-1"))
    except PatternError as error:
        offset = len(encoded[: error.offset].decode(errors="ignore"))
        raise evolve(error, offset=offset) from None
