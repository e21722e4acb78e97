"""The same access files, decided by EPICS base itself (libCom's asLib), as a yardstick."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_long, c_void_p

from epicscorelibs.path import get_lib
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access.acf_file import parse_acf
from pycawamp.access.errors import AccessFileError

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


CONDITIONS = st.lists(
    st.one_of(
        _names(UAGS).map("UAG({})".format),
        _names(HAGS).map("HAG({})".format),
    ),
    max_size=2,
).map(lambda found: " {" + " ".join(found) + "}" if found else "")
RULES = st.builds(
    "RULE({}, {}{}){}".format,
    st.integers(0, 1),
    st.sampled_from(["NONE", "READ", "WRITE"]),
    st.sampled_from(["", ", TRAPWRITE", ",NOTRAPWRITE # as usual\n"]),
    CONDITIONS,
)
GROUPS = st.tuples(*(st.none() | _names(USERS) for _ in UAGS))
PLACES = st.tuples(*(st.none() | _names(HOSTS) for _ in HAGS))
SETS = st.tuples(
    *(st.none() | st.lists(RULES, min_size=1, max_size=4).map("\n".join) for _ in range(3))
)


def _file(
    users: tuple[str | None, ...], hosts: tuple[str | None, ...], rules: tuple[str | None, ...]
) -> str:
    parts = [("UAG", UAGS, users), ("HAG", HAGS, hosts), ("ASG", ASGS[:3], rules)]
    return "\n".join(
        _body(kind, name, of)
        for kind, names, bodies in parts
        for name, of in zip(names, bodies, strict=True)
    )


FILES = st.builds(_file, GROUPS, PLACES, SETS)
CLIENTS = st.tuples(st.sampled_from((*USERS, "mallory")), st.sampled_from((*HOSTS, "pluto")))


class _Client(Structure):
    """``ASGCLIENT`` of asLib.h."""

    _fields_ = [
        ("next", c_void_p),
        ("previous", c_void_p),
        ("member", c_void_p),
        ("user", c_char_p),
        ("host", c_char_p),
        ("private", c_void_p),
        ("callback", c_void_p),
        ("level", c_int),
        ("access", c_int),
        ("trap", c_int),
    ]


@contextmanager
def _quiet() -> Iterator[None]:
    """No error messages of the C library on stderr."""
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


class Base:
    """EPICS base's access security, in this process."""

    def __init__(self) -> None:
        self._lib = ctypes.CDLL(get_lib("Com"))
        for name in ("asInitMem", "asAddMember", "asAddClient"):
            getattr(self._lib, name).restype = c_long

    def load(self, text: str) -> bool:
        """Take this file into force; whether it is good."""
        with _quiet():
            good = self._lib.asInitMem(c_char_p(text.encode()), None) == 0
            self._lib.errlogFlush()
        return bool(good)

    def rights(self, asg: str, asl: int, user: str, host: str) -> tuple[int, bool]:
        """Access and trapping for a client."""
        member, client = c_void_p(), POINTER(_Client)()
        # It keeps the pointers: to be held until the client is removed.
        held = [ctypes.create_string_buffer(text.encode()) for text in (asg, user, host)]
        self._lib.asAddMember(byref(member), held[0])
        self._lib.asAddClient(byref(client), member, c_int(asl), held[1], held[2])
        found = client.contents.access, bool(client.contents.trap)
        self._lib.asRemoveClient(byref(client))
        self._lib.asRemoveMember(byref(member))
        return found


GOOD = (
    "ASG(DEFAULT) ASG(DEFAULT) {RULE(1,READ)}",
    'UAG("a\\"b") {x}',
    "HAG(h) {10.0.0.1, foo;bar, [x]<y>}",
    'ASG(a) {RULE(1,"READ")}',
    "UAG(READ) {WRITE, TRAPWRITE}",
    "UAG(INP) {INPAB, UAGS}",
    'UAG(a#b\n) {x # y\n,"#"}',
    "\tASG(a)\r\n",
    "UAG(u) ASG(a) {RULE(0,NONE,TRAPWRITE) {UAG(u,u) UAG(u)} RULE(7,WRITE)}",
)
BAD = (
    "",
    "# only this\n",
    "ASG(a) {}",
    "UAG(a) {}",
    "UAG(1)",
    "UAG(INPA)",
    "UAG(a) {x,}",
    "UAG(a) {x y}",
    "UAG(a@b)",
    "UAG(a) UAG(a)",
    "ASG(a) ASG(a)",
    "ASG(DEFAULT) {RULE(1,READ)} ASG(DEFAULT)",
    "ASG(a) {RULE(1,READ) {}}",
    "ASG(a) {RULE(-1,READ)}",
    "ASG(a) {RULE(1,READ,TRAP)}",
    "ASG(a) {RULE(1,READ) {UAG(no)}}",
    "HAG(h) ASG(a) {RULE(1,READ) {UAG(h)}}",
    'UAG("a\n")',
)


class AgainstBase(SynchronousTestCase):
    """This gateway and an IOC decide alike."""

    def setUp(self) -> None:
        """Load EPICS base."""
        self.base = Base()

    def test_grammar(self) -> None:
        """What EPICS base takes and refuses, this parser takes and refuses."""
        for text in GOOD:
            self.assertTrue(self.base.load(text), text)
            parse_acf(text)
        for text in BAD:
            self.assertFalse(self.base.load(text), text)
            self.assertRaises(AccessFileError, parse_acf, text)

    @settings(deadline=None, max_examples=300)
    @given(FILES, CLIENTS, st.sampled_from(ASGS), st.integers(0, 1))
    def test_decisions(self, text: str, client: tuple[str, str], asg: str, asl: int) -> None:
        """Each client has the access, and the trapping of writes, that an IOC would give."""
        self.assertTrue(self.base.load(text), text)
        user, host = client
        ours = parse_acf(text).rights(asg, asl, user, host, host)
        self.assertEqual(
            (int(ours.access), ours.trap_write), self.base.rights(asg, asl, user, host)
        )

    @settings(deadline=None, max_examples=100)
    @given(FILES)
    def test_printed(self, text: str) -> None:
        """What is printed here can be given to an IOC."""
        self.assertTrue(self.base.load(str(parse_acf(text))))
