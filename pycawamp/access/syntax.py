r"""The two syntaxes of regular expressions in PV lists, brought to the one that RE2 reads.

The CA gateway is built either with the GNU library, whose groups are written ``\(…\)``, or with
PCRE, whose groups are ``(…)``. The GNU syntax is the library's default (``RE_SYNTAX_EMACS``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

from attrs import frozen


class Dialect(Enum):
    """Which library's regular expressions a PV list has."""

    GNU = r"\(…\)"
    PCRE = "(…)"


@frozen
class PatternError(Exception):
    """A pattern cannot be used; `offset` counts its characters from 0."""

    offset: int
    message: str


@frozen
class _Token:
    """One element of a pattern: a bracket, an escaped character or a plain one."""

    text: str
    offset: int


# A bracket's first character may be "]"; inside, PCRE has escapes and GNU has none, but in neither
# does the end of "[[:alpha:]" end the bracket.
_BRACKET = {
    Dialect.PCRE: re.compile(r"\[\^?\]?(?:\[[:.=].*?[:.=]\]|\\.|[^\]\\])*\]"),
    Dialect.GNU: re.compile(r"\[\^?\]?(?:\[[:.=].*?[:.=]\]|[^\]])*\]"),
}


def _tokens(source: str, dialect: Dialect) -> Iterator[_Token]:
    at = 0
    while at < len(source):
        bracket = _BRACKET[dialect].match(source, at) if source[at] == "[" else None
        size = len(bracket.group()) if bracket else 2 if source[at] == "\\" else 1
        yield _Token(source[at : at + size], at)
        at += size


def marks(source: str) -> dict[Dialect, int]:
    r"""Where a pattern first shows its dialect: GNU by ``\(``, PCRE by ``(``.

    Either means the plain character to the other, but no record's name has one.
    """
    found: dict[Dialect, int] = {}
    for token in _tokens(source, Dialect.PCRE):
        if token.text in (r"\(", r"\)", r"\|"):
            found.setdefault(Dialect.GNU, token.offset)
        elif token.text in ("(", ")", "|"):
            found.setdefault(Dialect.PCRE, token.offset)
    return found


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
_GNU_REFUSED = {
    **_ESCAPES_REFUSED,
    r"\<": r"expected a regular expression without \<; write \b",
    r"\>": r"expected a regular expression without \>; write \b",
}


def _from_pcre(source: str) -> str:
    """RE2 reads this dialect as it is; what it cannot do is refused with better words."""
    for token in _tokens(source, Dialect.PCRE):
        if token.text in _ESCAPES_REFUSED:
            raise PatternError(token.offset, _ESCAPES_REFUSED[token.text])
        if token.text == "(":
            for start, message in _PCRE_REFUSED.items():
                if source.startswith(start, token.offset):
                    raise PatternError(token.offset, message)
    return source


_GNU_TO_RE2 = {
    r"\(": "(",
    r"\)": ")",
    r"\|": "|",
    r"\`": r"\A",
    r"\'": r"\z",
    r"\w": r"\w",
    r"\W": r"\W",
    r"\b": r"\b",
    r"\B": r"\B",
    ".": ".",
}
_OPENS = ("", r"\(", r"\|")
_CLOSES = ("", r"\)", r"\|")
_REPEATS = ("*", "+", "?")


def _from_gnu(source: str) -> str:
    """The same pattern for RE2; repetitions and anchors are plain where GNU has them so."""
    tokens = [_Token("", 0), *_tokens(source, Dialect.GNU), _Token("", len(source))]
    around = zip(tokens, tokens[1:], tokens[2:], strict=False)
    return "".join(_gnu_token(before.text, token, after.text) for before, token, after in around)


def _gnu_token(before: str, token: _Token, after: str) -> str:
    text = token.text
    if text in _GNU_REFUSED:
        raise PatternError(token.offset, _GNU_REFUSED[text])
    if text in _REPEATS and before in _REPEATS:
        raise PatternError(token.offset, "expected one repetition, found a second")
    if text in _REPEATS and before not in _OPENS:
        return text
    if (text == "^" and before in _OPENS) or (text == "$" and after in _CLOSES):
        return text
    if text in _GNU_TO_RE2:
        return _GNU_TO_RE2[text]
    if len(text) > 1 and text[0] == "[":
        return _gnu_bracket(token)
    return re.escape(text[1] if len(text) > 1 else text)


def _gnu_bracket(token: _Token) -> str:
    """A bracket with its backslashes and inner ``[`` plain, as GNU has them."""
    start = "[^" if token.text.startswith("[^") else "["
    inner = token.text[len(start) : -1]
    if re.search(r"\[[.=]", inner):
        raise PatternError(token.offset, "expected a bracket without [. .] or [= =]")
    parts = re.split(r"(\[:\w+:\])", inner)
    plain = (
        part if at % 2 else re.sub(r"([\\\[\]])", r"\\\1", part) for at, part in enumerate(parts)
    )
    return f"{start}{''.join(plain)}]"


_TO_RE2 = {Dialect.GNU: _from_gnu, Dialect.PCRE: _from_pcre}


def to_re2(source: str, dialect: Dialect) -> str:
    """The pattern in RE2's syntax; raises `PatternError` for what RE2 has no equal of."""
    return _TO_RE2[dialect](source)
