"""Random access security files, for Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

UAGS = ("ops", "sup", "a:b")
HAGS = ("cr", "h-1", "office")
ASGS = ("DEFAULT", "locked", "b.c", "unknown")
USERS = ("alice", "bob", "O'Neil", "RULE")
HOSTS = ("mars", "venus.lab", "10.0.0.1")


def _names(names: tuple[str, ...]) -> st.SearchStrategy[str]:
    quoted = st.sampled_from(names).map(lambda name: f'"{name}"')
    return st.lists(quoted, min_size=1, max_size=3).map(", ".join)


def _body(kind: str, name: str, members: str | None) -> str:
    return f'{kind}("{name}")' + (f" {{{members}}}" if members else "")


EXPRESSIONS = ("A", "A=1", "A+B=2", "B>0||A", "VAL+A", "A#1", "!A", "C", "1", "1/A", "NAN+A")
UNKNOWN = (
    'METHOD("x509", "tls")',
    "METHOD()",
    "AUTHORITY(a) {b(1) c() {d, 2.5}}",
    "PROTOCOL(TLS)",
    "RULE(1,READ) {UAG}",
    "INPB(x)",
)
CONDITIONS = st.lists(
    st.one_of(
        _names(UAGS).map("UAG({})".format),
        _names(HAGS).map("HAG({})".format),
        _names(UAGS).map("UAG({})".format),
        st.sampled_from(EXPRESSIONS).map('CALC("{}")'.format),
        st.sampled_from(UNKNOWN),
    ),
    max_size=2,
).map(lambda found: " {" + " ".join(found) + "}" if found else "")
RULES = st.builds(
    "RULE({}, {}{}){}".format,
    st.sampled_from(["0", "1", "2", "+1", "-0", "4294967296"]),
    st.sampled_from(["NONE", "READ", "WRITE"]),
    st.sampled_from(["", ", TRAPWRITE", ",NOTRAPWRITE # as usual\n"]),
    CONDITIONS,
)
# EPICS 7.0.10 adds the conditions of such a rule to the previous rule.
FOR_CALLS = st.just("RULE(1, RPC)")
INPUTS = st.builds("INP{}({})".format, st.sampled_from("ABC"), st.sampled_from(["x", "y", "z"]))
GROUPS = st.tuples(*(st.none() | _names(USERS) for _ in UAGS))
PLACES = st.tuples(*(st.none() | _names(HOSTS) for _ in HAGS))
SETS = st.tuples(
    *(
        st.none() | st.lists(RULES | INPUTS | FOR_CALLS, min_size=1, max_size=6).map("\n".join)
        for _ in range(3)
    )
)
ITEMS = st.sampled_from(
    ["", 'AUTHORITY(x, "y z") {AUTHORITY(w)}', "later(1) {a, b}", "x() {1}{2,3}"]
)


def _file(
    users: tuple[str | None, ...],
    hosts: tuple[str | None, ...],
    rules: tuple[str | None, ...],
    item: str = "",
) -> str:
    parts = [("UAG", UAGS, users), ("HAG", HAGS, hosts), ("ASG", ASGS[:3], rules)]
    return f"{item}\n" + "\n".join(
        _body(kind, name, of)
        for kind, names, bodies in parts
        for name, of in zip(names, bodies, strict=True)
    )


# All INPs before all RULEs, or mixed: EPICS accepts both.
CALCULATED = st.builds(
    "RULE({},{}{}) {{CALC({})}}".format,
    st.integers(0, 1),
    st.sampled_from(["READ", "WRITE"]),
    st.sampled_from(["", ",TRAPWRITE"]),
    st.sampled_from(EXPRESSIONS).map('"{}"'.format),
)
CALCULATED_GROUPS = st.lists(CALCULATED | INPUTS, min_size=3, max_size=8).map(
    lambda items: "ASG(a) {INPA(x) " + "\n".join(items) + "}"
)
FILES = st.builds(_file, GROUPS, PLACES, SETS, ITEMS)
CLIENTS = st.tuples(st.sampled_from((*USERS, "mallory")), st.sampled_from((*HOSTS, "pluto")))
