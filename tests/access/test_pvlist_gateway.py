"""PV lists never serve more than the CA gateway does, for random lists and names."""

from __future__ import annotations

from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access.errors import AccessFileError, PatternError
from pycawamp.access.patterns import Pattern
from pycawamp.access.pvlist_file import parse_pvlist
from pycawamp.access.syntax import RegexLibrary, Syntax
from tests.support.ca_gateway_pvlist import (
    PCRE_LIBRARY,
    BadPatternError,
    GatewayList,
    GNUPattern,
    PCREPattern,
)
from tests.support.examples import examples

HOSTS = ("10.0.0.1", "10.0.0.2")
PIECES = (
    *("A", "B", "S", "d", ":", "1", "-", "_", "ab", "é", "{1}", "{", "}", "(", ")", "|", "!"),
    *(r"\(A\|AB\)\(B\|\)", r"\(\(A\)\|B\)*", r"\(A*\)*"),
    *(".", ".*", "*", "+", "?", "^", "$", r"\(", r"\)", r"\|", r"\(A\|AB\)", r"\(.*\)", r"\(S*\)"),
    *(r"\w", r"\W", r"\s", r"\S", r"\b", r"\B", r"\`", r"\'", r"\d", r"\.", r"\{", r"\-", r"\+"),
    *(
        "[AB]",
        "[^AB]",
        "[0-9]",
        "[A-]",
        "[]A]",
        "[^]A]",
        "[a-cA-C]",
        r"[\S]",
        r"[\.]",
        "[[:digit:]]",
    ),
    *("[", "]", "[^", "--", "[A--]", "[--A]", "[A---B]", "[a-b-c]", "[[.A.]]", "[[=A=]]", "[z-a]"),
)
PATTERNS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)
NAMES = st.lists(
    st.sampled_from([*"ABSd:1-_ab{}()|!.^$*+?[]\\ws", "é", "AB", "{1}"]), min_size=1, max_size=6
).map("".join)


class Patterns(SynchronousTestCase):
    """Single patterns, compared with glibc."""

    @settings(deadline=None, max_examples=examples(500))
    @given(PATTERNS, st.lists(NAMES, min_size=1, max_size=8))
    @example(r"\(\S*\):A", ["SECRET:A", "S:A"])
    @example("SR{1}:.*", ["SR{1}:X", "SR:X"])
    @example(r"^*a$b\(c\)$", ["*a$bc", "a$bc"])
    @example(r"a**b+?", ["aab", "b", "bb"])
    @example("[[:digit:]]", ["1", "d]", ":]"])
    @example(".", ["é"])
    def test_as_glibc(self, source: str, names: list[str]) -> None:
        """A pattern matches and captures as in the gateway, or is refused."""
        try:
            theirs = GNUPattern(source)
        except BadPatternError:
            self.assertRaises(PatternError, Pattern, source, RegexLibrary.GNU)
            return
        try:
            ours = Pattern(source, RegexLibrary.GNU)
        except PatternError as error:
            self.assertRegex(error.message, "without|smaller")
            return
        for name in names:
            self.assertEqual(ours.captures(name), theirs.captures(name), name)

    def test_each_character(self) -> None:
        """Each operator and bracket matches the same characters."""
        for source in (r"\w", r"\W", r"\s", r"\S", ".", r"\.", "[[:digit:]]]*", r"[\w-]", "[^A-Z]"):
            ours, theirs = Pattern(source, RegexLibrary.GNU), GNUPattern(source)
            for code in range(1, 128):
                name = chr(code)
                self.assertEqual(
                    bool(ours.captures(name)), bool(theirs.captures(name)), (source, name)
                )


PCRE_PIECES = (
    *("A", "B", ":", "1", "-", "ab", "é", "(A|AB)", "(B|)", "(A*)", "(.*)", "(", "|", ")", ".*"),
    *(
        ".",
        "*",
        "+",
        "?",
        "*?",
        "+?",
        "??",
        "{1}",
        "{,2}",
        "{1,2}",
        "{2",
        "{",
        "}",
        "(A)?",
        "(A|B)*",
    ),
    *(
        "[AB]",
        "[^AB]",
        "[]A]",
        "[^]A]",
        "[A-]",
        r"[\w]",
        r"[\]]",
        "[[:digit:]]",
        "[[:^alpha:]]",
        "[",
    ),
    *("]", "[.", r"[a-\d]", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\b", r"\B", r"\A", r"\z"),
    *(
        r"\.",
        r"\-",
        r"\_",
        r"\Q.\E",
        r"\x41",
        r"\x4",
        r"\t",
        r"\101",
        r"\0",
        "^",
        "$",
        "(?:",
        "(?i)",
    ),
    *(r"\R", r"\h", r"\K", r"\G", "(?P<n>A)", "*+", "(?#x)", r"\E", "(?U)", "(?x)", "!", "[[:<:]]"),
)
PCRE_PATTERNS = st.lists(st.sampled_from(PCRE_PIECES), min_size=1, max_size=5).map("".join)


class PCREPatterns(SynchronousTestCase):
    """Single patterns, compared with the library of gateways built with USE_PCRE."""

    if PCRE_LIBRARY is None:
        skip = "libpcre (not pcre2) is not installed"

    @settings(deadline=None, max_examples=examples(500))
    @given(PCRE_PATTERNS, st.lists(NAMES, min_size=1, max_size=8))
    @example("A|AB", ["AB", "A"])
    @example("(A|AB)(B|)", ["AB"])
    @example("A*?", ["AA"])
    @example("^*", ["A"])
    def test_as_pcre(self, source: str, names: list[str]) -> None:
        """A pattern matches as in the gateway, or is refused."""
        try:
            ours = Pattern(source, RegexLibrary.PCRE)
        except PatternError:
            assume(False)
        theirs = PCREPattern(source)
        for name in names:
            captured, expected = ours.captures(name), theirs.captures(name)
            self.assertEqual(bool(captured), bool(expected), name)
            if not ours.repeats_group:
                # Groups without a match are empty.
                padding = ("",) * (len(captured) - len(expected))
                self.assertEqual(captured, (*expected, *padding))


GROUPS = ("", "ops", "ops 0", "ops 2", "FROM 10.0.0.1", "ops x", "ops 1 more", "ops -1", "ops # 0")
LINES = st.one_of(
    st.builds(
        "{} {} {}".format, PATTERNS, st.sampled_from(["ALLOW", "pv"]), st.sampled_from(GROUPS)
    ),
    st.builds("{} DENY".format, PATTERNS),
    st.builds(
        "{} deny {}{}".format, PATTERNS, st.sampled_from(["", "From "]), st.sampled_from(HOSTS)
    ),
    st.builds("{} DENY FROM".format, PATTERNS),
    st.builds(r"\({}\){} ALIAS r:\1 {}".format, PATTERNS, PATTERNS, st.sampled_from(GROUPS)),
    st.sampled_from(["EVALUATION ORDER DENY, ALLOW", "x order allow,deny more", "# ALLOW", "A #b"]),
    st.sampled_from([".* ALLOW", "A.* ALLOW ops 1", ".* ALLOW\r", "B DENY\r"]),
)
FILES = st.lists(LINES, max_size=8).map(lambda lines: "".join(f"{line}\n" for line in lines))


class Lists(SynchronousTestCase):
    """Whole lists, compared with the gateway's default build."""

    @settings(deadline=None, max_examples=examples(400))
    @given(FILES, st.lists(NAMES, min_size=1, max_size=8), st.sampled_from(HOSTS), st.booleans())
    @example(".* ALLOW\n\\(\\S*\\):A DENY\n", ["SECRET:A"], HOSTS[0], False)
    @example(".* ALLOW\nSR{1}:.* DENY\n", ["SR{1}:X", "SR:X"], HOSTS[0], False)
    @example("!X ALLOW\n", ["Y", "!X"], HOSTS[0], False)
    @example("X ALLOW\r\n", ["X"], HOSTS[0], False)
    @example("[[:digit:]] ALLOW\n", ["4", "d]"], HOSTS[0], False)
    @example("A ALLOW g 2\nB ALLOW g\n", ["B"], HOSTS[0], False)
    @example("X ALLOW FROM 10.0.0.1\n", ["X"], HOSTS[1], False)
    def test_never_more(self, text: str, names: list[str], host: str, named: bool) -> None:
        """A served name is also served by the gateway, as the same PV with the same rights."""
        try:
            ours = parse_pvlist(text, "f", Syntax.GNU if named else None)
        except AccessFileError:
            assume(False)
        theirs = GatewayList(text)
        for name in names:
            found, entry = ours.resolve(name, host), theirs.find(name, host)
            if not found.allowed:
                continue
            event("served")
            assert entry is not None, name
            self.assertEqual(found.real_name, entry.real_name(name))
            self.assertEqual(found.asg, entry.group)
            self.assertGreaterEqual(found.asl, entry.level)

    @settings(deadline=None, max_examples=examples(150))
    @given(FILES, st.lists(NAMES, min_size=1, max_size=8), st.sampled_from(HOSTS))
    def test_never_less(self, text: str, names: list[str], host: str) -> None:
        """A name that the gateway serves is served, unless another spelling of it is denied."""
        try:
            ours = parse_pvlist(text, "f", Syntax.GNU)
        except AccessFileError:
            assume(False)
        theirs = GatewayList(text)
        for name in names:
            spellings = (name, f"{name}.VAL", name.partition(".")[0], name.rstrip("]}$"))
            if all(theirs.find(one, host) for one in spellings) and name.isascii():
                found = ours.resolve(name, host)
                self.assertTrue(found.allowed or " DENY" in found.rule, (name, found))
