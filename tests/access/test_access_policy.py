"""Verdicts: PV list, access security and the gateway's own rule, combined."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pycawamp.access import IPolicy, Policy, Verdict, Writers
from pycawamp.access.acf_file import parse_acf
from pycawamp.access.pvlist_file import parse_pvlist
from tests.support import pvlists
from tests.support.acf_files import FILES
from tests.support.examples import examples

HOST = "192.0.2.1"
PVLIST = parse_pvlist(
    r"""
    .*          ALLOW
    MOTOR:.*    ALLOW  motors 0
    TEST:.*     DENY
    VALVE:[0-9] ALLOW  closed
    old:\(.*\)  ALIAS  NEW:\1 motors 1
    """,
    "list",
)
ACF = parse_acf(
    """
    UAG(ops) {alice}
    HAG(cr) {10.0.0.1}
    ASG(DEFAULT) { RULE(1,READ) RULE(1,WRITE) {UAG(ops)} }
    ASG(motors) { RULE(1,READ) RULE(0,WRITE,TRAPWRITE) {UAG(ops) HAG(cr)} }
    ASG(closed) { RULE(1,READ) {UAG(ops)} }
    """,
    "acf",
)


def may(policy: Policy, pv: str, user: str | None = "alice", host: str = HOST) -> str:
    """``rw``, ``r`` or nothing."""
    verdict = policy.decide(user, host, None, pv)
    return "r" * verdict.read + "w" * verdict.write


class NoFiles(SynchronousTestCase):
    """Rules without access files."""

    def test_interface(self) -> None:
        """A policy provides the interface for decisions."""
        self.assertTrue(verifyObject(IPolicy, Policy()))

    def test_default(self) -> None:
        """Everybody may read each PV under its own name; nobody may write."""
        verdict = Policy().decide("alice", HOST, None, "X.{}")
        self.assertEqual((verdict.read, verdict.write), (True, False))
        self.assertEqual(verdict.real_name, "X.{}")
        self.assertIn("puts are not enabled (--allow-put)", verdict.rules)

    def test_writers(self) -> None:
        """The base rule decides who may write: nobody, users with a login, or anyone."""
        for writers, logged_in, not_logged_in in (
            (Writers.NONE, "r", "r"),
            (Writers.LOGGED_IN, "rw", "r"),
            (Writers.ANYONE, "rw", "rw"),
        ):
            policy = Policy(puts=True, writers=writers)
            self.assertEqual(may(policy, "X"), logged_in)
            self.assertEqual(may(policy, "X", None), not_logged_in)
            self.assertEqual(may(policy, "X", ""), not_logged_in)
            self.assertEqual(may(Policy(writers=writers), "X"), "r")

    def test_no_name(self) -> None:
        """Invalid names are refused without files too."""
        for pv in ("", "X\0.VAL", "\ud800"):
            self.assertEqual(may(Policy(puts=True, writers=Writers.ANYONE), pv), "")


class WithFiles(SynchronousTestCase):
    """Rules with access files."""

    def test_list_alone(self) -> None:
        """With a PV list only, the base rule decides who may write."""
        policy = Policy(PVLIST, puts=True, writers=Writers.LOGGED_IN)
        self.assertEqual([may(policy, pv) for pv in ("A", "TEST:A")], ["rw", ""])
        self.assertEqual(may(policy, "A", None), "r")

    def test_access_alone(self) -> None:
        """With access security only, each PV is in DEFAULT at level 1, and the base rule is off."""
        policy = Policy(acf=ACF, puts=True, writers=Writers.ANYONE)
        self.assertEqual([may(policy, "MOTOR:1", user) for user in ("alice", "eve")], ["rw", "r"])

    def test_both(self) -> None:
        """Access security uses the group and level in the list."""
        policy = Policy(PVLIST, ACF, puts=True)
        self.assertEqual(may(policy, "MOTOR:1", "alice", "10.0.0.1"), "rw")
        self.assertEqual(may(policy, "MOTOR:1", "alice"), "r")
        self.assertEqual(may(policy, "old:1", "alice", "10.0.0.1"), "r")
        self.assertEqual([may(policy, "VALVE:1", user) for user in ("alice", None)], ["r", ""])

    def test_puts_off(self) -> None:
        """An access security file does not enable puts."""
        verdict = Policy(PVLIST, ACF).decide("alice", "10.0.0.1", None, "MOTOR:1")
        self.assertEqual((verdict.read, verdict.write, verdict.trap_write), (True, False, False))

    def test_verdict(self) -> None:
        """A verdict has the real name, whether writes are trapped, and the lines that decide."""
        verdict = Policy(PVLIST, ACF, puts=True).decide("alice", "10.0.0.1", None, "MOTOR:1")
        rules = (
            "list:3: MOTOR:.* ALLOW motors 0",
            "acf:5: RULE(0,WRITE,TRAPWRITE) { UAG(ops) HAG(cr) }",
        )
        self.assertEqual(verdict, Verdict(True, True, "MOTOR:1", True, rules))
        old = Policy(PVLIST, ACF).decide("alice", HOST, None, "old:1.VAL")
        self.assertEqual(old.real_name, "NEW:1.VAL")

    def test_denied(self) -> None:
        """The verdict about a denied PV does not reveal the real name, and has the line."""
        verdict = Policy(PVLIST, ACF, puts=True).decide("alice", HOST, None, "TEST:1.DESC")
        self.assertEqual(
            verdict, Verdict(False, False, "TEST:1.DESC", False, ("list:4: TEST:.* DENY",))
        )

    def test_lowest_of_the_spellings(self) -> None:
        """A spelling that only a laxer line matches has no more rights than the record."""
        policy = Policy(PVLIST, ACF, puts=True)
        for spelling in pvlists.OTHER_SPELLINGS:
            self.assertEqual(may(policy, spelling.format("VALVE:1"), "alice"), "r", spelling)
            self.assertEqual(may(policy, spelling.format("VALVE:1"), None), "", spelling)
        verdict = policy.decide("alice", HOST, None, "VALVE:1.VAL")
        self.assertEqual(len(verdict.rules), 3)


ANYTHING = st.text(max_size=12)
POLICIES = st.builds(
    Policy,
    st.none() | pvlists.FILES.map(pvlists.lines),
    st.none() | FILES.map(parse_acf),
    st.booleans(),
    st.sampled_from(Writers),
)


class Properties(SynchronousTestCase):
    """Properties of every policy."""

    @settings(deadline=None, max_examples=examples(200))
    @given(POLICIES, st.none() | ANYTHING, ANYTHING, st.none() | ANYTHING, ANYTHING)
    def test_total(
        self, policy: Policy, user: str | None, host: str, name: str | None, pv: str
    ) -> None:
        """Every decision has a reason; writing requires puts and read access."""
        verdict = policy.decide(user, host, name, pv)
        self.assertTrue(verdict.rules and all(verdict.rules))
        self.assertFalse(verdict.write and not (policy.puts and verdict.read))
        self.assertFalse(verdict.trap_write and not verdict.write)
