"""PV lists: the CA gateway's semantics, and no other spelling that bypasses a DENY."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access.errors import AccessFileError
from pycawamp.access.pvlist_file import parse_pvlist
from pycawamp.access.syntax import Syntax
from pycawamp.pv.names import MAX_NAME
from pycawamp.wire.names import checked_name
from tests.support.pvlists import HOST, OTHER_SPELLINGS, lines, real


class GatewaySemantics(SynchronousTestCase):
    """Lists are evaluated as by the CA gateway."""

    def test_nothing_matches(self) -> None:
        """A name that no ALLOW or ALIAS line matches is not served; an empty list serves none."""
        self.assertIsNone(real(lines("A ALLOW"), "B"))
        self.assertIsNone(real(lines(""), "B"))

    def test_whole_name(self) -> None:
        """A pattern matches the whole name or not at all."""
        pvlist = lines("BEAM ALLOW")
        self.assertEqual(real(pvlist, "BEAM"), "BEAM")
        for name in ("BEAM2", "XBEAM", "beam"):
            self.assertIsNone(real(pvlist, name), name)

    def test_defaults(self) -> None:
        """Without a group and level, a PV is in DEFAULT at level 1, not at a lower one."""
        pvlist = lines("A ALLOW ops 0", "B ALLOW", "C ALLOW ops")
        found = [pvlist.resolve(name, HOST) for name in "ABC"]
        self.assertEqual(
            [(one.asg, one.asl) for one in found], [("ops", 0), ("DEFAULT", 1), ("ops", 1)]
        )

    def test_last_wins(self) -> None:
        """Of the ALLOW and ALIAS lines that match, the last one counts."""
        pvlist = lines("BEAM:.* ALLOW ops 0", ".* ALLOW", "BEAM:I ALIAS other")
        self.assertEqual(pvlist.resolve("BEAM:X", HOST).asg, "DEFAULT")
        self.assertEqual(pvlist.resolve("BEAM:X", HOST).rule, "f:2: .* ALLOW DEFAULT 1")
        self.assertEqual(real(pvlist, "BEAM:I"), "other")

    def test_allow_then_deny(self) -> None:
        """With ALLOW, DENY, and without an order, a DENY anywhere in the file wins."""
        for order in ((), ("EVALUATION ORDER ALLOW, DENY",), ("evaluation order allow,deny",)):
            pvlist = lines(*order, "T.* DENY", ".* ALLOW")
            self.assertIsNone(real(pvlist, "T1"))
            self.assertEqual(real(pvlist, "U1"), "U1")

    def test_deny_then_allow(self) -> None:
        """With DENY, ALLOW, each matching ALLOW overrides a DENY, whatever their order."""
        pvlist = lines("EVALUATION ORDER DENY, ALLOW", "A.* ALLOW", ".* DENY")
        self.assertEqual(real(pvlist, "A1"), "A1")
        self.assertIsNone(real(pvlist, "B1"))

    def test_last_order(self) -> None:
        """The last EVALUATION ORDER line applies to the whole file."""
        first, last = "EVALUATION ORDER DENY, ALLOW", "EVALUATION ORDER ALLOW DENY"
        self.assertEqual(real(lines(first, "A ALLOW", "A DENY"), "A"), "A")
        self.assertIsNone(real(lines(first, "A ALLOW", "A DENY", last), "A"))

    def test_deny_from(self) -> None:
        """DENY FROM hides PVs from these hosts only, and wins in either order."""
        for order in ("ALLOW, DENY", "DENY, ALLOW"):
            pvlist = lines(
                f"EVALUATION ORDER {order}", ".* ALLOW", "T.* DENY FROM 10.0.0.1, Pc.lab"
            )
            self.assertIsNone(real(pvlist, "T1", "10.0.0.1"))
            self.assertIsNone(real(pvlist, "T1", "::ffff:10.0.0.1"))
            self.assertIsNone(real(pvlist, "T1", HOST, "pc.LAB."))
            self.assertEqual(real(pvlist, "T1", "10.0.0.2", "pc2.lab"), "T1")
            self.assertEqual(real(pvlist, "U1", "10.0.0.1"), "U1")

    def test_deny_without_from(self) -> None:
        """The word FROM may be omitted before the hosts."""
        pvlist = lines(".* ALLOW", "T.* deny 10.0.0.1 10.0.0.2")
        self.assertIsNone(real(pvlist, "T1", "10.0.0.2"))
        self.assertEqual(real(pvlist, "T1"), "T1")

    def test_unqualified_host(self) -> None:
        """A host without a domain in DENY FROM stands for that host in each domain."""
        pvlist = lines(".* ALLOW", ".* DENY FROM scope")
        self.assertIsNone(real(pvlist, "A", HOST, "scope.lab.example"))
        self.assertEqual(real(pvlist, "A", HOST, "lab.scope"), "A")

    def test_alias(self) -> None:
        r"""ALIAS serves the real name; \1 to \9 are the groups of the pattern."""
        pvlist = lines(r"ps([0-9])(:x)? ALIAS PSCurrent\1.ai\2 PowerSupply 0")
        self.assertEqual(real(pvlist, "ps7"), "PSCurrent7.ai")
        self.assertEqual(real(pvlist, "ps7:x"), "PSCurrent7.ai:x")
        self.assertEqual(pvlist.resolve("ps7", HOST).asg, "PowerSupply")
        self.assertEqual(real(lines(r"(.*) ALIAS \0\:\1\\"), "A"), "A:A\\")

    def test_alias_of_denied(self) -> None:
        """DENY applies to the requested name: the real name of an alias may be denied."""
        pvlist = lines(r"gateway:(.*) ALIAS ioc:\1", "ioc:.* DENY", "gwtest:.* ALLOW")
        self.assertEqual(real(pvlist, "gateway:ai"), "ioc:ai")
        self.assertIsNone(real(pvlist, "ioc:ai"))

    def test_default_build(self) -> None:
        r"""A list without a syntax is in the GNU library's syntax, with or without \(…\)."""
        pvlist = lines(r"ps\([0-9]\) ALIAS PSCurrent\1.ai ps 1", r"c\|d+ ALLOW", syntax=None)
        self.assertEqual(real(pvlist, "ps7"), "PSCurrent7.ai")
        self.assertEqual(real(pvlist, "dd"), "dd")
        pvlist = lines(".* ALLOW", "SR{1}:.* DENY", syntax=None)
        self.assertIsNone(real(pvlist, "SR{1}:X"))
        self.assertEqual(real(pvlist, "SR:X"), "SR:X")
        pvlist = lines(".* ALLOW", r"\(\S*\):A DENY", syntax=None)
        self.assertIsNone(real(pvlist, "SECRET:A"))

    def test_other_builds(self) -> None:
        """Patterns that only other builds of the gateway read as they look require a syntax."""
        for pattern, column in (
            ("(A|B):.*", 1),
            ("!A", 1),
            (r"A\d", 2),
            (r"x[\w:]", 2),
            ("[[:digit:]]", 1),
            ("A|B", 2),
        ):
            error = self.assertRaises(AccessFileError, lines, f"{pattern} DENY", syntax=None)
            self.assertTrue(str(error).startswith(f"f:1:{column}: expected"), str(error))
            self.assertIn("--pvlist-syntax", str(error))
            lines(f"{pattern} DENY", syntax=Syntax.GNU)
            lines(f"{pattern} DENY", syntax=Syntax.PCRE_NEG)

    def test_plain_exclamation_mark(self) -> None:
        """Without USE_NEG_REGEXP, a ! is a plain character."""
        for syntax in (Syntax.GNU, Syntax.PCRE):
            pvlist = lines("!X.* ALLOW", syntax=syntax)
            self.assertIsNone(real(pvlist, "Y"))
            self.assertEqual(real(pvlist, "!X1"), "!X1")

    def test_first_alternative(self) -> None:
        """PCRE stops at the first alternative that matches, and the gateway serves no more."""
        pvlist = lines("A|AB ALLOW", "C(D|DE)x? ALIAS r:\\1")
        self.assertIsNone(real(pvlist, "AB"))
        self.assertEqual(real(pvlist, "CD"), "r:D")
        self.assertIsNone(real(pvlist, "CDE"))
        self.assertIsNone(real(lines(".* ALLOW", "A|AB DENY"), "AB"))
        self.assertIsNone(real(lines(".* ALLOW", "!A|AB DENY"), "AB"))

    def test_bytes(self) -> None:
        """Patterns match bytes, as in the gateway: a dot does not match a letter of two."""
        for syntax in (Syntax.GNU, Syntax.PCRE):
            self.assertIsNone(real(lines("A. ALLOW", syntax=syntax), "Aé"))
            self.assertEqual(real(lines("A..|Aé ALLOW", syntax=Syntax.PCRE), "Aé"), "Aé")
            self.assertEqual(real(lines("Aé ALIAS é", syntax=syntax), "Aé"), "é")

    def test_negated(self) -> None:
        """A pattern after ! matches all other names, as in a gateway built with that option."""
        pvlist = lines("!gateway:.* DENY FROM 10.0.0.1", ".* ALLOW")
        self.assertEqual(real(pvlist, "gateway:load", "10.0.0.1"), "gateway:load")
        self.assertEqual(real(pvlist, "gateway:load.DESC", "10.0.0.1"), "gateway:load.DESC")
        self.assertIsNone(real(pvlist, "BEAM", "10.0.0.1"))
        self.assertEqual(real(pvlist, "BEAM"), "BEAM")

    def test_undocumented_commands(self) -> None:
        """PATTERN and PV mean ALLOW, as in the gateway's code."""
        self.assertEqual(real(lines("A.* PATTERN", "B.* pv"), "B1"), "B1")

    def test_level_of_the_line_before(self) -> None:
        """A level is not lower than the one that the gateway keeps from the previous line."""
        pvlist = lines("A ALLOW ops 2", "B ALLOW ops", "C ALLOW", "D ALLOW ops")
        self.assertEqual([pvlist.resolve(name, HOST).asl for name in "ABCD"], [2, 2, 1, 1])

    def test_accepted_as_the_gateway_does(self) -> None:
        """What the gateway accepts has the same meaning, with a warning if that is unexpected."""
        pvlist = lines("A ALLOW FROM host", "B ALLOW ops 1 more", "C ALLOW ops x", "D ALLOW o 2x")
        found = [pvlist.resolve(name, HOST) for name in "ABCD"]
        self.assertEqual(
            [(one.asg, one.asl) for one in found], [("FROM", 1), ("ops", 1), ("ops", 1), ("o", 2)]
        )
        self.assertEqual(
            [one.partition(" is no")[0] for one in pvlist.warnings], ["f:1: FROM", "f:2: more"]
        )
        pvlist = lines(".* ALLOW", "A DENY FROM", "any ORDER allow,deny more")
        self.assertIsNone(real(pvlist, "A"))
        self.assertEqual(len(pvlist.warnings), 1)
        self.assertIsNotNone(real(lines(r"a\(b\)**c+? ALLOW", syntax=None), "abcc"))

    def test_comments(self) -> None:
        """Text after # is a comment; blank lines, tabs, a byte order mark are ignored."""
        pvlist = parse_pvlist("\ufeff# list\r\n\r\n\tA\tALLOW\tops # read\n")
        self.assertEqual(pvlist.resolve("A", HOST).asg, "ops")


class Spelling(SynchronousTestCase):
    """No other spelling of a channel bypasses a line."""

    def test_denied_record(self) -> None:
        """A denied record is denied with each field, modifier and filter."""
        pvlist = lines(".* ALLOW", "SECRET DENY", "S2 DENY FROM 10.0.0.1")
        for spelling in OTHER_SPELLINGS:
            self.assertIsNone(real(pvlist, spelling.format("SECRET")), spelling)
            self.assertIsNone(real(pvlist, spelling.format("S2"), "10.0.0.1"), spelling)
            self.assertIsNotNone(real(pvlist, spelling.format("S2")), spelling)

    def test_denied_value(self) -> None:
        """Denying X.VAL denies X, which is the same field, but no other field."""
        pvlist = lines(".* ALLOW", r"X\.VAL DENY")
        for name in ("X", "X.", "X.VAL", "X$", "X.{}", 'X.VAL{"ts":{}}', "X.[0]"):
            self.assertIsNone(real(pvlist, name), name)
        for name in ("X.DESC", "X.VALUE", "XY"):
            self.assertEqual(real(pvlist, name), name)

    def test_denied_field(self) -> None:
        """A denied field is denied with modifiers too."""
        pvlist = lines(".* ALLOW", r".*\.PROC DENY")
        for name in ("X.PROC", "X.PROC$", "X.PROC[0]", "X.PROC{}"):
            self.assertIsNone(real(pvlist, name), name)
        self.assertEqual(real(pvlist, "X"), "X")

    def test_allow_requested_name(self) -> None:
        """ALLOW applies to the requested name: for one field, nothing else is served."""
        pvlist = lines(r".*\.DESC ALLOW")
        self.assertEqual(real(pvlist, "X.DESC"), "X.DESC")
        for name in ("X", "X.VAL", "X.VAL.DESC$"):
            self.assertIsNone(real(pvlist, name), name)

    def test_allowed_by_filter_text(self) -> None:
        """The content of a filter does not make a name match an ALLOW."""
        pvlist = lines(r".*PUBLIC.* ALLOW")
        self.assertIsNone(real(pvlist, 'SECRET.{"PUBLIC":{}}'))
        self.assertEqual(real(pvlist, "PUBLIC.{}"), "PUBLIC.{}")

    def test_negated_allow(self) -> None:
        """A list that allows all but X does not allow X's fields and filters."""
        pvlist = lines("!X ALLOW")
        self.assertEqual(real(pvlist, "Y.DESC"), "Y.DESC")
        for spelling in OTHER_SPELLINGS:
            self.assertIsNone(real(pvlist, spelling.format("X")), spelling)

    def test_negated_deny(self) -> None:
        """A list that denies all but PUBLIC cannot be bypassed by a filter that contains it."""
        pvlist = lines("!.*PUBLIC.* DENY", ".* ALLOW")
        self.assertIsNone(real(pvlist, 'SECRET.{"PUBLIC":{}}'))
        self.assertEqual(real(pvlist, "PUBLIC.DESC"), "PUBLIC.DESC")

    def test_stricter_group_of_the_record(self) -> None:
        """A later line for the record applies to its fields, though their names do not match."""
        pvlist = lines(".* ALLOW", "motor[0-9] ALLOW MOTORS 0")
        for name in ("motor1.VAL", "motor1.STOP", "motor1.{}", "motor1$"):
            grants = pvlist.resolve(name, HOST).grants
            self.assertEqual([one.asg for one in grants], ["DEFAULT", "MOTORS"], name)
        self.assertEqual([one.asg for one in pvlist.resolve("motor1", HOST).grants], ["MOTORS"])

    def test_own_line_of_a_field(self) -> None:
        """A line for a field after that of the record is the only one that applies."""
        pvlist = lines(".* ALLOW closed", r".*\.DESC ALLOW open")
        grants = pvlist.resolve("X.DESC", HOST).grants
        self.assertEqual([one.asg for one in grants], ["open"])

    def test_invalid_names(self) -> None:
        """A name with a control character, without characters, or too long is never served."""
        pvlist = lines(".* ALLOW", "(?s:.*) ALLOW", "!x ALLOW")
        for name in ("", "X\0Y", "X\n", "X\x7f", "\ud800", "X" * (MAX_NAME + 1), "ü" * 251):
            self.assertIsNone(real(pvlist, name), name.encode(errors="replace"))

    def test_longest_name(self) -> None:
        """Clients and rules have the same maximum length of a name."""
        for name in ("X" * MAX_NAME, "ü" * 250):
            self.assertEqual(real(lines(".* ALLOW"), checked_name(name)), name)

    def test_invalid_real_name(self) -> None:
        """An alias that results in an empty name serves nothing."""
        self.assertIsNone(real(lines(r"a(x?) ALIAS \1"), "a"))
