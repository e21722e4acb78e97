"""Kinds of clients: clients of one kind have the same access."""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pycawamp.access import IClassifyingPolicy, Policy, Writers
from pycawamp.access.acf_file import parse_acf
from pycawamp.access.inputs import FileInputs
from pycawamp.access.pvlist_file import parse_pvlist

PVLIST = parse_pvlist(
    r"""
    .*         ALLOW
    MOTOR:.*   ALLOW motors 0
    HIDDEN:.*  DENY FROM 10.0.0.1
    SECRET:.*  DENY FROM 10.0.0.2
    """,
    "list",
)
ACF = parse_acf(
    """
    UAG(ops) {alice}
    HAG(cr) {10.0.0.1}
    ASG(DEFAULT) { INPA(IN) RULE(1,READ) RULE(1,WRITE) {UAG(ops) CALC("A=1")} }
    ASG(motors) { RULE(1,READ) {HAG(cr)} RULE(0,WRITE) {UAG(ops) HAG(cr)} }
    """,
    "acf",
)
CLIENTS = tuple(
    product(
        (None, "", "alice", "eve"), ("", "10.0.0.1", "10.0.0.2", "10.0.0.3"), (None, "10.0.0.1")
    )
)
NAMES = ("X", "MOTOR:1", "HIDDEN:1", "SECRET:1", "MOTOR:1.DESC", "")


class KindTests(SynchronousTestCase):
    """Policy.kind."""

    def test_interface(self) -> None:
        """A policy provides kinds."""
        self.assertTrue(verifyObject(IClassifyingPolicy, Policy()))

    def test_alike(self) -> None:
        """Clients of one kind have the same access to each PV; most clients share few kinds."""
        for policy, kinds in (
            (Policy(), 2),
            (Policy(puts=True, writers=Writers.LOGGED_IN), 2),
            (Policy(PVLIST, puts=True, writers=Writers.LOGGED_IN), 2 * 3),
            (Policy(acf=ACF, puts=True), 3 * 2),
            (Policy(PVLIST, ACF, puts=True), 3 * 3),
        ):
            found: dict[object, list[object]] = {}
            for client in CLIENTS:
                verdicts = [policy.decide(*client, name) for name in NAMES]
                expected = found.setdefault(policy.kind(*client), list(verdicts))
                self.assertEqual(verdicts, expected, client)
            self.assertLessEqual(len(found), kinds)
            self.assertGreater(len(found), 1)

    def test_others(self) -> None:
        """Kinds of different policies differ."""
        self.assertNotEqual(Policy().kind(None, "", None), Policy().kind(None, "", None))

    def test_conditions(self) -> None:
        """A kind changes with the result of a CALC."""
        policy = Policy(acf=ACF, puts=True)
        inputs = FileInputs(ACF)
        kinds = set()
        for value in (0.0, 1.0, 0.0):
            inputs.take("IN", value)
            self.assertEqual(policy.decide("alice", "", None, "X").write, value == 1)
            kinds.add(policy.kind("alice", "", None))
        self.assertEqual(len(kinds), 2)
