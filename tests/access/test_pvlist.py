"""PV lists: the CA gateway's semantics, and no way around a DENY by another spelling."""

from __future__ import annotations

import re2
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access.errors import AccessFileError
from pycawamp.access.patterns import Pattern, PatternSet
from pycawamp.access.pvlist import PVList
from pycawamp.access.pvlist_file import parse_pvlist
from pycawamp.access.syntax import Dialect, Syntax
from tests.support.examples import examples

HOST = "192.0.2.1"


def lines(*said: str, syntax: Syntax | None = Syntax.PCRE_NEG) -> PVList:
    return parse_pvlist("\n".join(said), "f", syntax)


def real(pvlist: PVList, name: str, host: str = HOST, host_name: str | None = None) -> str | None:
    found = pvlist.resolve(name, host, host_name)
    return found.real_name if found.allowed else None


class GatewaySemantics(SynchronousTestCase):
    """What the CA gateway does with a list."""

    def test_nothing_matches(self) -> None:
        """A name that no ALLOW or ALIAS line matches is not served, nor is any by an empty list."""
        self.assertIsNone(real(lines("A ALLOW"), "B"))
        self.assertIsNone(real(lines(""), "B"))

    def test_whole_name(self) -> None:
        """A pattern matches the whole name or not at all."""
        pvlist = lines("BEAM ALLOW")
        self.assertEqual(real(pvlist, "BEAM"), "BEAM")
        for name in ("BEAM2", "XBEAM", "beam"):
            self.assertIsNone(real(pvlist, name), name)

    def test_defaults(self) -> None:
        """Without a group and level a PV is in DEFAULT at level 1, not at a lower one."""
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
        """With DENY, ALLOW a DENY line is overridden by each ALLOW, wherever both stand."""
        pvlist = lines("EVALUATION ORDER DENY, ALLOW", "A.* ALLOW", ".* DENY")
        self.assertEqual(real(pvlist, "A1"), "A1")
        self.assertIsNone(real(pvlist, "B1"))

    def test_last_order(self) -> None:
        """The last EVALUATION ORDER line holds for the whole file."""
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
        """The word FROM may be left out before the hosts."""
        pvlist = lines(".* ALLOW", "T.* deny 10.0.0.1 10.0.0.2")
        self.assertIsNone(real(pvlist, "T1", "10.0.0.2"))
        self.assertEqual(real(pvlist, "T1"), "T1")

    def test_unqualified_host(self) -> None:
        """A host without a domain in DENY FROM is that host in each domain."""
        pvlist = lines(".* ALLOW", ".* DENY FROM scope")
        self.assertIsNone(real(pvlist, "A", HOST, "scope.lab.example"))
        self.assertEqual(real(pvlist, "A", HOST, "lab.scope"), "A")

    def test_alias(self) -> None:
        r"""ALIAS serves the real name, its \1 to \9 being what the pattern captured."""
        pvlist = lines(r"ps([0-9])(:x)? ALIAS PSCurrent\1.ai\2 PowerSupply 0")
        self.assertEqual(real(pvlist, "ps7"), "PSCurrent7.ai")
        self.assertEqual(real(pvlist, "ps7:x"), "PSCurrent7.ai:x")
        self.assertEqual(pvlist.resolve("ps7", HOST).asg, "PowerSupply")
        self.assertEqual(real(lines(r"(.*) ALIAS \0\:\1\\"), "A"), "A:A\\")

    def test_alias_of_denied(self) -> None:
        """DENY is about the name asked for: the real name of an alias may well be denied."""
        pvlist = lines(r"gateway:(.*) ALIAS ioc:\1", "ioc:.* DENY", "gwtest:.* ALLOW")
        self.assertEqual(real(pvlist, "gateway:ai"), "ioc:ai")
        self.assertIsNone(real(pvlist, "ioc:ai"))

    def test_default_build(self) -> None:
        r"""A list that names no build is in the GNU library's syntax, with or without \(…\)."""
        pvlist = lines(r"ps\([0-9]\) ALIAS PSCurrent\1.ai ps 1", r"c\|d+ ALLOW", syntax=None)
        self.assertEqual(real(pvlist, "ps7"), "PSCurrent7.ai")
        self.assertEqual(real(pvlist, "dd"), "dd")
        pvlist = lines(".* ALLOW", "SR{1}:.* DENY", syntax=None)
        self.assertIsNone(real(pvlist, "SR{1}:X"))
        self.assertEqual(real(pvlist, "SR:X"), "SR:X")
        pvlist = lines(".* ALLOW", r"\(\S*\):A DENY", syntax=None)
        self.assertIsNone(real(pvlist, "SECRET:A"))

    def test_other_builds(self) -> None:
        """What only other builds of the gateway read as it looks must name its build."""
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
        """Without USE_NEG_REGEXP a ! is a plain character."""
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
        """A pattern is for bytes, as in the gateway: a dot is no letter of two."""
        for syntax in (Syntax.GNU, Syntax.PCRE):
            self.assertIsNone(real(lines("A. ALLOW", syntax=syntax), "Aé"))
            self.assertEqual(real(lines("A..|Aé ALLOW", syntax=Syntax.PCRE), "Aé"), "Aé")
            self.assertEqual(real(lines("Aé ALIAS é", syntax=syntax), "Aé"), "é")

    def test_negated(self) -> None:
        """A pattern after ! matches what it does not, as in a gateway built for that."""
        pvlist = lines("!gateway:.* DENY FROM 10.0.0.1", ".* ALLOW")
        self.assertEqual(real(pvlist, "gateway:load", "10.0.0.1"), "gateway:load")
        self.assertEqual(real(pvlist, "gateway:load.DESC", "10.0.0.1"), "gateway:load.DESC")
        self.assertIsNone(real(pvlist, "BEAM", "10.0.0.1"))
        self.assertEqual(real(pvlist, "BEAM"), "BEAM")

    def test_undocumented_commands(self) -> None:
        """PATTERN and PV are ALLOW, as the gateway's code has them."""
        self.assertEqual(real(lines("A.* PATTERN", "B.* pv"), "B1"), "B1")

    def test_level_of_the_line_before(self) -> None:
        """A level is not lower than the one that the gateway keeps from the line before."""
        pvlist = lines("A ALLOW ops 2", "B ALLOW ops", "C ALLOW", "D ALLOW ops")
        self.assertEqual([pvlist.resolve(name, HOST).asl for name in "ABCD"], [2, 2, 1, 1])

    def test_accepted_as_the_gateway_does(self) -> None:
        """What the gateway takes is taken as it does, with a warning where that is odd."""
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
        """What follows # is a comment; blank lines, tabs, a byte order mark are nothing."""
        pvlist = parse_pvlist("\ufeff# list\r\n\r\n\tA\tALLOW\tops # read\n")
        self.assertEqual(pvlist.resolve("A", HOST).asg, "ops")


OTHER_SPELLINGS = (
    "{}.VAL",
    "{}.",
    "{}.DESC",
    "{}.VAL$",
    "{}.$",
    "{}$",
    '{}.{{"dbnd":{{"abs":0.5}}}}',
    '{}.VAL{{"ts":{{}}}}',
    "{}.VAL[0:3]",
    "{}.[1]",
    "{}.DESC$[0:1]{{}}",
    '{}{{"ts":{{}}}}',
    "{}.a.b",
)


class Spelling(SynchronousTestCase):
    """No other spelling of a channel gets round a line."""

    def test_denied_record(self) -> None:
        """A record that is denied is denied with each field, modifier and filter."""
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
        """A field that is denied is denied with modifiers too."""
        pvlist = lines(".* ALLOW", r".*\.PROC DENY")
        for name in ("X.PROC", "X.PROC$", "X.PROC[0]", "X.PROC{}"):
            self.assertIsNone(real(pvlist, name), name)
        self.assertEqual(real(pvlist, "X"), "X")

    def test_allow_is_as_asked(self) -> None:
        """ALLOW is about the name as asked for: for one field alone, nothing else is served."""
        pvlist = lines(r".*\.DESC ALLOW")
        self.assertEqual(real(pvlist, "X.DESC"), "X.DESC")
        for name in ("X", "X.VAL", "X.VAL.DESC$"):
            self.assertIsNone(real(pvlist, name), name)

    def test_allowed_by_filter_text(self) -> None:
        """What is written in a filter does not make a name one that ALLOW means."""
        pvlist = lines(r".*PUBLIC.* ALLOW")
        self.assertIsNone(real(pvlist, 'SECRET.{"PUBLIC":{}}'))
        self.assertEqual(real(pvlist, "PUBLIC.{}"), "PUBLIC.{}")

    def test_negated_allow(self) -> None:
        """All but X allowed means without X's fields and filters."""
        pvlist = lines("!X ALLOW")
        self.assertEqual(real(pvlist, "Y.DESC"), "Y.DESC")
        for spelling in OTHER_SPELLINGS:
            self.assertIsNone(real(pvlist, spelling.format("X")), spelling)

    def test_negated_deny(self) -> None:
        """All but PUBLIC denied cannot be passed by a filter that mentions it."""
        pvlist = lines("!.*PUBLIC.* DENY", ".* ALLOW")
        self.assertIsNone(real(pvlist, 'SECRET.{"PUBLIC":{}}'))
        self.assertEqual(real(pvlist, "PUBLIC.DESC"), "PUBLIC.DESC")

    def test_stricter_group_of_the_record(self) -> None:
        """A later line for the record counts for its fields, though their names do not match."""
        pvlist = lines(".* ALLOW", "motor[0-9] ALLOW MOTORS 0")
        for name in ("motor1.VAL", "motor1.STOP", "motor1.{}", "motor1$"):
            grants = pvlist.resolve(name, HOST).grants
            self.assertEqual([one.asg for one in grants], ["DEFAULT", "MOTORS"], name)
        self.assertEqual([one.asg for one in pvlist.resolve("motor1", HOST).grants], ["MOTORS"])

    def test_own_line_of_a_field(self) -> None:
        """A line for a field after that of the record is the only one that counts."""
        pvlist = lines(".* ALLOW closed", r".*\.DESC ALLOW open")
        grants = pvlist.resolve("X.DESC", HOST).grants
        self.assertEqual([one.asg for one in grants], ["open"])

    def test_unfit_names(self) -> None:
        """A name with a NUL or another control character, none or too many is never served."""
        pvlist = lines(".* ALLOW", "(?s:.*) ALLOW", "!x ALLOW")
        for name in ("", "X\0Y", "X\n", "X\x7f", "\ud800", "X" * 5000):
            self.assertIsNone(real(pvlist, name), name.encode(errors="replace"))

    def test_unfit_real_name(self) -> None:
        """An alias that would make an empty name serves nothing."""
        self.assertIsNone(real(lines(r"a(x?) ALIAS \1"), "a"))


REFUSED = (
    ("A", "1:2", "expected ALLOW, DENY or ALIAS after the pattern, found nothing"),
    ("  A  GRANT", "1:6", "found GRANT"),
    ("A ALIAS", "1:8", "expected the real name after ALIAS"),
    (r"A(.) ALIAS B\2", "1:13", r"expected a group of the pattern, which has 1; found \2"),
    (r"!A(.) ALIAS B\1", "1:14", "which has 0"),
    ("A ALIAS B\\", "1:10", "expected a character after the backslash"),
    ("A DENY FROM 10.0.0.0/8", "1:13", "expected a host name or an address"),
    ("ok ALLOW\nA DENY FROM a, *.lab", "2:16", "found *.lab"),
    ("EVALUATION ORDER ALLOW", "1:18", "expected ALLOW, DENY or DENY, ALLOW"),
    ("EVALUATION ORDER", "1:17", "expected ALLOW, DENY or DENY, ALLOW"),
    ("A ALLOW\nB\x0bALLOW", "2:2", "expected printable characters"),
    (r"ab(c)\1 DENY", "1:6", "back-references"),
    (r"ab(c)\g{1} DENY", "1:6", "back-references"),
    ("a(?=b).* DENY", "1:2", "look-ahead"),
    ("a(?!b).* DENY", "1:2", "look-ahead"),
    (" !a(?<!b).* DENY", "1:4", "look-behind"),
    ("(?>a*)b DENY", "1:1", "atomic groups"),
    ("a(?P<x>b)(?P=x) DENY", "1:10", "back-references"),
    ("(a|(?R)) DENY", "1:4", "recursion"),
    ("ab** DENY", "1:3", "bad repetition operator"),
    ("* DENY", "1:1", "no argument for repetition operator"),
    ("x(a DENY", "1:1", "missing )"),
    ("(a{100}){1000} DENY", "1:9", "invalid repetition size"),
    ("A^* DENY", "1:2", "expected no repetition of what matches nothing"),
    ("(?<a>A)(?P<a>B) DENY", "1:1", "expected another name for each group"),
    (r"(.*)+ ALIAS B\1", "1:14", "expected a pattern whose groups are not repeated"),
    ("x[[.a.]] DENY", "1:2", "expected a bracket without [. .]"),
    ("A ALLOW\r\nB ALLOW", "1:8", "expected a line feed at the end"),
    ("A DENY\r", "1:7", "expected a line feed at the end"),
    ("A ALLOW ops#1", "1:12", "expected a blank before the comment"),
    (f"A ALLOW\nB DENY {'h' * 1020}", "2:1", "expected a line of less than 1023 bytes"),
)


REFUSED_GNU = (
    (r"\(a\)\1 DENY", "1:6", "back-references"),
    (r"\(a\)\<b DENY", "1:6", r"write \b"),
    (r"x\(a\)[[.ab.]] DENY", "1:8", "expected one character in [. .]"),
    (r"é\(a DENY", "1:2", r"expected \) after \("),
    (r"a\)b DENY", "1:2", r"expected \( before \)"),
    ("x[a DENY", "1:2", "expected ] after ["),
    ("x[a-c-e] DENY", "1:6", "expected - only between"),
    ("x[a---e] DENY", "1:4", "expected a bracket without ---"),
    ("x\\ DENY", "1:2", "expected a character after the backslash"),
)


class Refusals(SynchronousTestCase):
    """A line that is not understood refuses the file, with its place."""

    def test_places(self) -> None:
        """Each mistake is told with file, line, column and what was expected."""
        self._check(REFUSED, Syntax.PCRE_NEG)

    def test_places_in_gnu_syntax(self) -> None:
        """So are those of the GNU library's syntax."""
        self._check(REFUSED_GNU, None)

    def _check(self, refused: tuple[tuple[str, str, str], ...], syntax: Syntax | None) -> None:
        for text, place, message in refused:
            error = self.assertRaises(AccessFileError, parse_pvlist, text, "f", syntax)
            self.assertTrue(str(error).startswith(f"f:{place}: expected"), (text, str(error)))
            self.assertIn(message, str(error))

    def test_linear_time(self) -> None:
        """A pattern that takes others exponential time is matched at once."""
        pvlist = lines("(a*)*(a|aa)*(a|a?)+b DENY", ".* ALLOW")
        self.assertEqual(real(pvlist, "a" * 1000), "a" * 1000)

    def test_sizes(self) -> None:
        """A pattern, or all together, that would take long for each name are refused."""
        error = self.assertRaises(AccessFileError, lines, "A ALLOW", "!x(abcd){300} DENY")
        self.assertIn("f:2:2: expected a smaller pattern", str(error))
        many = [f"{at}[ab]{{900}} ALLOW" for at in range(120)]
        error = self.assertRaises(AccessFileError, lines, *many)
        self.assertRegex(str(error), "f:1[01][0-9]:1: expected fewer or smaller patterns")

    def test_engine_without_answer(self) -> None:
        """A DENY is found even if the engine fails to try all patterns at once."""
        patterns = PatternSet(tuple(Pattern(one, Dialect.PCRE) for one in ("A", "B.*", ".*C")))
        failing = re2.Set.FullMatchSet()
        failing.Compile()  # without patterns it never has an answer
        object.__setattr__(patterns, "_set", failing)
        self.assertEqual(patterns.able("BC"), {1, 2})
        self.assertEqual(patterns.able("X"), set())


PIECES = st.sampled_from(
    [
        "A",
        "b",
        ":",
        "[0-9]",
        ".*",
        ".",
        r"\.",
        "x?",
        "(A|b)",
        "(.*)",
        "[^:]+",
        "VAL",
        "DESC",
        "^",
        "$",
    ]
)
PATTERNS = st.tuples(
    st.sampled_from(["", "", "", "!"]), st.lists(PIECES, min_size=1, max_size=4)
).map(lambda made: made[0] + "".join(made[1]))
HOSTS = st.sampled_from(["10.0.0.1", "pc", "::1", "pc.lab"])
LINES = st.one_of(
    st.builds("{} ALLOW {}".format, PATTERNS, st.sampled_from(["", "ops", "ops 0", "DEFAULT 1"])),
    st.builds("{} DENY".format, PATTERNS),
    st.builds("{} deny from {}, {}".format, PATTERNS, HOSTS, HOSTS),
    st.builds("{} ALIAS {} ops".format, PATTERNS, st.sampled_from(["real", "r.VAL", r"a\:b"])),
    st.builds("EVALUATION ORDER {}".format, st.sampled_from(["ALLOW,DENY", "DENY, ALLOW"])),
)
FILES = st.lists(LINES, max_size=8).map("\n".join)
NAMES = st.one_of(
    st.lists(
        st.sampled_from(["A", "b", ":", "1", ".", "VAL", "DESC", "x", "$", "{}"]), max_size=6
    ).map("".join),
    st.text(max_size=8),
)
CLIENTS = st.tuples(HOSTS, st.none() | HOSTS)


def decisions(pvlist: PVList, names: list[str], client: tuple[str, str | None]) -> list[object]:
    found = [pvlist.resolve(name, *client) for name in names]
    return [(one.allowed, one.real_name, [(g.asg, g.asl) for g in one.grants]) for one in found]


class Properties(SynchronousTestCase):
    """What holds for each file."""

    @settings(deadline=None, max_examples=examples(150))
    @given(FILES, st.lists(NAMES, max_size=5), CLIENTS)
    def test_round_trip(self, text: str, names: list[str], client: tuple[str, str | None]) -> None:
        """A printed list, parsed again, is equal and decides the same."""
        pvlist = lines(text)
        again = lines(str(pvlist))
        self.assertEqual(again, pvlist)
        self.assertEqual(decisions(again, names, client), decisions(pvlist, names, client))

    @settings(deadline=None, max_examples=examples(150))
    @given(st.text() | st.text("AB.*()[]{}|\\!^$+?#,\n \tDENYALOWISFRM019", max_size=60), NAMES)
    @example("A ALIAS \\²", "A")
    @example("A ALLOW ops ²", "A")
    def test_any_text(self, text: str, name: str) -> None:
        """Any text is a list that decides, or an error with a place."""
        self._parsed(text, name)

    @settings(deadline=None, max_examples=examples(150))
    @given(FILES, st.data(), NAMES)
    def test_mutated(self, text: str, data: st.DataObject, name: str) -> None:
        """A list with something put in or taken out is a list, or an error with a place."""
        at = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(at, min(len(text), at + 5)))
        self._parsed(
            text[:at] + data.draw(st.text("\\([{*?!#\n 1\0é", max_size=3)) + text[end:], name
        )

    @settings(deadline=None, max_examples=examples(150))
    @given(
        FILES,
        st.sampled_from(["A", "Ab", "A:1", "bVAL"]),
        st.sampled_from(OTHER_SPELLINGS),
        CLIENTS,
    )
    def test_no_way_round(
        self, text: str, record: str, spelling: str, client: tuple[str, str | None]
    ) -> None:
        """Where a line (but for !) denies a record, it is denied in each spelling."""
        pvlist = lines(text)
        found = pvlist.resolve(record, *client)
        if not found.allowed and " DENY" in found.rule and ": !" not in found.rule:
            self.assertFalse(pvlist.resolve(spelling.format(record), *client).allowed)

    @settings(deadline=None, max_examples=examples(150))
    @given(FILES, st.sampled_from(["A", "Ab", "A:1", "bVAL"]), st.sampled_from(OTHER_SPELLINGS))
    def test_group_of_the_record(self, text: str, record: str, spelling: str) -> None:
        """The last line, if it is for a record alone, limits each spelling that is served."""
        pvlist = lines(text, f"{record} ALLOW limited")
        found = pvlist.resolve(spelling.format(record), HOST)
        if found.allowed:
            self.assertIn("limited", [one.asg for one in found.grants])

    def _parsed(self, text: str, name: str) -> None:
        try:
            pvlist = lines(text)
        except AccessFileError as error:
            self.assertRegex(str(error), r"(?s)^f:\d+:\d+: expected ")
            return
        pvlist.resolve(name, HOST)
        self.assertEqual(lines(str(pvlist)), pvlist)
