"""Parser of PV lists. A line that is not understood is an error.

The CA gateway prints an error and ignores the line, which may be a DENY. What it accepts without an
error is accepted here with the same meaning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from attrs import evolve, field, frozen, mutable

from .errors import PatternError, Place
from .hosts import HostSet
from .patterns import MAX_TOTAL_SIZE, Pattern
from .pvlist import PVList
from .pvlist_lines import (
    DEFAULT_ASG,
    DEFAULT_ASL,
    DIGITS,
    Allow,
    DeniedHost,
    Deny,
    EvaluationOrder,
    Rule,
)
from .syntax import Syntax, check_default

#: Bytes of a line, including its end, that the CA gateway reads at once (into 1024 bytes).
MAX_LINE = 1023

_WORD = re.compile(r"[^ \t]+")
# In lists, commas are separators like spaces.
_LISTED = re.compile(r"[^ \t,]+")
_HOST = re.compile(r"[A-Za-z0-9._:\[\]%-]+", re.ASCII)
# What sscanf("%d") reads of a word.
_LEVEL = re.compile(r"[+-]?[0-9]{1,9}")


@frozen
class _Word:
    text: str
    place: Place


@frozen
class _Line:
    """A line: its words, those after the second as a list, and its end."""

    words: tuple[_Word, ...]
    listed: tuple[_Word, ...]
    end: Place
    #: The words, including those of the comment.
    uncut: tuple[str, ...]

    def place(self, at: int) -> Place:
        """Return the place of the word at this position, also if it is missing."""
        return self.words[at].place if at < len(self.words) else self.end


def parse_pvlist(text: str, file: str = "<pvlist>", syntax: Syntax | None = None) -> PVList:
    """Parse a PV list.

    Args:
        text: The content of the file.
        file: Its path, for error messages.
        syntax: The build of the CA gateway that the list was written for; None: the default
            build, and patterns that look as if written for another are errors.

    Raises:
        AccessFileError: The list is invalid.
    """
    parser = _Parser(syntax)
    for line in _lines(text, file):
        parser.line(line)
    return PVList(parser.order, tuple(parser.rules), file, tuple(parser.warnings))


def _lines(text: str, file: str) -> Iterator[_Line]:
    for number, whole in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = whole.partition("#")[0]
        if not line.strip():
            continue
        _check_line(whole, line, Place(file, number, 1))
        words = _words(_WORD, line, Place(file, number, 1))
        start = words[min(1, len(words) - 1)]
        after = Place(file, number, start.place.column + len(start.text))
        end = Place(file, number, len(line.rstrip()) + 1)
        yield _Line(words, _words(_LISTED, line, after), end, tuple(_WORD.findall(whole)))


def _check_line(whole: str, line: str, start: Place) -> None:
    if len(whole.encode(errors="replace")) >= MAX_LINE:
        raise start.error(
            f"expected a line of less than {MAX_LINE} bytes: the CA gateway reads the rest as "
            "another line"
        )
    for column, char in enumerate(line, 1):
        place = evolve(start, column=column)
        if char == "\r":
            raise place.error(
                "expected a line feed at the end of the line, found a carriage return, which the "
                "CA gateway takes for a part of the last word"
            )
        if not char.isprintable() and char != "\t":
            raise place.error(f"expected printable characters in UTF-8, found {char!r}")


def _words(kind: re.Pattern[str], line: str, start: Place) -> tuple[_Word, ...]:
    found = kind.finditer(line, start.column - 1)
    return tuple(_Word(one.group(), evolve(start, column=one.start() + 1)) for one in found)


@mutable
class _Parser:
    """Parses one line after the other."""

    _syntax: Syntax | None
    order: EvaluationOrder = EvaluationOrder.ALLOW_DENY
    rules: list[Rule] = field(factory=list)
    warnings: list[str] = field(factory=list)
    _left: int = MAX_TOTAL_SIZE
    #: The level of the last ALLOW or ALIAS, which the CA gateway uses for a line without one.
    _level: int = DEFAULT_ASL

    def line(self, line: _Line) -> None:
        command = line.words[1].text if len(line.words) > 1 else ""
        if command.upper() == "ORDER":
            self.order = _order(line)
            return
        read = _COMMANDS.get(command.upper())
        if read is None:
            raise line.place(1).error(
                f"expected ALLOW, DENY or ALIAS after the pattern, found {command or 'nothing'}"
            )
        rule = read(self, line, self._pattern(line.words[0]))
        self._left -= rule.pattern.size
        if self._left < 0:
            raise rule.place.error(
                f"expected fewer or smaller patterns, at most {MAX_TOTAL_SIZE} instructions"
            )
        self.rules.append(rule)

    def _pattern(self, word: _Word) -> Pattern:
        syntax = self._syntax or Syntax.GNU
        negated = syntax.negates and word.text.startswith("!")
        try:
            if self._syntax is None:
                check_default(word.text)
            return Pattern(word.text[negated:], syntax.library, negated)
        except PatternError as error:
            raise _inside(word, negated + error.offset).error(error.message) from None

    def allow(self, line: _Line, pattern: Pattern) -> Allow:
        return self._granted(line, pattern, None, 2)

    def alias(self, line: _Line, pattern: Pattern) -> Allow:
        if len(line.words) < 3:
            raise line.end.error("expected the real name after ALIAS")
        _check_template(line.words[2], pattern)
        return self._granted(line, pattern, line.words[2].text, 3)

    def _granted(self, line: _Line, pattern: Pattern, real: str | None, at: int) -> Allow:
        words = [word.text for word in line.words[at:]]
        if words and line.uncut[at] != words[0]:
            raise line.end.error("expected a blank before the comment")
        for number, word in enumerate(line.words[at : at + 1] + line.words[at + 2 :]):
            if number or word.text.upper() == "FROM":
                self.warnings.append(word.place.located(_ODD.format(word.text, line.words[1].text)))
        self._level = self._gateway_level(line.uncut[at:])
        # The default is 1 by the documentation, and that of the previous line by the code.
        level = self._level if len(words) > 1 else max(self._level, DEFAULT_ASL)
        return Allow(pattern, real, words[0] if words else DEFAULT_ASG, level, line.place(0))

    def _gateway_level(self, uncut: tuple[str, ...]) -> int:
        if not uncut:
            return DEFAULT_ASL
        if len(uncut) == 1:
            return self._level
        found = _LEVEL.match(uncut[1])
        return int(found.group()) if found else DEFAULT_ASL

    def deny(self, line: _Line, pattern: Pattern) -> Deny:
        hosts = line.listed
        if hosts and hosts[0].text.upper() == "FROM":
            hosts = hosts[1:]
            if not hosts:
                self.warnings.append(
                    line.end.located("DENY FROM without a host is a DENY for all hosts")
                )
        for host in hosts:
            if not _HOST.fullmatch(host.text):
                raise host.place.error(f"expected a host name or an address, found {host.text}")
        known = HostSet.of(host.text for host in hosts)
        sources = tuple(DeniedHost(host.text, host.place) for host in hosts)
        return Deny(pattern, sources, line.place(0), known)


_ODD = "{} is not a host or condition here: {} takes a group and a level, and is for all hosts"

_COMMANDS: dict[str, Callable[[_Parser, _Line, Pattern], Rule]] = {
    "ALLOW": _Parser.allow,
    "DENY": _Parser.deny,
    "ALIAS": _Parser.alias,
    # Not documented, but equivalent to ALLOW in the CA gateway.
    "PATTERN": _Parser.allow,
    "PV": _Parser.allow,
}


def _order(line: _Line) -> EvaluationOrder:
    words = ", ".join(word.text.upper() for word in line.listed[:2])
    for order in EvaluationOrder:
        if order.value == words:
            return order
    raise line.place(2).error("expected ALLOW, DENY or DENY, ALLOW")


def _inside(word: _Word, offset: int) -> Place:
    return Place(word.place.file, word.place.line, word.place.column + offset)


def _check_template(word: _Word, pattern: Pattern) -> None:
    groups = -1 if pattern.negated else pattern.groups
    for found in re.finditer(r"\\(.?)", word.text):
        place, number = _inside(word, found.start()), found.group(1)
        if not number:
            raise place.error("expected a character after the backslash")
        if number in DIGITS and int(number) > groups:
            raise place.error(
                f"expected a group of the pattern, which has {max(groups, 0)}; found \\{number}"
            )
        if number in DIGITS[1:] and pattern.repeats_group:
            raise place.error("expected a pattern whose groups are not repeated")
