"""PVs that come and go under a policy that changes: what random tests share (Hypothesis)."""

from __future__ import annotations

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from zope.interface import implementer

from pycawamp.access.interfaces import IPolicy, Verdict
from pycawamp.pv.values import Value
from tests.support.memory_gateway import World

NAMES = ("a", "b")
ALIAS = "alias"


@implementer(IPolicy)
@attrs.define
class Moody:
    """A policy that changes its mind."""

    forbidden: set[str] = attrs.Factory(set)
    writable: bool = False
    target: str = NAMES[0]
    """What the alias stands for."""

    def decide(self, user: str | None, host: str, host_name: str | None, pv: str) -> Verdict:
        """Decide as it is in the mood for."""
        real_name = self.target if pv == ALIAS else pv
        return Verdict(pv not in self.forbidden, self.writable, real_name, False, ())


class MoodyMachine(RuleBasedStateMachine):
    """A world of such PVs, whose values only grow."""

    def __init__(self) -> None:
        super().__init__()
        self.policy = Moody()
        self.world = World(self.policy)
        self.values: dict[str, int] = {}
        """Of the PVs that are there."""
        self.counter = 100

    def post(self, name: str, value: Value) -> None:
        """Give a PV a value that stands for the counter; it appears, if need be."""
        change = self.world.backend.set if name in self.values else self.world.backend.add
        change(name, value)
        self.values[name] = self.counter

    @rule(name=st.sampled_from(NAMES))
    def lose(self, name: str) -> None:
        """A PV's IOC dies."""
        if self.values.pop(name, None) is not None:
            self.world.backend.remove(name)

    @rule(name=st.sampled_from((*NAMES, ALIAS)))
    def forbid_or_allow(self, name: str) -> None:
        """The policy changes its mind about a PV."""
        self.policy.forbidden ^= {name}
        self.world.sessions.reauthorize()
