r"""Conversion of regular expressions from the default GNU syntax to RE2.

The CA gateway calls ``re_compile_pattern`` with ``re_syntax_options`` as they are, which is
``RE_SYNTAX_EMACS``: groups and alternatives are ``\(…\)`` and ``\|``, there are no counted
repetitions and no ``[:classes:]``, and a backslash in a bracket is a plain character. The
gateway sets no locale, so a character is a byte.
"""

from __future__ import annotations

from collections.abc import Iterable

from .errors import PatternError

#: Elements that are the same in RE2's syntax.
_OPERATORS = {
    r"\w": r"\w",
    r"\W": r"\W",
    r"\s": r"[\t-\r ]",
    r"\S": r"[^\t-\r ]",
    ".": ".",
}
_ANCHORS = {
    r"\b": r"\b",
    r"\B": r"\B",
    r"\`": r"\A",
    r"\'": r"\z",
}
_REPEATS = ("*", "+", "?")
_END = ""
_NOTHING = r"[^\x00-\xff]"


def from_gnu(source: str) -> str:
    """Return the pattern in RE2's syntax.

    Args:
        source: The pattern, with one character for each byte.

    Raises:
        PatternError: The pattern is invalid, or RE2 does not support it.
    """
    return _Reader(source).whole()


def literal(char: str) -> str:
    """Return a character below 256 in RE2's syntax."""
    return char if char.isascii() and char.isalnum() else f"\\x{ord(char):02x}"


class _Reader:
    """A parser like glibc's `regcomp.c`; each method reads the element it is named after."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._depth = 0

    def whole(self) -> str:
        found = self._alternatives()
        if self._next == r"\)":
            raise PatternError(self._at, r"expected \( before \)")
        return found

    @property
    def _next(self) -> str:
        """Return the next character, with the following one after a backslash; "" at the end."""
        return self._source[self._at : self._at + (2 if self._is("\\") else 1)]

    def _is(self, text: str) -> bool:
        return self._source.startswith(text, self._at)

    def _take(self) -> str:
        token = self._next
        self._at += len(token)
        return token

    def _alternatives(self) -> str:
        branches = [self._branch()]
        while self._next == r"\|":
            self._take()
            branches.append(self._branch())
        return "|".join(branches)

    def _branch(self) -> str:
        parts: list[str] = []
        if self._is("^"):
            parts.append(self._take())
        while self._next not in (_END, r"\|", r"\)"):
            parts.append(self._part())
        return "".join(parts)

    def _part(self) -> str:
        if self._next in _ANCHORS:
            # A repetition after an anchor is a plain character.
            return _ANCHORS[self._take()]
        if self._is("$") and self._ends_branch():
            return self._take()
        return self._repeated(self._atom())

    def _ends_branch(self) -> bool:
        after = self._source[self._at + 1 : self._at + 3]
        return after in (_END, r"\|", r"\)")

    def _repeated(self, atom: str) -> str:
        repeats = 0
        while self._next in _REPEATS:
            atom = f"(?:{atom})" if repeats else atom
            atom += self._take()
            repeats += 1
        return atom

    def _atom(self) -> str:
        start, token = self._at, self._take()
        if token == r"\(":
            return self._group(start)
        if token == "[":
            return _class(_Bracket(self._source, start), self)
        if token in _OPERATORS:
            return _OPERATORS[token]
        if token == "\\":
            raise PatternError(start, "expected a character after the backslash")
        if len(token) == 2:
            _check_escape(token, start)
        return literal(token[-1])

    def _group(self, start: int) -> str:
        inner = self._alternatives()
        if self._take() != r"\)":
            raise PatternError(start, r"expected \) after \(")
        return f"({inner})"

    def go_to(self, at: int) -> None:
        """Continue at this position."""
        self._at = at


def _check_escape(token: str, at: int) -> None:
    if token[1] in "123456789":
        message = "expected a regular expression without back-references"
        raise PatternError(at, f"{message}, which need unbounded time to match")
    if token in (r"\<", r"\>"):
        raise PatternError(at, rf"expected a regular expression without {token}; write \b")


class _Bracket:
    """A bracket, parsed like glibc's `parse_bracket_exp` in the C locale."""

    def __init__(self, source: str, start: int) -> None:
        self._source = source
        self._start = start
        self.at = start + 1

    def read(self) -> tuple[bool, set[int]]:
        """Return whether the bracket is negated, and its bytes."""
        negated = self._char == "^"
        self.at += negated
        found: set[int] = set()
        first = True
        while first or self._char != "]":
            found.update(self._element(first))
            first = False
        self.at += 1
        return negated, found

    @property
    def _char(self) -> str:
        if self.at >= len(self._source):
            raise PatternError(self._start, "expected ] after [")
        return self._source[self.at]

    def _element(self, first: bool) -> Iterable[int]:
        start, is_dash = self.at, self._is_dash()
        low, is_class = self._symbol()
        if is_dash and not first and self._char != "]":
            raise PatternError(start, "expected - only between two characters, first or last")
        if is_class or not self._is_dash() or self._source[self.at + 1 : self.at + 2] == "]":
            return (low,)
        self.at += 1
        high, is_class = self._symbol()
        if is_class:
            raise PatternError(start, "expected a character at the end of the range")
        # A range from high to low is empty.
        return range(low, high + 1)

    def _is_dash(self) -> bool:
        if self._source.startswith("---", self.at):
            message = "expected a bracket without ---, which versions of glibc read differently"
            raise PatternError(self.at, message)
        return self._char == "-"

    def _symbol(self) -> tuple[int, bool]:
        """Return a character, `[.x.]` or `[=x=]`, and whether it is the last."""
        opening = self._source[self.at : self.at + 2]
        if opening in ("[.", "[="):
            inner = self._source[self.at + 2 : self.at + 5]
            if inner[1:] != f"{opening[1]}]":
                raise PatternError(self.at, f"expected one character in {opening} {opening[1]}]")
            self.at += 5
            return ord(inner[0]), opening == "[="
        char = self._char
        self.at += 1
        return ord(char), False


def _class(bracket: _Bracket, reader: _Reader) -> str:
    negated, found = bracket.read()
    reader.go_to(bracket.at)
    members = sorted(set(range(256)) - found if negated else found)
    ranges = "".join(f"\\x{low:02x}-\\x{high:02x}" for low, high in _ranges(members))
    return f"[{ranges}]" if ranges else _NOTHING


def _ranges(members: list[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for member in members:
        if found and found[-1][1] == member - 1:
            found[-1] = (found[-1][0], member)
        else:
            found.append((member, member))
    return found
