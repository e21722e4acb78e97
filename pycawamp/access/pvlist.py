"""PV lists in the format of the CA gateway: which names are served, to whom, as what."""

from __future__ import annotations

from attrs import evolve, field, frozen

from .hosts import Lookup
from .names import Spellings, spellings, unfit
from .patterns import PatternSet
from .pvlist_lines import DEFAULT_ASG, DEFAULT_ASL, Allow, Deny, Grant, Order, Rule, looked_up


@frozen
class Decision:
    """Whether a name is served, as which channel, and the line that says so.

    Access is the lowest that any of `grants` gives. The first is the name's own, which is `asg`
    and `asl`; others stand for other spellings of the same channel.
    """

    allowed: bool
    real_name: str
    asg: str
    asl: int
    rule: str
    grants: tuple[Grant, ...] = ()


@frozen
class _Positions:
    """Where each kind of line stands in a list."""

    allows: frozenset[int]
    allows_negated: frozenset[int]
    denies: frozenset[int]
    denies_negated: frozenset[int]

    @classmethod
    def of(cls, rules: tuple[Rule, ...]) -> _Positions:
        """The positions of these lines."""

        def where(kind: type, negated: bool) -> frozenset[int]:
            return frozenset(
                at
                for at, rule in enumerate(rules)
                if isinstance(rule, kind) and rule.pattern.negated is negated
            )

        return cls(where(Allow, False), where(Allow, True), where(Deny, False), where(Deny, True))


@frozen
class PVList:
    """A parsed PV list; `resolve` decides on a name."""

    order: Order
    rules: tuple[Rule, ...]
    file: str = field(eq=False)
    #: What the gateway reads in another way than it looks, or ignores: file:line: text.
    warnings: tuple[str, ...] = field(eq=False, default=())
    _patterns: PatternSet = field(init=False, repr=False, eq=False)
    _at: _Positions = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        together = PatternSet(tuple(rule.pattern for rule in self.rules))
        object.__setattr__(self, "_patterns", together)
        object.__setattr__(self, "_at", _Positions.of(self.rules))

    @property
    def by_address(self) -> bool:
        """Whether there is a DENY FROM."""
        return any(isinstance(rule, Deny) and rule.sources for rule in self.rules)

    def text(self) -> str:
        """A file that decides as this one."""
        lines = (f"EVALUATION ORDER {self.order.value}", *(rule.text() for rule in self.rules))
        return "\n".join(lines) + "\n"

    __str__ = text

    def look_up(self, lookup: Lookup) -> PVList:
        """This list with the hosts of DENY FROM resolved; one without an address is an error."""
        return evolve(self, rules=tuple(looked_up(rule, lookup) for rule in self.rules))

    def resolve(self, name: str, host: str, host_name: str | None = None) -> Decision:
        """What the list says of this name, asked for by the client at this address."""
        why = unfit(name)
        if why is not None:
            return _refused(name, why)
        hits = self._hits(spellings(name))
        for at in sorted(self._denying(hits), reverse=True):
            rule = self.rules[at]
            if isinstance(rule, Deny) and rule.concerns(self.order, host, host_name):
                return _refused(name, rule.said)
        return _allowed(name, self._allowing(hits)) or _refused(
            name, f"{self.file}: no ALLOW or ALIAS line matches"
        )

    def _hits(self, names: Spellings) -> _Hits:
        able = {name: self._patterns.able(name) for name in names.every}
        asked, bare = (
            self._patterns.matching(able[name], name) for name in (names.asked, names.bare)
        )
        return _Hits(asked, bare, frozenset().union(*able.values()))

    def _denying(self, hits: _Hits) -> frozenset[int]:
        # "All but …" must hold for the name itself: of its spellings, one is always another.
        but = self._at.denies_negated - (hits.asked & hits.bare)
        return but | (self._at.denies & hits.able)

    def _allowing(self, hits: _Hits) -> list[Allow]:
        """The lines that must all grant; none when the name, or its bare form, is not served."""
        but = self._at.allows_negated - hits.able
        asked, bare, every = (
            max(but | (self._at.allows & found), default=-1)
            for found in (hits.asked, hits.bare, hits.able)
        )
        if asked < 0 or bare < 0:
            return []
        # A later line for the record or for another spelling of the field is not gone round by
        # spelling the name so that only an earlier, laxer one matches.
        order = dict.fromkeys((asked, bare, max(asked, every)))
        return [rule for at in order if isinstance(rule := self.rules[at], Allow)]


@frozen
class _Hits:
    """The lines whose patterns match a name as asked, its bare form, or can match a spelling."""

    asked: frozenset[int]
    bare: frozenset[int]
    able: frozenset[int]


def _allowed(name: str, rules: list[Allow]) -> Decision | None:
    if not rules:
        return None
    real = rules[0].real_name(name)
    why = unfit(real)
    if why is not None:
        return _refused(name, f"{rules[0].grant.rule}: {why}")
    grants = tuple(rule.grant for rule in rules)
    return Decision(True, real, rules[0].asg, rules[0].asl, grants[0].rule, grants)


def _refused(name: str, why: str) -> Decision:
    return Decision(False, name, DEFAULT_ASG, DEFAULT_ASL, why)
