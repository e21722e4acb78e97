"""PV lists, and their decisions about names."""

from __future__ import annotations

from hypothesis import strategies as st

from pycawamp.access.pvlist import PVList
from pycawamp.access.pvlist_file import parse_pvlist
from pycawamp.access.syntax import Syntax

HOST = "192.0.2.1"


def lines(*texts: str, syntax: Syntax | None = Syntax.PCRE_NEG) -> PVList:
    return parse_pvlist("\n".join(texts), "f", syntax)


def real(pvlist: PVList, name: str, host: str = HOST, host_name: str | None = None) -> str | None:
    found = pvlist.resolve(name, host, host_name)
    return found.real_name if found.allowed else None


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
