"""The lines of a PV list, each knowing its text and what it says of a name."""

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


class Order(Enum):
    """Which of ALLOW and DENY is evaluated last, and so overrides the other."""

    ALLOW_DENY = "ALLOW, DENY"
    DENY_ALLOW = "DENY, ALLOW"


@frozen
class Grant:
    """The access security group and level that an ALLOW or ALIAS line gives, and the line."""

    asg: str
    asl: int
    rule: str


@frozen
class Allow:
    """Serves the names that match, as themselves or (ALIAS) as `real`, with a group and level."""

    pattern: Pattern
    real: str | None
    asg: str
    asl: int
    place: Place = field(eq=False)
    #: What this line gives, made once as it is asked for at each decision.
    grant: Grant = field(init=False, eq=False, repr=False)

    @grant.default
    def _grant(self) -> Grant:
        return Grant(self.asg, self.asl, self.place.said(self.text()))

    def text(self) -> str:
        """The line that says so."""
        how = "ALLOW" if self.real is None else f"ALIAS {self.real}"
        return f"{self.pattern} {how} {self.asg} {self.asl}"

    def real_name(self, name: str) -> str:
        """The name of the channel behind `name`."""
        return name if self.real is None else _filled(self.real, self.pattern.captures(name))


@frozen
class Source:
    """One host as a DENY FROM line names it."""

    name: str
    place: Place = field(eq=False)


@frozen
class Deny:
    """Hides the names that match, from these hosts or (none named) from all."""

    pattern: Pattern
    sources: tuple[Source, ...]
    place: Place = field(eq=False)
    hosts: HostSet = field(eq=False)
    #: The line with its place, as a reason.
    said: str = field(init=False, eq=False, repr=False)

    @said.default
    def _said(self) -> str:
        return self.place.said(self.text())

    def text(self) -> str:
        """The line that says so."""
        hosts = " ".join(source.name for source in self.sources)
        return f"{self.pattern} DENY FROM {hosts}" if hosts else f"{self.pattern} DENY"

    def concerns(self, order: Order, host: str, host_name: str | None) -> bool:
        """Whether it counts: with DENY, ALLOW the lines without hosts are never looked at."""
        if self.sources:
            return self.hosts.may_have(host, host_name)
        return order is Order.ALLOW_DENY


Rule = Allow | Deny


def _filled(template: str, captures: tuple[str, ...]) -> str:
    r"""The real name: ``\0`` to ``\9`` are what was captured, another ``\x`` is x."""
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
    """The line with its hosts resolved; a host without an address is an error.

    It would be denied nothing otherwise, and nobody would notice.
    """
    if isinstance(rule, Allow) or not rule.sources:
        return rule
    return evolve(rule, hosts=_resolved(rule.sources, lookup))


def _resolved(sources: Iterable[Source], lookup: Lookup) -> HostSet:
    hosts = HostSet()
    for source in sources:
        one = HostSet.of([source.name]).look_up(lookup)
        if not one.addresses and not one.resolved:
            message = f"expected a host that has an address: {source.name!r} has none"
            raise source.place.error(message)
        hosts |= one
    return hosts
