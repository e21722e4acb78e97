"""Reads access security files with the grammar of EPICS base (asLib.y)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from attrs import field, mutable

from .acf import DEFAULT, Access, AccessRule, Acf, union
from .acf_tokens import Kind, Token, tokens
from .hosts import HostSet

_Chosen = TypeVar("_Chosen")
_MAX_DIGITS = 9
_TRAPS = {"TRAPWRITE": True, "NOTRAPWRITE": False}
_NO_PVS = "access does not depend on other PVs here"


def parse_acf(text: str, file: str = "<access>") -> Acf:
    """The access security file in this text; raises `AccessFileError`."""
    parser = _Parser(list(tokens(text.removeprefix("\ufeff"), file)))
    parser.file()
    parser.asgs.setdefault(DEFAULT, ())
    return Acf(parser.uags, parser.hags, parser.asgs, file)


@mutable
class _Parser:
    """A recursive descent over the tokens; each method reads what it is named after."""

    _tokens: list[Token]
    _at: int = 0
    uags: dict[str, tuple[str, ...]] = field(factory=dict)
    hags: dict[str, tuple[str, ...]] = field(factory=dict)
    asgs: dict[str, tuple[AccessRule, ...]] = field(factory=dict)

    def file(self) -> None:
        while True:
            self._dispatch(
                {"UAG": self._uag, "HAG": self._hag, "ASG": self._asg}, "UAG, HAG or ASG"
            )
            if self._next.kind is Kind.END:
                return

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._next
        self._at += token.kind is not Kind.END
        return token

    def _is(self, mark: str) -> bool:
        return self._next.kind is Kind.PUNCTUATION and self._next.text == mark

    def _expect(self, mark: str) -> None:
        if not self._is(mark):
            raise self._next.place.error(f"expected {mark!r}, found {self._next}")
        self._take()

    def _dispatch(self, readers: dict[str, Callable[[Token], None]], expected: str) -> None:
        token = self._take()
        # EPICS 7.0.10 skips what it does not know, with a warning, and ignores the rule it stands
        # in. Here the file is refused: someone relies on that rule, and would not see the warning.
        known = token.kind is Kind.KEYWORD and token.text in readers
        if not known:
            raise token.place.error(f"expected {expected}, found {token}")
        readers[token.text](token)

    def _name(self) -> Token:
        token = self._take()
        if token.kind is not Kind.NAME:
            hint = f'; write "{token.text}"' if token.kind in (Kind.NUMBER, Kind.KEYWORD) else ""
            raise token.place.error(f"expected a name, found {token}{hint}")
        return token

    def _names(self, end: str) -> list[Token]:
        found = [self._name()]
        while self._is(","):
            self._take()
            found.append(self._name())
        if not self._is(end):
            raise self._next.place.error(f"expected ',' or {end!r}, found {self._next}")
        self._take()
        return found

    def _head(self, known: dict[str, tuple[str, ...]] | dict[str, tuple[AccessRule, ...]]) -> str:
        self._expect("(")
        token = self._name()
        # EPICS has DEFAULT from the start, so that may be said again while it is empty.
        if token.text in known and not (token.text == DEFAULT and known is self.asgs):
            raise token.place.error(f"expected a new name, {token} is defined above")
        if known.get(token.text):
            raise token.place.error(f"expected a new name, {token} has rules above")
        self._expect(")")
        return token.text

    def _members(self) -> tuple[str, ...]:
        if not self._is("{"):
            return ()
        self._take()
        return tuple(token.text for token in self._names("}"))

    def _uag(self, _: Token) -> None:
        name = self._head(self.uags)
        self.uags[name] = self._members()

    def _hag(self, _: Token) -> None:
        name = self._head(self.hags)
        self.hags[name] = self._members()

    def _asg(self, _: Token) -> None:
        name = self._head(self.asgs)
        rules: list[AccessRule] = []
        if self._is("{"):
            self._take()
            while not rules or not self._is("}"):
                rules.append(self._rule())
            self._take()
        self.asgs[name] = tuple(rules)

    def _rule(self) -> AccessRule:
        start = self._take()
        if start.kind is Kind.KEYWORD and start.text.startswith("INP"):
            raise start.place.error(f"expected RULE, found {start.text}: {_NO_PVS}")
        if start.kind is not Kind.KEYWORD or start.text != "RULE":
            raise start.place.error(f"expected RULE, found {start}")
        level, access, trap = self._rule_head()
        uags, hags = self._conditions()
        users = frozenset(user for uag in uags for user in self.uags[uag])
        hosts = union(HostSet.of(self.hags[hag]) for hag in hags)
        return AccessRule(level, access, trap, uags, hags, users, hosts, start.place)

    def _rule_head(self) -> tuple[int, Access, bool]:
        self._expect("(")
        level = self._take()
        if level.kind is not Kind.NUMBER or len(level.text) > _MAX_DIGITS:
            raise level.place.error(f"expected an access security level (0 or 1), found {level}")
        self._expect(",")
        access = self._choice({one.name: one for one in Access})
        trap = False
        if self._is(","):
            self._take()
            trap = self._choice(_TRAPS)
        self._expect(")")
        return int(level.text), access, trap

    def _choice(self, choices: dict[str, _Chosen]) -> _Chosen:
        token = self._take()
        if token.kind is not Kind.NAME or token.text not in choices:
            raise token.place.error(f"expected one of {', '.join(choices)}; found {token}")
        return choices[token.text]

    def _conditions(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        uags: list[str] = []
        hags: list[str] = []
        if self._is("{"):
            self._take()
            readers: dict[str, Callable[[Token], None]] = {
                "UAG": lambda _: uags.extend(self._groups(self.uags, "UAG")),
                "HAG": lambda _: hags.extend(self._groups(self.hags, "HAG")),
                "CALC": _refuse_calc,
            }
            while not (uags or hags) or not self._is("}"):
                self._dispatch(readers, "UAG or HAG" + (" or '}'" if uags or hags else ""))
            self._take()
        return tuple(uags), tuple(hags)

    def _groups(self, known: dict[str, tuple[str, ...]], kind: str) -> list[str]:
        self._expect("(")
        names = self._names(")")
        for token in names:
            if token.text not in known:
                raise token.place.error(f"expected a {kind} that is defined above, found {token}")
        return [token.text for token in names]


def _refuse_calc(token: Token) -> None:
    raise token.place.error(f"expected UAG or HAG, found CALC: {_NO_PVS}")
