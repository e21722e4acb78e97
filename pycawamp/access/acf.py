"""Evaluation of EPICS access security."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum

from attrs import evolve, field, frozen

from .conditions import Condition
from .errors import Place, file_name
from .hosts import HostSet, Lookup

DEFAULT = "DEFAULT"
KEYWORDS = re.compile(r"UAG|HAG|ASG|RULE|CALC|INP[A-U]")
#: Words that need no quotes, apart from numbers and keywords (``name`` in EPICS's asLib_lex.l).
UNQUOTED = re.compile(r"[a-zA-Z0-9_\-+:.\[\]<>;]+")
INTEGER = re.compile(r"[+-]?[0-9]+")
FLOAT = re.compile(r"[+-]?[0-9]*\.[0-9]+([eE][+-]?[0-9]+)?")


class Access(IntEnum):
    """What a rule grants; each includes the previous ones."""

    NONE = 0
    READ = 1
    WRITE = 2


@frozen
class Rights:
    """A client's access to the PVs of a group, and the rule that grants it."""

    access: Access
    trap_write: bool
    rule: str
    #: For clients, if there is no access: see `Verdict.refusal`.
    refusal: str = ""


@frozen
class AccessRule:
    """A RULE: access to PVs of this level and below."""

    level: int
    access: Access
    trap_write: bool
    uags: tuple[str, ...]
    hags: tuple[str, ...]
    users: frozenset[str] = field(eq=False)
    hosts: HostSet = field(eq=False)
    place: Place = field(eq=False)
    condition: Condition | None = None
    #: Elements that EPICS 7.0.10 does not know, such as METHOD: it ignores a rule that has one.
    unknown: tuple[str, ...] = ()
    #: The rights that this rule grants, cached for each decision.
    rights: Rights = field(init=False, eq=False, repr=False)

    @rights.default
    def _rights(self) -> Rights:
        return Rights(self.access, self.trap_write, self.place.located(self.text()))

    @property
    def is_understood(self) -> bool:
        """Whether EPICS knows all elements of the rule, which it ignores otherwise."""
        return not self.unknown

    def text(self) -> str:
        """The rule in the syntax of the file."""
        trap = ",TRAPWRITE" if self.trap_write else ""
        # EPICS reads levels as unsigned numbers, and compares them as signed ones.
        head = f"RULE({self.level % 2**32},{self.access.name}{trap})"
        groups = (("UAG", self.uags), ("HAG", self.hags))
        body = [f"{kind}({listed(names)})" for kind, names in groups if names]
        if self.condition is not None:
            body.append(f'CALC("{self.condition.expression.text}")')
        body += self.unknown
        return f"{head} {{ {' '.join(body)} }}" if body else head

    def applies(self, user: str | None, host: str, host_name: str | None) -> bool:
        """Return whether the client and the values of INPs meet all conditions of the rule."""
        if self.unknown or (self.condition is not None and not self.condition.is_met):
            return False
        return self.names(user, host, host_name)

    def names(self, user: str | None, host: str, host_name: str | None) -> bool:
        """Return whether the client is in the groups of the rule, if it has any."""
        if self.uags and user not in self.users:
            return False
        return not self.hags or self.hosts.has(host, host_name)


@frozen
class Input:
    """An INP: a PV, and the index of its letter (0 is A)."""

    index: int
    pv: str

    def text(self) -> str:
        """The line as a file has it."""
        return f"INP{chr(ord('A') + self.index)}({listed([self.pv])})"


@frozen
class SecurityGroup:
    """An ASG."""

    inputs: tuple[Input, ...] = ()
    rules: tuple[AccessRule, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the group has no inputs and rules."""
        return not self.inputs and not self.rules


@frozen
class Acf:
    """A parsed access security file."""

    uags: Mapping[str, tuple[str, ...]]
    hags: Mapping[str, tuple[str, ...]]
    asgs: Mapping[str, SecurityGroup]
    file: str = field(eq=False)
    #: What EPICS ignores, as "file:line: text".
    warnings: tuple[str, ...] = field(eq=False, default=())
    _conditions: tuple[Condition, ...] = field(init=False, eq=False, repr=False)

    @_conditions.default
    def _all_conditions(self) -> tuple[Condition, ...]:
        return tuple(rule.condition for rule in self._rules if rule.condition is not None)

    def text(self) -> str:
        """The text of an equivalent file."""
        lines = [f"UAG({listed([name])}){_braced(of)}" for name, of in self.uags.items()]
        lines += [f"HAG({listed([name])}){_braced(of)}" for name, of in self.hags.items()]
        for name, group in self.asgs.items():
            entries = [one.text() for one in group.inputs] + [rule.text() for rule in group.rules]
            body = "".join(f"    {text}\n" for text in entries)
            lines.append(f"ASG({listed([name])})" + (f" {{\n{body}}}" if body else ""))
        return "\n".join(lines) + "\n"

    __str__ = text

    def look_up(self, lookup: Lookup) -> Acf:
        """Return this file with resolved host names; a name without an address grants nothing."""
        hosts = {name: HostSet.of(of).look_up(lookup) for name, of in self.hags.items()}
        asgs = {
            name: evolve(
                group,
                rules=tuple(
                    evolve(rule, hosts=union(hosts[hag] for hag in rule.hags))
                    for rule in group.rules
                ),
            )
            for name, group in self.asgs.items()
        }
        return evolve(self, asgs=asgs)

    @property
    def conditions_met(self) -> tuple[bool, ...]:
        """Whether each CALC is met now."""
        return tuple(condition.is_met for condition in self._conditions)

    def rules_for(self, user: str | None, host: str, host_name: str | None) -> tuple[bool, ...]:
        """Return for each rule whether the client is in its groups."""
        return tuple(rule.names(user, host, host_name) for rule in self._rules)

    @property
    def _rules(self) -> Iterator[AccessRule]:
        return (rule for group in self.asgs.values() for rule in group.rules)

    def rights(
        self, asg: str, asl: int, user: str | None, host: str, host_name: str | None
    ) -> Rights:
        """Return the highest access that the rules of a group grant a client.

        A group that the file does not define is DEFAULT.
        """
        name = asg if asg in self.asgs else DEFAULT
        best: AccessRule | None = None
        for rule in self.asgs[name].rules:
            higher = rule.access > (best.access if best else Access.NONE)
            if higher and asl <= rule.level and rule.applies(user, host, host_name):
                best = rule
        if best is None:
            why = f"no RULE of ASG({name}) applies"
            brief = f"{file_name(self.file)}: {why}"
            return Rights(Access.NONE, False, f"{self.file}: {why}", brief)
        return best.rights


def union(sets: Iterable[HostSet]) -> HostSet:
    """Return the union of sets of hosts."""
    hosts = HostSet()
    for one in sets:
        hosts |= one
    return hosts


def listed(names: Iterable[str]) -> str:
    """Return names separated by commas, with quotes where the syntax needs them."""
    return ",".join(name if _plain(name) else f'"{name}"' for name in names)


def _plain(name: str) -> bool:
    special = (KEYWORDS, INTEGER, FLOAT)
    return bool(UNQUOTED.fullmatch(name)) and not any(one.fullmatch(name) for one in special)


def _braced(names: tuple[str, ...]) -> str:
    return f" {{{listed(names)}}}" if names else ""
