"""Access security files: EPICS base's grammar and decisions."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access.acf import Access, Acf
from pycawamp.access.acf_file import parse_acf
from pycawamp.access.errors import AccessFileError
from pycawamp.access.inputs import FileInputs
from tests.support.acf_files import ASGS, CLIENTS, FILES
from tests.support.examples import examples

HOST = "192.0.2.1"

LINAC = """
# Operators in the control room may set, others look.
UAG(op) {alice, "bob"}
UAG(sup) {carol}
HAG(cr) {mars, 10.0.0.1}
HAG(icr) {"Silver.lab"}
ASG(DEFAULT) {
    RULE(1,READ)
    RULE(0,WRITE,TRAPWRITE) {
        UAG(op,sup)
        HAG(cr) HAG(icr)
    }
    RULE(1,WRITE,NOTRAPWRITE) { UAG(sup) }
}
ASG(closed)
ASG(critical) {
    RULE(1, NONE)
    RULE(1, WRITE) { UAG(sup) }
}
"""


def access(
    acf: Acf, asl: int, user: str | None, host: str = HOST, name: str | None = None
) -> Access:
    return acf.rights("x", asl, user, host, name).access


def group(acf: Acf, asg: str, user: str | None = None) -> Access:
    return acf.rights(asg, 1, user, HOST, None).access


class Decisions(SynchronousTestCase):
    """Decisions by a file."""

    def setUp(self) -> None:
        """Read the example."""
        self.acf = parse_acf(LINAC, "f")

    def test_no_conditions(self) -> None:
        """A rule without conditions applies to everyone, with or without a login."""
        self.assertEqual(access(self.acf, 1, None), Access.READ)

    def test_user_and_host(self) -> None:
        """A rule with UAG and HAG requires one of its users at one of its hosts."""
        self.assertEqual(access(self.acf, 0, "alice", "10.0.0.1"), Access.WRITE)
        self.assertEqual(access(self.acf, 0, "bob", HOST, "silver.LAB."), Access.WRITE)
        self.assertEqual(access(self.acf, 0, "alice"), Access.READ)
        self.assertEqual(access(self.acf, 0, "mallory", "10.0.0.1"), Access.READ)
        self.assertEqual(access(self.acf, 0, None, "10.0.0.1"), Access.READ)

    def test_users_are_exact(self) -> None:
        """Names of users are case-sensitive."""
        self.assertEqual(access(self.acf, 0, "Alice", "10.0.0.1"), Access.READ)

    def test_hosts_are_whole(self) -> None:
        """A host's name is compared as a whole, so that another domain cannot imitate it."""
        self.assertEqual(access(self.acf, 0, "alice", HOST, "MARS"), Access.WRITE)
        self.assertEqual(access(self.acf, 0, "alice", HOST, "mars.evil.example"), Access.READ)
        self.assertEqual(access(self.acf, 0, "alice", HOST, "10.0.0.1"), Access.READ)

    def test_mapped_address(self) -> None:
        """An IPv4 address is the same if a socket reports it as IPv6."""
        self.assertEqual(access(self.acf, 0, "alice", "::ffff:10.0.0.1"), Access.WRITE)

    def test_level(self) -> None:
        """A rule applies to fields of its level and below."""
        self.assertEqual(access(self.acf, 1, "alice", "10.0.0.1"), Access.READ)
        self.assertEqual(access(self.acf, 1, "carol"), Access.WRITE)
        self.assertEqual(access(self.acf, 2, "carol"), Access.NONE)

    def test_wrapped_level(self) -> None:
        """A level that EPICS reads as a negative number is written as it is read."""
        text = "ASG(x) {RULE(4294967295,READ)}"
        acf = parse_acf(text, "f")
        self.assertEqual(access(acf, -1, None), Access.READ)
        self.assertEqual(access(acf, 0, None), Access.NONE)
        self.assertIn("RULE(4294967295,READ)", acf.text())
        self.assertEqual(parse_acf(acf.text(), "f"), acf)

    def test_first_of_the_highest(self) -> None:
        """The first rule that grants the highest access decides whether writes are trapped."""
        self.assertTrue(self.acf.rights("x", 0, "carol", "10.0.0.1", None).trap_write)
        found = self.acf.rights("x", 0, "carol", HOST, None)
        self.assertFalse(found.trap_write)
        self.assertEqual(found.rule, "f:13: RULE(1,WRITE) { UAG(sup) }")

    def test_unknown_group(self) -> None:
        """An undefined group is DEFAULT; one without rules grants nothing."""
        self.assertEqual(group(self.acf, "nowhere"), Access.READ)
        self.assertEqual(group(self.acf, ""), Access.READ)
        self.assertEqual(group(self.acf, "closed"), Access.NONE)
        self.assertEqual(
            self.acf.rights("closed", 1, None, HOST, None).rule, "f: no RULE of ASG(closed) applies"
        )

    def test_no_default(self) -> None:
        """Without ASG(DEFAULT), a PV without a group may not even be read."""
        self.assertEqual(access(parse_acf("ASG(a) {RULE(1,READ)}"), 0, "alice"), Access.NONE)

    def test_none_takes_nothing(self) -> None:
        """NONE does not revoke what another rule grants."""
        self.assertEqual(group(self.acf, "critical", "carol"), Access.WRITE)
        self.assertEqual(group(self.acf, "critical"), Access.NONE)

    def test_empty_group(self) -> None:
        """A rule for an empty group applies to nobody."""
        acf = parse_acf("UAG(nobody) HAG(nowhere) ASG(a) {RULE(1,READ) {UAG(nobody)}}")
        self.assertEqual(group(acf, "a", "alice"), Access.NONE)
        self.assertEqual(group(acf, "a"), Access.NONE)

    def test_names_looked_up(self) -> None:
        """With a lookup, a host's name also matches the addresses it has."""
        found = {"mars": ["10.9.9.9", "fe80::1%eth0"]}
        acf = self.acf.look_up(lambda name: found.get(name, ()))
        self.assertEqual(access(acf, 0, "alice", "10.9.9.9"), Access.WRITE)
        self.assertEqual(access(acf, 0, "alice", "10.0.0.1"), Access.WRITE)
        self.assertEqual(access(acf, 0, "alice", "10.9.9.8"), Access.READ)
        self.assertEqual(access(self.acf, 0, "alice", "10.9.9.9"), Access.READ)

    def test_default_again(self) -> None:
        """ASG(DEFAULT) may be repeated as long as it has no rules."""
        acf = parse_acf("ASG(DEFAULT) ASG(DEFAULT) {RULE(1,READ)}")
        self.assertEqual(access(acf, 0, None), Access.READ)


REFUSED = (
    ("", "1:1", "expected UAG, HAG or ASG, found the end of the file"),
    ("# nothing\n", "2:1", "found the end of the file"),
    ('ASG(a) {RULE(1,READ) {CALC("A=")}}', "1:28", "expected a CALC expression"),
    ('ASG(a) {RULE(1,READ) {CALC("A:=1;A")}}', "1:28", "Assignment operator used"),
    ('ASG(a) {RULE(1,READ) {CALC("")}}', "1:28", "expected a CALC expression"),
    (f'ASG(a) {{RULE(1,READ) {{CALC("{"(" * 80}1")}}}}', "1:28", "More than 70 operators"),
    ("ASG(a) {INPV(x) RULE(1,READ)}", "1:9", "expected INPA to INPU or RULE, found 'INPV'"),
    ("ASG(a) {INPA(x,y) RULE(1,READ)}", "1:15", "expected ')', found ','"),
    ("ASG(a) {INPA(1)}", "1:14", "expected a name, found '1'; write \"1\""),
    ("AUTHORITY", "1:10", "expected '(', found the end of the file"),
    ("A(x) {}", "1:7", "expected a name or a number, found '}'"),
    ("A(x) {y} {z}", "1:12", "expected ',' and one more"),
    ("A(x) {B(y) z}", "1:13", "expected '(', found '}'"),
    ("A(x) {B(y), z}", "1:11", "expected a name or '}', found ','"),
    ("A(){" * 200, "1:402", "expected at most 100 nested blocks"),
    ("ASG(a) {RULE(1,READ,TRAP)}", "1:21", "expected one of TRAPWRITE, NOTRAPWRITE"),
    ("ASG(a) {RULE(x,READ)}", "1:14", "expected an access security level (0 or 1), found 'x'"),
    ("ASG(a) {RULE(-1,READ)}", "1:14", "expected an access security level"),
    ("ASG(a) {RULE(1.5,READ)}", "1:14", "expected an access security level"),
    ("ASG(a) {RULE(9223372036854775808,READ)}", "1:14", "expected an access security level"),
    ("ASG(a) {}", "1:9", "expected INPA to INPU or RULE, found '}'"),
    ("ASG(a) {RULE(1,READ) {}}", "1:23", "expected UAG, HAG, CALC, found '}'"),
    ("UAG(u) ASG(a) {RULE(1,READ) {UAG(u),}}", "1:36", "expected UAG, HAG, CALC or '}', found ','"),
    ("UAG(a) {}", "1:9", "expected a name, found '}'"),
    ("UAG(a) {x,}", "1:11", "expected a name, found '}'"),
    ("UAG(a) {x y}", "1:11", "expected ',' or '}', found 'y'"),
    ("UAG(12)", "1:5", "expected a name, found '12'; write \"12\""),
    ("UAG(RULE)", "1:5", "expected a name, found 'RULE'; write \"RULE\""),
    ("UAG(a)\nUAG(a)", "2:5", "expected a new name, 'a' is defined above"),
    ("ASG(a) ASG(a)", "1:12", "expected a new name"),
    ("ASG(DEFAULT) {RULE(0,READ)} ASG(DEFAULT)", "1:33", "has rules above"),
    ("ASG(DEFAULT) {INPA(x)} ASG(DEFAULT)", "1:28", "has rules above"),
    ("ASG(a) {RULE(1,READ) {UAG(ops)}}\nUAG(ops)", "1:27", "expected a UAG that is defined above"),
    ("HAG(h) ASG(a) {RULE(1,READ) {UAG(h)}}", "1:34", "expected a UAG that is defined above"),
    ('UAG("a\n")', "1:5", "expected a closing quote in the same line"),
    ('UAG("a\0")', "1:5", "expected a file without NUL"),
    ("UAG($(group))", "1:5", "expected no macros"),
    ("UAG(a@b)", "1:6", "found '@'"),
    ("UAG(a", "1:6", "expected ')', found the end of the file"),
)


class Ignored(SynchronousTestCase):
    """Elements that EPICS accepts but does not know: the rule is ignored, with a log line."""

    def test_rules(self) -> None:
        """A rule with an unknown element, or for an unknown right, grants nothing."""
        acf = parse_acf(
            "ASG(DEFAULT) {\n"
            '  RULE(1,READ) {METHOD("x509", tls) AUTHORITY(a) {b(1) c(){2.5,d}}}\n'
            "  RULE(1,RPC,TRAPWRITE) {UAG(nobody)}\n"
            "  RULE(0,READ)\n}",
            "f",
        )
        self.assertEqual([group(acf, "x"), access(acf, 0, "bob")], [Access.NONE, Access.READ])
        self.assertEqual(
            [one.partition(": ignored, as EPICS does not know it: ")[::2] for one in acf.warnings],
            [
                ("f:2", "RULE(1,READ) { METHOD(x509,tls) AUTHORITY(a){b(1)c(){2.5,d}} }"),
                ("f:3", "RULE(1,RPC,TRAPWRITE){UAG(nobody)}"),
            ],
        )

    def test_items(self) -> None:
        """Unknown items beside UAG, HAG and ASG are skipped."""
        acf = parse_acf('AUTHORITY(a,"b c"){AUTHORITY(d){e}} x(){1}{2,3} ASG(a){RULE(1,READ)}', "f")
        self.assertEqual(group(acf, "a"), Access.READ)
        self.assertEqual(len(acf.warnings), 2)


class Calculated(SynchronousTestCase):
    """Rules with CALC follow the values of their group's inputs."""

    def setUp(self) -> None:
        """Read a file with two inputs, one of which is used twice."""
        self.acf = parse_acf(
            'ASG(a) {INPA(X) INPB(Y) RULE(1,READ) {CALC("A+B=3")} RULE(1,WRITE) {CALC("B>2")}}'
            'ASG(b) {INPC(X) RULE(1,READ) {CALC("C=1")}} ASG(c) {RULE(1,READ) {CALC("1")}}'
            'ASG(d) {INPA(X) RULE(1,READ) {CALC("A=1") METHOD(m)}}',
            "f",
        )
        self.inputs = FileInputs(self.acf)

    def rights(self) -> list[Access]:
        return [group(self.acf, name) for name in "abcd"]

    def test_at_first(self) -> None:
        """Without values no condition is met, nor ever without inputs, as in EPICS."""
        self.assertEqual(sorted(self.inputs.names), ["X", "Y"])
        self.assertEqual(self.rights(), [Access.NONE] * 4)

    def test_values(self) -> None:
        """A condition is met while its result is 1; changes of this are reported."""
        none, read, write = Access
        self.assertTrue(self.inputs.take("X", 1.0))
        self.assertEqual(self.rights(), [none, read, none, none])
        self.assertTrue(self.inputs.take("Y", 2.0))
        self.assertEqual(self.rights(), [read, read, none, none])
        self.assertFalse(self.inputs.take("Y", 2.0))
        self.assertTrue(self.inputs.take("Y", 3.0))
        self.assertEqual(self.rights(), [write, read, none, none])

    def test_bad(self) -> None:
        """A condition is not met while an input that it uses is INVALID or not connected."""
        none, read, write = Access
        for is_lost in (True, False):
            self.inputs.take("X", 0.0)
            self.inputs.take("Y", 3.0)
            self.assertEqual(self.rights(), [write, none, none, none])
            self.assertTrue(self.inputs.lose("X") if is_lost else self.inputs.take("X", None))
            self.assertEqual(self.rights(), [write, none, none, none])
            self.inputs.take("X", 1.0)
            self.assertEqual(self.rights(), [write, read, none, none])

    def test_odd_names(self) -> None:
        """An INP with an invalid PV name is accepted, and never has a value."""
        inputs = FileInputs(parse_acf('ASG(a) {INPA("") INPB("a\tb") RULE(1,READ)}'))
        self.assertEqual(list(inputs.names), [])


class Refusals(SynchronousTestCase):
    """Invalid files are refused, with the position."""

    def test_places(self) -> None:
        """Each error has file, line, column and what was expected."""
        for text, place, message in REFUSED:
            error = self.assertRaises(AccessFileError, parse_acf, text, "f")
            self.assertTrue(str(error).startswith(f"f:{place}: expected"), (text, str(error)))
            self.assertIn(message, str(error))


class Properties(SynchronousTestCase):
    """Properties of every file."""

    @settings(deadline=None, max_examples=examples(150))
    @given(FILES, CLIENTS, st.sampled_from(ASGS), st.integers(0, 2))
    def test_round_trip(self, text: str, client: tuple[str, str], asg: str, asl: int) -> None:
        """A printed file, parsed again, is equal and leads to the same decisions."""
        acf = parse_acf(text, "f")
        again = parse_acf(str(acf), "f")
        self.assertEqual(again, acf)
        user, host = client
        before, after = (one.rights(asg, asl, user, HOST, host) for one in (acf, again))
        self.assertEqual((after.access, after.trap_write), (before.access, before.trap_write))

    @settings(deadline=None, max_examples=examples(150))
    @given(st.text() | st.text('UAGHSRLE(){},"\\#$ \n01', max_size=60))
    @example("ASG(a) {RULE(²,READ)}")
    def test_any_text(self, text: str) -> None:
        """Any text is a valid file, or an error with a position."""
        self._parsed(text)

    @settings(deadline=None, max_examples=examples(150))
    @given(FILES, st.data())
    def test_mutated(self, text: str, data: st.DataObject) -> None:
        """A file with something inserted or removed is valid, or an error with a position."""
        at = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(at, min(len(text), at + 5)))
        self._parsed(text[:at] + data.draw(st.text('(){},"\\#\n 1A\0é', max_size=3)) + text[end:])

    def _parsed(self, text: str) -> None:
        try:
            acf = parse_acf(text, "f")
        except AccessFileError as error:
            self.assertRegex(str(error), r"(?s)^f:\d+:\d+: expected ")
            return
        self.assertEqual(parse_acf(str(acf)), acf)
