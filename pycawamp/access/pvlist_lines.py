"""The lines of a PV list."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from attrs import evolve, field, frozen

from .errors import Place
from .hosts import HostSet, Lookup
from .patterns import Pattern

DEFAULT_ASG = "DEFAULT"
DEFAULT_ASL = 1
DIGITS = tuple("0123456789")


class EvaluationOrder(Enum):
    """Which of ALLOW and DENY is evaluated last, and overrides the other."""

    ALLOW_DENY = "ALLOW, DENY"
    DENY_ALLOW = "DENY, ALLOW"


@frozen
class Grant:
    """The access security group and level of an ALLOW or ALIAS line."""

    asg: str
    asl: int
    rule: str


@frozen
class Allow:
    """A line that serves matching names, as themselves or (ALIAS) as `real`."""

    pattern: Pattern
    real: str | None
    asg: str
    asl: int
    place: Place = field(eq=False)
    #: What this line grants, cached for each decision.
    grant: Grant = field(init=False, eq=False, repr=False)

    @grant.default
    def _grant(self) -> Grant:
        return Grant(self.asg, self.asl, self.place.located(self.text()))

    def text(self) -> str:
        """The line in the syntax of the file."""
        how = "ALLOW" if self.real is None else f"ALIAS {self.real}"
        return f"{self.pattern} {how} {self.asg} {self.asl}"

    def real_name(self, name: str) -> str:
        """Return the name of the channel for `name`."""
        return name if self.real is None else _filled(self.real, self.pattern.captures(name))


@frozen
class DeniedHost:
    """A host of a DENY FROM line."""

    name: str
    place: Place = field(eq=False)


@frozen
class Deny:
    """A line that hides matching names from these hosts, or without hosts from all."""

    pattern: Pattern
    sources: tuple[DeniedHost, ...]
    place: Place = field(eq=False)
    hosts: HostSet = field(eq=False)
    #: The line with its place.
    text_with_line: str = field(init=False, eq=False, repr=False)

    @text_with_line.default
    def _text_with_line(self) -> str:
        return self.place.located(self.text())

    def text(self) -> str:
        """The line in the syntax of the file."""
        hosts = " ".join(source.name for source in self.sources)
        return f"{self.pattern} DENY FROM {hosts}" if hosts else f"{self.pattern} DENY"

    def concerns(self, order: EvaluationOrder, host: str, host_name: str | None) -> bool:
        """Return whether the line is used: with DENY, ALLOW, lines without hosts are not."""
        if self.sources:
            return self.hosts.may_have(host, host_name)
        return order is EvaluationOrder.ALLOW_DENY


Rule = Allow | Deny


def _filled(template: str, captures: tuple[str, ...]) -> str:
    r"""Return the real name: `\0` to `\9` are the captured groups, another `\x` is x."""
    parts: list[str] = []
    chars = iter(template)
    for char in chars:
        if char != "\\":
            parts.append(char)
            continue
        escaped = next(chars, "")
        parts.append(captures[int(escaped)] if escaped in DIGITS else escaped)
    return "".join(parts)


def looked_up(rule: Rule, lookup: Lookup) -> Rule:
    """Return the line with resolved hosts.

    A host without an address is an error, because it would silently not be denied.
    """
    if isinstance(rule, Allow) or not rule.sources:
        return rule
    return evolve(rule, hosts=_resolved(rule.sources, lookup))


def _resolved(sources: Iterable[DeniedHost], lookup: Lookup) -> HostSet:
    hosts = HostSet()
    for source in sources:
        one = HostSet.of([source.name]).look_up(lookup)
        if not one.addresses and not one.resolved:
            message = f"expected a host that has an address: {source.name!r} has none"
            raise source.place.error(message)
        hosts |= one
    return hosts
