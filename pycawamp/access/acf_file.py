"""Parser of access security files, with the grammar of EPICS base 7.0.10 (asLib.y)."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_int
from typing import TypeVar

from attrs import field, frozen, mutable

from pycawamp.pv.calc import Expression, ExpressionError

from .acf import DEFAULT, Access, AccessRule, Acf, Input, SecurityGroup, listed, union
from .acf_tokens import Token, TokenKind, tokens
from .conditions import Condition
from .hosts import HostSet
from .names import name_problem

_Chosen = TypeVar("_Chosen")
_TRAPS = {"TRAPWRITE": True, "NOTRAPWRITE": False}
_MAX_INTEGER = 2**63 - 1
_MAX_DIGITS = 19
#: The stack of EPICS's parser is limited too.
_MAX_DEPTH = 100


def parse_acf(text: str, file: str = "<access>") -> Acf:
    """Parse an access security file.

    Args:
        text: The content of the file.
        file: Its path, for error messages.

    Raises:
        AccessFileError: The text is not valid.
    """
    parser = _Parser(list(tokens(text.removeprefix("\ufeff"), file)))
    parser.file()
    parser.asgs.setdefault(DEFAULT, SecurityGroup())
    return Acf(parser.uags, parser.hags, parser.asgs, file, tuple(parser.warnings))


@frozen
class _RuleHead:
    level: int
    #: None: a right that EPICS does not know.
    access: Access | None
    trap_write: bool


@mutable
class _Conditions:
    """The content of the braces of a RULE."""

    uags: list[str] = field(factory=list)
    hags: list[str] = field(factory=list)
    calc: Condition | None = None
    unknown: list[str] = field(factory=list)


@mutable
class _Parser:
    """A recursive descent parser; each method reads the element it is named after."""

    _tokens: list[Token]
    _at: int = 0
    uags: dict[str, tuple[str, ...]] = field(factory=dict)
    hags: dict[str, tuple[str, ...]] = field(factory=dict)
    asgs: dict[str, SecurityGroup] = field(factory=dict)
    warnings: list[str] = field(factory=list)

    def file(self) -> None:
        readers = {"UAG": self._uag, "HAG": self._hag, "ASG": self._asg}
        while True:
            token = self._take()
            if token.kind is TokenKind.KEYWORD and token.text in readers:
                readers[token.text]()
            elif token.kind is TokenKind.NAME:
                self._unknown_item(token)
            else:
                raise token.place.error(f"expected UAG, HAG or ASG, found {token}")
            if self._next.kind is TokenKind.END:
                return

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._next
        self._at += token.kind is not TokenKind.END
        return token

    def _is(self, mark: str) -> bool:
        return self._next.kind is TokenKind.PUNCTUATION and self._next.text == mark

    def _skip(self, mark: str) -> bool:
        """Skip this mark if it is next, and return whether it was."""
        found = self._is(mark)
        self._at += found
        return found

    def _expect(self, mark: str) -> None:
        if not self._skip(mark):
            raise self._next.place.error(f"expected {mark!r}, found {self._next}")

    def _name(self) -> Token:
        token = self._take()
        if token.kind is not TokenKind.NAME:
            written = token.kind in (TokenKind.INTEGER, TokenKind.FLOAT, TokenKind.KEYWORD)
            hint = f'; write "{token.text}"' if written else ""
            raise token.place.error(f"expected a name, found {token}{hint}")
        return token

    def _names(self, end: str) -> list[Token]:
        return self._list(end, self._name)

    def _list(self, end: str, read: Callable[[], Token]) -> list[Token]:
        found = [read()]
        while self._skip(","):
            found.append(read())
        if not self._skip(end):
            raise self._next.place.error(f"expected ',' or {end!r}, found {self._next}")
        return found

    # UAG, HAG and ASG

    def _head(self) -> Token:
        self._expect("(")
        token = self._name()
        self._expect(")")
        return token

    def _members(self, known: dict[str, tuple[str, ...]]) -> None:
        token = self._head()
        if token.text in known:
            raise token.place.error(f"expected a new name, {token} is defined above")
        members = self._names("}") if self._skip("{") else []
        known[token.text] = tuple(member.text for member in members)

    def _uag(self) -> None:
        self._members(self.uags)

    def _hag(self) -> None:
        self._members(self.hags)

    def _asg(self) -> None:
        token = self._head()
        # EPICS defines DEFAULT itself, so it may be defined once more while it is empty.
        if token.text in self.asgs and token.text != DEFAULT:
            raise token.place.error(f"expected a new name, {token} is defined above")
        if not self.asgs.get(token.text, SecurityGroup()).is_empty:
            raise token.place.error(f"expected a new name, {token} has rules above")
        inputs: list[Input] = []
        rules: list[AccessRule] = []
        if self._skip("{"):
            self._asg_item(inputs, rules)
            while not self._skip("}"):
                self._asg_item(inputs, rules)
        self.asgs[token.text] = SecurityGroup(tuple(inputs), tuple(rules))

    def _asg_item(self, inputs: list[Input], rules: list[AccessRule]) -> None:
        token = self._take()
        if token.kind is TokenKind.KEYWORD and token.text.startswith("INP"):
            inputs.append(Input(ord(token.text[3]) - ord("A"), self._input().text))
        elif token.kind is TokenKind.KEYWORD and token.text == "RULE":
            rule = self._rule(token)
            if rule is not None:
                rules.append(rule)
        else:
            raise token.place.error(f"expected INPA to INPU or RULE, found {token}")

    def _input(self) -> Token:
        token = self._head()
        why = name_problem(token.text)
        if why is not None:
            self.warnings.append(token.place.located(f"{token} has no value: {why}"))
        return token

    # RULE

    def _rule(self, start: Token) -> AccessRule | None:
        """Return the rule, or None if EPICS does not know the right that it grants."""
        begin = self._at
        head = self._rule_head()
        found = self._conditions(is_checked=head.access is not None)
        if head.access is None:
            self._ignore(start, f"RULE{self._text(begin)}")
            return None
        rule = AccessRule(
            level=head.level,
            access=head.access,
            trap_write=head.trap_write,
            uags=tuple(found.uags),
            hags=tuple(found.hags),
            users=frozenset(user for uag in found.uags for user in self.uags[uag]),
            hosts=union(HostSet.of(self.hags[hag]) for hag in found.hags),
            place=start.place,
            condition=found.calc,
            unknown=tuple(found.unknown),
        )
        if rule.unknown:
            self._ignore(start, rule.text())
        return rule

    def _rule_head(self) -> _RuleHead:
        self._expect("(")
        level = self._level()
        self._expect(",")
        access = {one.name: one for one in Access}.get(self._name().text)
        trap = self._choice(_TRAPS) if self._skip(",") else False
        self._expect(")")
        return _RuleHead(level, access, trap)

    def _level(self) -> int:
        token = self._take()
        digits = token.text.lstrip("+-").lstrip("0")
        is_level = token.kind is TokenKind.INTEGER and len(digits) <= _MAX_DIGITS
        number = int(digits or "0") if is_level else -1
        if not 0 <= number <= _MAX_INTEGER or (number and token.text.startswith("-")):
            raise token.place.error(f"expected an access security level (0 or 1), found {token}")
        # EPICS converts it in this way.
        return c_int(number).value

    def _choice(self, choices: dict[str, _Chosen]) -> _Chosen:
        token = self._name()
        if token.text not in choices:
            raise token.place.error(f"expected one of {', '.join(choices)}; found {token}")
        return choices[token.text]

    def _conditions(self, is_checked: bool) -> _Conditions:
        found = _Conditions()
        if self._skip("{"):
            self._condition(found, is_checked)
            while not self._skip("}"):
                self._condition(found, is_checked)
        return found

    def _condition(self, found: _Conditions, is_checked: bool) -> None:
        begin, token = self._at, self._take()
        is_keyword = token.kind is TokenKind.KEYWORD
        if is_keyword and token.text in ("UAG", "HAG"):
            known = self.uags if token.text == "UAG" else self.hags
            names = found.uags if token.text == "UAG" else found.hags
            names += self._groups(token.text, known if is_checked else None)
        elif is_keyword and token.text == "CALC":
            found.calc = self._calc(is_checked)
        elif is_keyword or token.kind is TokenKind.NAME:
            self._unknown_block(_MAX_DEPTH)
            found.unknown.append(self._text(begin))
        else:
            or_end = " or '}'" if self._tokens[begin - 1].text != "{" else ""
            raise token.place.error(f"expected UAG, HAG, CALC{or_end}, found {token}")

    def _groups(self, kind: str, known: dict[str, tuple[str, ...]] | None) -> list[str]:
        self._expect("(")
        names = self._names(")")
        for token in names:
            if known is not None and token.text not in known:
                raise token.place.error(f"expected a {kind} that is defined above, found {token}")
        return [token.text for token in names]

    def _calc(self, is_checked: bool) -> Condition | None:
        token = self._head()
        try:
            return Condition(Expression(token.text)) if is_checked else None
        except ExpressionError as error:
            raise token.place.error(
                f"expected a CALC expression without assignments, found {token}: {error}"
            ) from None

    # Elements that EPICS does not know: they are skipped, and their rule is ignored.

    def _unknown_item(self, start: Token) -> None:
        begin = self._at - 1
        has_element = self._unknown_block(_MAX_DEPTH)
        if has_element and self._skip("{"):
            if len(self._elements("}")) == 1:
                place = self._tokens[self._at - 1].place
                raise place.error("expected ',' and one more in the second pair of braces")
        self._ignore(start, self._text(begin))

    def _unknown_block(self, depth: int) -> bool:
        """Skip an unknown element; return whether it ends with braces around one element."""
        if not depth:
            raise self._next.place.error(f"expected at most {_MAX_DEPTH} nested blocks")
        self._expect("(")
        if not self._skip(")"):
            self._elements(")")
        if not self._skip("{"):
            return False
        if self._is_block():
            while not self._skip("}"):
                self._block_name()
                self._unknown_block(depth - 1)
            return False
        return len(self._elements("}")) == 1

    def _is_block(self) -> bool:
        """Return whether a name with parentheses is next."""
        after = self._tokens[min(self._at + 1, len(self._tokens) - 1)]
        return after.kind is TokenKind.PUNCTUATION and after.text == "("

    def _elements(self, end: str) -> list[Token]:
        return self._list(end, self._element)

    def _element(self) -> Token:
        token = self._take()
        if token.kind in (TokenKind.PUNCTUATION, TokenKind.END):
            raise token.place.error(f"expected a name or a number, found {token}")
        return token

    def _block_name(self) -> None:
        token = self._take()
        if token.kind not in (TokenKind.NAME, TokenKind.KEYWORD):
            raise token.place.error(f"expected a name or '}}', found {token}")

    def _text(self, begin: int) -> str:
        """Return the text from a position to the next token."""
        return "".join(_written(token) for token in self._tokens[begin : self._at])

    def _ignore(self, start: Token, text: str) -> None:
        self.warnings.append(start.place.located(f"ignored, as EPICS does not know it: {text}"))


def _written(token: Token) -> str:
    return listed([token.text]) if token.kind is TokenKind.NAME else token.text
