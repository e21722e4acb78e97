"""Evaluation of PV lists of the CA gateway."""

from __future__ import annotations

from attrs import evolve, field, frozen

from .errors import file_name
from .hosts import Lookup
from .names import Spellings, name_problem, spellings
from .patterns import PatternSet
from .pvlist_lines import (
    DEFAULT_ASG,
    DEFAULT_ASL,
    Allow,
    Deny,
    EvaluationOrder,
    Grant,
    Rule,
    looked_up,
)


@frozen
class Decision:
    """Whether a name is served, as which channel, and the line that decides it.

    Access is the lowest of all `grants`. The first is that of the name itself, with `asg`
    and `asl`; the others are those of other spellings of the channel.
    """

    allowed: bool
    real_name: str
    asg: str
    asl: int
    rule: str
    grants: tuple[Grant, ...] = ()
    #: For clients, if it is not served: see `Verdict.refusal`.
    refusal: str = field(default="", eq=False)


@frozen
class _Positions:
    """The positions of each kind of line in a list."""

    allows: frozenset[int]
    allows_negated: frozenset[int]
    denies: frozenset[int]
    denies_negated: frozenset[int]

    @classmethod
    def of(cls, rules: tuple[Rule, ...]) -> _Positions:
        """Return the positions of these lines."""

        def where(kind: type, negated: bool) -> frozenset[int]:
            return frozenset(
                at
                for at, rule in enumerate(rules)
                if isinstance(rule, kind) and rule.pattern.negated is negated
            )

        return cls(where(Allow, False), where(Allow, True), where(Deny, False), where(Deny, True))


@frozen
class PVList:
    """A parsed PV list."""

    order: EvaluationOrder
    rules: tuple[Rule, ...]
    file: str = field(eq=False)
    #: Lines that are ignored or have an unexpected meaning, as "file:line: text".
    warnings: tuple[str, ...] = field(eq=False, default=())
    _patterns: PatternSet = field(init=False, repr=False, eq=False)
    _at: _Positions = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        together = PatternSet(tuple(rule.pattern for rule in self.rules))
        object.__setattr__(self, "_patterns", together)
        object.__setattr__(self, "_at", _Positions.of(self.rules))

    @property
    def by_address(self) -> bool:
        """Whether the list has a DENY FROM."""
        return any(isinstance(rule, Deny) and rule.sources for rule in self.rules)

    def concerning(self, host: str, host_name: str | None) -> tuple[bool, ...]:
        """Return for each DENY FROM whether it is used for a client with this address."""
        return tuple(
            rule.concerns(self.order, host, host_name)
            for rule in self.rules
            if isinstance(rule, Deny) and rule.sources
        )

    def text(self) -> str:
        """The text of an equivalent file."""
        lines = (f"EVALUATION ORDER {self.order.value}", *(rule.text() for rule in self.rules))
        return "\n".join(lines) + "\n"

    __str__ = text

    def look_up(self, lookup: Lookup) -> PVList:
        """Return this list with the hosts of DENY FROM resolved.

        Raises:
            AccessFileError: A host has no address.
        """
        return evolve(self, rules=tuple(looked_up(rule, lookup) for rule in self.rules))

    def resolve(self, name: str, host: str, host_name: str | None = None) -> Decision:
        """Return the decision about a name that a client with this address requests."""
        why = name_problem(name)
        if why is not None:
            return _refused(name, why, why)
        hits = self._hits(spellings(name))
        for at in sorted(self._denying(hits), reverse=True):
            rule = self.rules[at]
            if isinstance(rule, Deny) and rule.concerns(self.order, host, host_name):
                return _refused(name, rule.text_with_line, f"{rule.place.brief}: DENY")
        found = _allowed(name, self._allowing(hits))
        if found is not None:
            return found
        why = "no ALLOW or ALIAS line matches"
        return _refused(name, f"{self.file}: {why}", f"{file_name(self.file)}: {why}")

    def _hits(self, names: Spellings) -> _Hits:
        able = {name: self._patterns.able(name) for name in names.every}
        requested, bare = (
            self._patterns.matching(able[name], name) for name in (names.requested, names.bare)
        )
        return _Hits(requested, bare, frozenset().union(*able.values()))

    def _denying(self, hits: _Hits) -> frozenset[int]:
        # A negated pattern must match the name itself, because it always matches another spelling.
        but = self._at.denies_negated - (hits.requested & hits.bare)
        return but | (self._at.denies & hits.able)

    def _allowing(self, hits: _Hits) -> list[Allow]:
        """Return the lines that must all grant access; none if the name is not served."""
        but = self._at.allows_negated - hits.able
        requested, bare, every = (
            max(but | (self._at.allows & found), default=-1)
            for found in (hits.requested, hits.bare, hits.able)
        )
        if requested < 0 or bare < 0:
            return []
        # A later line for the record or another spelling cannot be bypassed by a spelling of the
        # name that only an earlier, less strict line matches.
        order = dict.fromkeys((requested, bare, max(requested, every)))
        return [rule for at in order if isinstance(rule := self.rules[at], Allow)]


@frozen
class _Hits:
    """The lines that match a name, its bare form, or another spelling."""

    requested: frozenset[int]
    bare: frozenset[int]
    able: frozenset[int]


def _allowed(name: str, rules: list[Allow]) -> Decision | None:
    if not rules:
        return None
    real = rules[0].real_name(name)
    why = name_problem(real)
    if why is not None:
        return _refused(name, f"{rules[0].grant.rule}: {why}", f"{rules[0].place.brief}: {why}")
    grants = tuple(rule.grant for rule in rules)
    return Decision(True, real, rules[0].asg, rules[0].asl, grants[0].rule, grants)


def _refused(name: str, why: str, refusal: str) -> Decision:
    return Decision(False, name, DEFAULT_ASG, DEFAULT_ASL, why, refusal=refusal)
