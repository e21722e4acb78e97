"""PVs that appear and disappear, with a policy that changes, for random tests (Hypothesis)."""

from __future__ import annotations

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from zope.interface import implementer

from pycawamp.access.interfaces import IPolicy, Verdict
from pycawamp.pv.values import Value
from tests.support.memory_gateway import MemoryGateway

NAMES = ("a", "b")
ALIAS = "alias"


@implementer(IPolicy)
@attrs.define
class ChangingPolicy:
    """A policy whose decisions change."""

    forbidden: set[str] = attrs.Factory(set)
    writable: bool = False
    target: str = NAMES[0]
    """The real name of the alias."""

    def decide(self, user: str | None, host: str, host_name: str | None, pv: str) -> Verdict:
        """Overrides IPolicy: decide by the current attributes."""
        real_name = self.target if pv == ALIAS else pv
        return Verdict(pv not in self.forbidden, self.writable, real_name, False, ())


class ChangingPVsMachine(RuleBasedStateMachine):
    """A gateway with such PVs, whose values only increase."""

    def __init__(self) -> None:
        super().__init__()
        self.policy = ChangingPolicy()
        self.gateway = MemoryGateway(self.policy)
        self.values: dict[str, int] = {}
        """Of the PVs that are there."""
        self.counter = 100

    def post(self, name: str, value: Value) -> None:
        """Set a PV to a value for the counter; create it if necessary."""
        change = self.gateway.backend.set if name in self.values else self.gateway.backend.add
        change(name, value)
        self.values[name] = self.counter

    @rule(name=st.sampled_from(NAMES))
    def lose(self, name: str) -> None:
        """Lose a PV's IOC."""
        if self.values.pop(name, None) is not None:
            self.gateway.backend.remove(name)

    @rule(name=st.sampled_from((*NAMES, ALIAS)))
    def forbid_or_allow(self, name: str) -> None:
        """Forbid a PV in the policy, or allow it again."""
        self.policy.forbidden ^= {name}
        self.gateway.sessions.reauthorize()
