"""Lexer of access security files, like asLib_lex.l of EPICS base."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

from attrs import frozen

from .acf import FLOAT, INTEGER, KEYWORDS, UNQUOTED
from .errors import Place


class TokenKind(Enum):
    """The kinds of tokens, with their names for error messages."""

    KEYWORD = "a keyword"
    INTEGER = "a whole number"
    FLOAT = "a number"
    NAME = "a name"
    PUNCTUATION = "punctuation"
    END = "the end of the file"


@frozen
class Token:
    """A token; `text` is without quotes, but with backslashes."""

    kind: TokenKind
    text: str
    place: Place

    def __str__(self) -> str:
        return self.kind.value if self.kind is TokenKind.END else repr(self.text)


_SKIPPED = re.compile(r"(?:[ \t\r\n]|#[^\n]*)+")
_QUOTED = re.compile(r'"((?:[^"\n\\]|\\[^\n])*)"')
_PUNCTUATION = re.compile(r"[(){},]")


def tokens(text: str, file: str) -> Iterator[Token]:
    """Return the tokens of a text, the last one of kind END.

    Raises:
        AccessFileError: The text has an invalid token.
    """
    at, line, start = 0, 1, 0
    while True:
        skipped = _SKIPPED.match(text, at)
        if skipped:
            at = skipped.end()
            newlines = skipped.group().count("\n")
            if newlines:
                line, start = line + newlines, text.rindex("\n", 0, at) + 1
        place = Place(file, line, at - start + 1)
        if at == len(text):
            yield Token(TokenKind.END, "", place)
            return
        token, at = _token(text, at, place)
        yield token


def _token(text: str, at: int, place: Place) -> tuple[Token, int]:
    if found := UNQUOTED.match(text, at):
        return Token(_kind(found.group()), found.group(), place), found.end()
    if found := _PUNCTUATION.match(text, at):
        return Token(TokenKind.PUNCTUATION, found.group(), place), found.end()
    if found := _QUOTED.match(text, at):
        if "\0" in found.group(1):
            raise place.error("expected a file without NUL")
        return Token(TokenKind.NAME, found.group(1), place), found.end()
    if text[at] == '"':
        raise place.error("expected a closing quote in the same line")
    if text[at] == "$":
        raise place.error("expected no macros: they are not expanded here")
    raise place.error(f"expected a name, a keyword or one of (){{}}, found {text[at]!r}")


def _kind(word: str) -> TokenKind:
    if KEYWORDS.fullmatch(word):
        return TokenKind.KEYWORD
    if INTEGER.fullmatch(word):
        return TokenKind.INTEGER
    return TokenKind.FLOAT if FLOAT.fullmatch(word) else TokenKind.NAME
