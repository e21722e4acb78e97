"""Invalid PV lists, and the errors."""

from __future__ import annotations

import re2
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access.errors import AccessFileError
from pycawamp.access.patterns import Pattern, PatternSet
from pycawamp.access.pvlist_file import parse_pvlist
from pycawamp.access.syntax import RegexLibrary, Syntax
from pycawamp.pv.names import MAX_NAME
from tests.support.pvlists import lines, real

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
    """A line that is not understood is an error with its position."""

    def test_places(self) -> None:
        """Each error has file, line, column and what was expected."""
        self._check(REFUSED, Syntax.PCRE_NEG)

    def test_places_in_gnu_syntax(self) -> None:
        """So have errors in the GNU library's syntax."""
        self._check(REFUSED_GNU, None)

    def _check(self, refused: tuple[tuple[str, str, str], ...], syntax: Syntax | None) -> None:
        for text, place, message in refused:
            error = self.assertRaises(AccessFileError, parse_pvlist, text, "f", syntax)
            self.assertTrue(str(error).startswith(f"f:{place}: expected"), (text, str(error)))
            self.assertIn(message, str(error))

    def test_linear_time(self) -> None:
        """A pattern that takes other libraries exponential time is matched at once."""
        pvlist = lines("(a*)*(a|aa)*(a|a?)+b DENY", ".* ALLOW")
        self.assertEqual(real(pvlist, "a" * MAX_NAME), "a" * MAX_NAME)

    def test_sizes(self) -> None:
        """Patterns that would take long for each name, alone or together, are refused."""
        error = self.assertRaises(AccessFileError, lines, "A ALLOW", "!x(abcd){300} DENY")
        self.assertIn("f:2:2: expected a smaller pattern", str(error))
        many = [f"{at}[ab]{{900}} ALLOW" for at in range(120)]
        error = self.assertRaises(AccessFileError, lines, *many)
        self.assertRegex(str(error), "f:1[01][0-9]:1: expected fewer or smaller patterns")

    def test_engine_without_answer(self) -> None:
        """A DENY is found even if the engine cannot match all patterns at once."""
        patterns = PatternSet(tuple(Pattern(one, RegexLibrary.PCRE) for one in ("A", "B.*", ".*C")))
        failing = re2.Set.FullMatchSet()
        failing.Compile()  # without patterns it never has an answer
        object.__setattr__(patterns, "_set", failing)
        self.assertEqual(patterns.able("BC"), {1, 2})
        self.assertEqual(patterns.able("X"), set())
