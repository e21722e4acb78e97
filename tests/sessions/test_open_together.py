"""PVs that are joined together: clients get the same as with single requests (Hypothesis)."""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any

import attrs
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from pycawamp.access import IClassifyingPolicy, IPolicy, Policy, Verdict, Writers
from pycawamp.access.acf_file import parse_acf
from pycawamp.access.pvlist_file import parse_pvlist
from pycawamp.pv.values import FieldType, Metadata
from pycawamp.sessions.limits import Limits
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.session import NAMES_PER_STEP, TOGETHER, Session
from pycawamp.wire.v2.dialect import VERSION_1
from tests.support.examples import examples
from tests.support.memory_gateway import MemoryGateway, Page

PVS = tuple(f"n{number}" for number in range(NAMES_PER_STEP + 10))
ALIAS, DENIED, SECRET = "old:n1", "hidden:n2", "secret:n3"
OTHERS = (ALIAS, DENIED, SECRET, "n4.VAL$", "nowhere", "ca://n1", "", "a\x00b", 5, ["n1"], "sim://")
LIMITS = Limits(pvs=len(PVS) + 2)
PVLIST = parse_pvlist(
    r"""
    .*          ALLOW
    old:\(.*\)  ALIAS  \1
    secret:.*   ALLOW  closed
    hidden:.*   DENY FROM 10.0.0.1
    """,
    "list",
)
ACF = parse_acf(
    """
    UAG(ops) {alice}
    HAG(cr) {10.0.0.1}
    ASG(DEFAULT) { RULE(1,READ) RULE(1,WRITE) {HAG(cr)} }
    ASG(closed) { RULE(1,READ) {UAG(ops)} }
    """,
    "acf",
)
POLICIES = (
    Policy(),
    Policy(puts=True, writers=Writers.LOGGED_IN),
    Policy(PVLIST),
    Policy(PVLIST, ACF, puts=True),
)
PEERS = tuple(
    Peer(host=host, user=user) for host in ("10.0.0.1", "10.0.0.2") for user in (None, "alice")
)
OPTIONS: st.SearchStrategy[dict[str, Any]] = (
    st.just({})
    | st.just({"metadata": True})
    | st.fixed_dictionaries(
        {},
        optional={
            "metadata": st.booleans(),
            "text": st.booleans(),
            "batch": st.booleans(),
            "max_rate": st.just(5),
            "arrays": st.sampled_from(["json", "binary"]),
        },
    )
)
ONE = st.sampled_from((*PVS[:4], *OTHERS))
SOME = st.one_of(
    st.just(PVS),
    st.just(PVS[::-1]),
    st.builds(lambda start, end: PVS[start:end], st.integers(0, 5), st.integers(6, len(PVS))),
    st.lists(ONE, max_size=5),
    st.builds(lambda odd: (*PVS[:9], odd, *PVS[9:]), ONE),
    st.just(PVS * (2 * TOGETHER // len(PVS))),
)


@implementer(IPolicy)
@attrs.mutable
class EachOne:
    """A policy that may change, and makes a decision for each client and PV."""

    policy: Policy

    def decide(self, user: str | None, host: str, host_name: str | None, pv: str) -> Verdict:
        """Decide by the current policy."""
        return self.policy.decide(user, host, host_name, pv)


@implementer(IClassifyingPolicy)
class Alike(EachOne):
    """The same, with kinds of clients."""

    def kind(self, user: str | None, host: str, host_name: str | None) -> Hashable:
        """Return the kind by the current policy."""
        return self.policy.kind(user, host, host_name)


class Side:
    """A gateway and its clients."""

    def __init__(self, policy: EachOne) -> None:
        self.policy = policy
        self.gateway = MemoryGateway(policy, LIMITS)
        self.clients: list[tuple[Session, Page]] = []

    def come(self, peer: Peer) -> None:
        """Add a client."""
        page = Page()
        self.clients.append((self.gateway.sessions.open(page, peer, VERSION_1), page))

    def send_request(self, number: int, request: dict[str, Any]) -> None:
        """Send a client's request, and process it completely."""
        session, _ = self.clients[number]
        session.receive(json.dumps(request).encode())
        while session.is_busy:
            session.process_next()


class TwoGateways(RuleBasedStateMachine):
    """Two gateways with the same events."""

    clients = st.integers(0, 5)

    def __init__(self) -> None:
        super().__init__()
        self.sides = (Side(Alike(POLICIES[0])), Side(EachOne(POLICIES[0])))
        self.values: dict[str, Any] = {}
        self.described: dict[str, Metadata] = {}
        self.unreadable: set[str] = set()
        self.counter = 0
        self.appear(0, "number")
        for peer in PEERS:
            self.come(peer)

    @property
    def number(self) -> int:
        """Return the number of clients."""
        return len(self.sides[0].clients)

    @rule(peer=st.sampled_from(PEERS))
    @precondition(lambda self: self.number < 6)
    def come(self, peer: Peer) -> None:
        """Add a client."""
        for side in self.sides:
            side.come(peer)

    @rule(which=clients)
    @precondition(lambda self: self.number > 1)
    def go(self, which: int) -> None:
        """Remove a client."""
        which %= self.number
        for side in self.sides:
            session, _ = side.clients.pop(which)
            session.close()

    @rule(which=clients, names=SOME, options=OPTIONS)
    @precondition(lambda self: self.number)
    def connect(self, which: int, names: Any, options: dict[str, Any]) -> None:
        """A client requests a list."""
        for side in self.sides:
            side.send_request(
                which % self.number, {"action": "connect", "pvs": list(names), **options}
            )

    @rule(which=clients, name=ONE)
    @precondition(lambda self: self.number)
    def connect_one(self, which: int, name: Any) -> None:
        """A client requests one PV."""
        for side in self.sides:
            side.send_request(which % self.number, {"action": "connect", "pv": name})

    @rule(which=clients, names=SOME)
    @precondition(lambda self: self.number)
    def disconnect(self, which: int, names: Any) -> None:
        """A client disconnects from PVs."""
        for side in self.sides:
            side.send_request(which % self.number, {"action": "disconnect", "pvs": list(names)})

    @rule(which=clients, options=OPTIONS)
    @precondition(lambda self: self.number)
    def configure(self, which: int, options: dict[str, Any]) -> None:
        """A client changes its options."""
        for side in self.sides:
            side.send_request(which % self.number, {"action": "configure", **options})

    @rule(start=st.integers(0, 10), kind=st.sampled_from(["number", "array", "large", "hidden"]))
    def appear(self, start: int, kind: str) -> None:
        """Create PVs, or change their type."""
        for name in (*PVS[start:], DENIED, SECRET):
            count = 3 if kind == "array" and name in PVS[:12] else 1
            if kind == "large" and name == PVS[11]:
                count = 10**5
            is_readable = kind != "hidden" or name != PVS[10]
            metadata = Metadata(FieldType.DOUBLE, count, units="mm", read_access=is_readable)
            value: Any = np.full(3, float(self.counter)) if count > 1 else float(self.counter)
            for side in self.sides:
                if name in self.values:
                    side.gateway.backend.remove(name)
                side.gateway.backend.add(name, value, metadata)
            self.values[name] = value
            self.described[name] = metadata
            self.unreadable -= {name} if metadata.read_access else set()
            self.unreadable |= set() if metadata.read_access else {name}

    @rule(step=st.integers(1, 7))
    def update(self, step: int) -> None:
        """Change values."""
        self.counter += 1
        for name in [name for name in self.values if name not in self.unreadable][::step]:
            value: Any = float(self.counter)
            self.values[name] = np.full(3, value) if np.ndim(self.values[name]) else value
            for side in self.sides:
                side.gateway.backend.set(name, self.values[name])

    @rule(step=st.integers(1, 30), units=st.sampled_from(["", "mm", "A"]))
    def describe(self, step: int, units: str) -> None:
        """Change units."""
        for name in list(self.values)[::step]:
            self.described[name] = attrs.evolve(self.described[name], units=units)
            for side in self.sides:
                side.gateway.backend.describe(name, self.described[name])

    @rule(step=st.integers(1, 30))
    def lose(self, step: int) -> None:
        """Disconnect PVs."""
        for name in list(self.values)[::step]:
            del self.values[name]
            for side in self.sides:
                side.gateway.backend.remove(name)

    @rule(which=clients)
    @precondition(lambda self: self.number)
    def pause_or_resume(self, which: int) -> None:
        """Fill a client's socket, or empty it."""
        for side in self.sides:
            outbox = side.clients[which % self.number][0].outbox
            if outbox.paused:
                outbox.resume()
            else:
                outbox.pause()

    @rule(policy=st.sampled_from(POLICIES), at_once=st.booleans())
    def change_policy(self, policy: Policy, at_once: bool) -> None:
        """Change the rules; open PVs are checked again at once, or later."""
        for side in self.sides:
            side.policy.policy = policy
            if at_once:
                side.gateway.sessions.reauthorize()

    @rule(seconds=st.sampled_from([0.0, 0.0, 0.2, 6.0, 11.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        for side in self.sides:
            side.gateway.flush_cycle()
            side.gateway.advance(seconds)
        self.check()

    def check(self) -> None:
        """All clients got the same, and have the same PVs."""
        got, expected = (
            [
                (b"".join(page.writes), list(session.subscriptions.names), session.outbox.conflated)
                for session, page in side.clients
            ]
            for side in self.sides
        )
        assert got == expected
        for side in self.sides:
            for _, page in side.clients:
                page.writes.clear()

    def teardown(self) -> None:
        """All have the same at the end; then all leave, and nothing remains."""
        for _ in range(50):
            self.wait(0.0)
        for side in self.sides:
            for session, _ in side.clients:
                session.close()
            for _ in range(20):
                side.gateway.flush_cycle()
            side.gateway.advance(20)
            publishers = side.gateway.sessions.shared.publishers
            assert len(publishers) == len(publishers.cohorts) == 0
            assert len(side.gateway.hub) == 0
            assert len(publishers.live) == 0


class OpenTogetherTests(SynchronousTestCase):
    """Subscriptions.open_together."""

    def test_same_bytes(self) -> None:
        """TwoGateways."""
        steps = settings(max_examples=examples(60), stateful_step_count=25, deadline=None)
        run_state_machine_as_test(TwoGateways, settings=steps)

    def test_one_step(self) -> None:
        """A page whose PVs others show is joined in one step for each 200 PVs."""
        gateway = MemoryGateway()
        names = [f"n{number}" for number in range(3 * TOGETHER)]
        for name in names:
            gateway.backend.add(name, 1)
        steps = []
        for _ in range(3):
            session, _ = gateway.open()
            session.receive(json.dumps({"action": "connect", "pvs": names}).encode())
            steps.append(0)
            while session.is_busy:
                session.process_next()
                steps[-1] += 1
            self.assertEqual(len(session.subscriptions), len(names))
        self.assertGreater(steps[0], 20)
        self.assertEqual(steps[1:], [2, 2])
