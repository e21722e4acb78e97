"""Reads PV lists: every line is understood, or the file is refused at that place.

The CA gateway prints an error and goes on without the line; a DENY could get lost that way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from attrs import evolve, frozen

from .errors import Place
from .hosts import HostSet
from .patterns import MAX_TOTAL_SIZE, Pattern
from .pvlist import PVList
from .pvlist_lines import DEFAULT_ASG, DEFAULT_ASL, DIGITS, Allow, Deny, Order, Rule, Source
from .syntax import Dialect, PatternError, marks

_WORD = re.compile(r"[^ \t]+")
# Where lists stand, commas separate like blanks do.
_LISTED = re.compile(r"[^ \t,]+")
_HOST = re.compile(r"[A-Za-z0-9._:\[\]%-]+", re.ASCII)


@frozen
class _Word:
    text: str
    place: Place


@frozen
class _Line:
    """A line that says something: its words, those after the second as a list, and its end."""

    words: tuple[_Word, ...]
    listed: tuple[_Word, ...]
    end: Place

    def place(self, at: int) -> Place:
        """Where the word at this position stands, or should."""
        return self.words[at].place if at < len(self.words) else self.end


def parse_pvlist(text: str, file: str = "<pvlist>") -> PVList:
    """The PV list in this text; raises `AccessFileError`."""
    lines = list(_lines(text, file))
    orders = [line for line in lines if _is_order(line)]
    others = [line for line in lines if not _is_order(line)]
    order = [_order(line) for line in orders] or [Order.ALLOW_DENY]
    dialect = _dialect([line.words[0] for line in others])
    return PVList(order[-1], tuple(_rules(others, dialect)), file)


def _rules(lines: Sequence[_Line], dialect: Dialect) -> Iterator[Rule]:
    left = MAX_TOTAL_SIZE
    for line in lines:
        rule = _rule(line, dialect)
        left -= rule.pattern.size
        if left < 0:
            raise rule.place.error(
                f"expected fewer or smaller patterns, at most {MAX_TOTAL_SIZE} instructions"
            )
        yield rule


def _lines(text: str, file: str) -> Iterator[_Line]:
    for number, whole in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = whole.removesuffix("\r").partition("#")[0]
        for column, char in enumerate(line, 1):
            if not char.isprintable() and char != "\t":
                place = Place(file, number, column)
                raise place.error(f"expected printable characters, found {char!r}")
        words = _words(_WORD, line, Place(file, number, 1))
        if words:
            start = words[min(1, len(words) - 1)]
            after = Place(file, number, start.place.column + len(start.text))
            end = Place(file, number, len(line.rstrip()) + 1)
            yield _Line(words, _words(_LISTED, line, after), end)


def _words(kind: re.Pattern[str], line: str, start: Place) -> tuple[_Word, ...]:
    found = kind.finditer(line, start.column - 1)
    return tuple(_Word(one.group(), evolve(start, column=one.start() + 1)) for one in found)


def _is_order(line: _Line) -> bool:
    return len(line.words) > 1 and line.words[1].text.upper() == "ORDER"


def _order(line: _Line) -> Order:
    if line.words[0].text.upper() != "EVALUATION":
        raise line.place(0).error("expected EVALUATION before ORDER")
    said = ", ".join(word.text.upper() for word in line.listed)
    for order in Order:
        if order.value == said:
            return order
    raise line.place(2).error("expected ALLOW, DENY or DENY, ALLOW")


def _dialect(patterns: Sequence[_Word]) -> Dialect:
    first: dict[Dialect, Place] = {}
    for word in patterns:
        for dialect, offset in marks(word.text).items():
            first.setdefault(dialect, _inside(word, offset))
    if len(first) > 1:
        gnu, pcre = first[Dialect.GNU], first[Dialect.PCRE]
        later = max(gnu, pcre, key=lambda place: (place.line, place.column))
        raise later.error(
            r"expected one syntax of regular expressions: groups are \(…\) in line "
            f"{gnu.line} and (…) in line {pcre.line}; write a plain parenthesis as [(]"
        )
    return next(iter(first), Dialect.PCRE)


def _inside(word: _Word, offset: int) -> Place:
    return Place(word.place.file, word.place.line, word.place.column + offset)


def _rule(line: _Line, dialect: Dialect) -> Rule:
    command = line.words[1].text if len(line.words) > 1 else ""
    read = _COMMANDS.get(command.upper())
    if read is None:
        raise line.place(1).error(
            f"expected ALLOW, DENY or ALIAS after the pattern, found {command or 'nothing'}"
        )
    return read(line, _pattern(line.words[0], dialect))


def _pattern(word: _Word, dialect: Dialect) -> Pattern:
    negated = word.text.startswith("!")
    try:
        return Pattern(word.text[negated:], dialect, negated)
    except PatternError as error:
        raise _inside(word, negated + error.offset).error(error.message) from None


def _allow(line: _Line, pattern: Pattern) -> Allow:
    return _granted(line, pattern, None, 2)


def _alias(line: _Line, pattern: Pattern) -> Allow:
    if len(line.words) < 3:
        raise line.end.error("expected the real name after ALIAS")
    _check_template(line.words[2], pattern)
    return _granted(line, pattern, line.words[2].text, 3)


def _granted(line: _Line, pattern: Pattern, real: str | None, at: int) -> Allow:
    asg, asl, *more = (*(word.text for word in line.words[at:]), "", "")
    if any(more):
        raise line.place(at + 2).error("expected nothing after the access security level")
    if asl not in ("", "0", "1"):
        raise line.place(at + 1).error(f"expected access security level 0 or 1, found {asl}")
    level = int(asl) if asl else DEFAULT_ASL
    return Allow(pattern, real, asg or DEFAULT_ASG, level, line.place(0))


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


def _deny(line: _Line, pattern: Pattern) -> Deny:
    hosts = line.listed
    if hosts and hosts[0].text.upper() == "FROM":
        hosts = hosts[1:]
        if not hosts:
            raise line.end.error("expected a host after FROM")
    for host in hosts:
        if not _HOST.fullmatch(host.text):
            raise host.place.error(f"expected a host name or an address, found {host.text}")
    known = HostSet.of(host.text for host in hosts)
    sources = tuple(Source(host.text, host.place) for host in hosts)
    return Deny(pattern, sources, line.place(0), known)


_COMMANDS: dict[str, Callable[[_Line, Pattern], Rule]] = {
    "ALLOW": _allow,
    "DENY": _deny,
    "ALIAS": _alias,
    # Not documented, but the CA gateway takes them for ALLOW.
    "PATTERN": _allow,
    "PV": _allow,
}
