"""Access security files, compared with the decisions of EPICS base itself (libCom's asLib)."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import (
    POINTER,
    Structure,
    byref,
    c_char_p,
    c_double,
    c_int,
    c_long,
    c_ulong,
    c_void_p,
)
from typing import TypeVar

from epicscorelibs.lib import Com_dsoinfo
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access.acf_file import parse_acf
from pycawamp.access.errors import AccessFileError
from pycawamp.access.inputs import FileInputs
from tests.support.acf_files import (
    ASGS,
    CALCULATED_GROUPS,
    CLIENTS,
    FILES,
)
from tests.support.examples import examples

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["x", "y", "z"]),
        st.sampled_from(["lost", "invalid", 0.0, 1.0, 1.005, 2.0, float("nan")]),
    ),
    max_size=6,
)


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


class _List(Structure):
    """``ELLLIST`` of ellLib.h."""

    _fields_ = [("first", c_void_p), ("last", c_void_p), ("count", c_int)]


class _Input(Structure):
    """``ASGINP``."""

    _fields_ = [
        ("next", c_void_p),
        ("previous", c_void_p),
        ("pv", c_char_p),
        ("private", c_void_p),
        ("group", c_void_p),
        ("index", c_int),
    ]


class _Group(Structure):
    """``ASG``."""

    _fields_ = [
        ("next", c_void_p),
        ("previous", c_void_p),
        ("name", c_char_p),
        ("inputs", _List),
        ("rules", _List),
        ("members", _List),
        ("values", POINTER(c_double)),
        ("bad", c_ulong),
        ("changed", c_ulong),
    ]


class _Base(Structure):
    """``ASBASE``."""

    _fields_ = [("uags", _List), ("hags", _List), ("groups", _List), ("hash", c_void_p)]


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress error messages of the C library on stderr."""
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
        self._lib = ctypes.CDLL(Com_dsoinfo.sofilename)
        for name in ("asInitMem", "asAddMember", "asAddClient"):
            getattr(self._lib, name).restype = c_long

    def load(self, text: str) -> bool:
        """Put this file into force; return whether it is valid."""
        with _quiet():
            good = self._lib.asInitMem(c_char_p(text.encode()), None) == 0
            self._lib.errlogFlush()
        return bool(good)

    def start_inputs(self) -> None:
        """Mark all inputs as invalid, as asCa.c does before it searches for their PVs."""
        for group, inp in self._inputs():
            group.bad |= 1 << inp.index

    def event(self, pv: str, value: float | str) -> None:
        """Pass an event to the inputs of this PV, as asCa.c does."""
        for group, inp in self._inputs():
            bit = 1 << inp.index
            if inp.pv.decode() != pv:
                continue
            if isinstance(value, float):
                group.bad &= ~bit
                group.values[inp.index] = value
            else:
                group.bad |= bit
            if value != "lost":
                group.changed |= bit
            self._lib.asComputeAsg(byref(group))

    def _inputs(self) -> Iterator[tuple[_Group, _Input]]:
        base = POINTER(_Base).in_dll(self._lib, "pasbase").contents
        for group in _each(base.groups, _Group):
            for inp in _each(group.inputs, _Input):
                yield group, inp

    def rights(self, asg: str, asl: int, user: str, host: str) -> tuple[int, bool]:
        """Return access and trapping for a client."""
        member, client = c_void_p(), POINTER(_Client)()
        # It keeps the pointers: to be held until the client is removed.
        held = [ctypes.create_string_buffer(text.encode()) for text in (asg, user, host)]
        self._lib.asAddMember(byref(member), held[0])
        self._lib.asAddClient(byref(client), member, c_int(asl), held[1], held[2])
        found = client.contents.access, bool(client.contents.trap)
        self._lib.asRemoveClient(byref(client))
        self._lib.asRemoveMember(byref(member))
        return found


_Node = TypeVar("_Node", _Group, _Input)


def _each(nodes: _List, kind: type[_Node]) -> Iterator[_Node]:
    address = nodes.first
    while address:
        node = kind.from_address(address)
        yield node
        address = node.next


GOOD = (
    "HAG(h) {10.0.0.1, 1.2.3, 1a, 1e5, +, 0x10, -a}",
    "ASG(a) {RULE(+1,READ) RULE(-0,READ) RULE(00000000000000000000001,READ)}",
    "ASG(a) {RULE(1,RPC)}",
    "ASG(a) {RULE(1,read)}",
    "AUTHORITY(a)",
    "uag(a)",
    'a() b(UAG) c(1,2.5,"x") d(){INPA} e(){1,2} f(x){UAG(y) z(){1}} g(){x}{1,2} h(){"("}',
    "ASG(a) {RULE(1,READ) {METHOD(x) RULE() ASG(1,2) INPU(x){y}}}",
    'ASG(a) {RULE(1,READ) {CALC("A") CALC("B")} INPA(x) INPA(y) INPU("")}',
    "UAG(INPV) {INPZ, CALCS}",
    'UAG("tab\there") {"\x07", "é"}',
    "# \u00fc\nASG(a)",
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
    "UAG(1.5)",
    "HAG(h) {10.5}",
    "ASG(a) {INPV(x) RULE(1,READ)}",
    "ASG(a) {INPA(1)}",
    "ASG(a) {RULE(1.0,READ)}",
    "ASG(a) {RULE(9223372036854775808,READ)}",
    "ASG(a) {RULE(1,READ) {x}}",
    'ASG(a) {RULE(1,READ) {CALC("")}}',
    'ASG(a) {RULE(1,READ) {CALC("A:=1;A")}}',
    'ASG(a) {RULE(1,READ) {CALC("A"}}',
    'ASG(a) {RULE(1,READ) {CALC("A","B")}}',
    "ASG(DEFAULT) {INPA(x)} ASG(DEFAULT)",
    "a",
    "a(",
    "1()",
    "UAG()",
    "a(b,)",
    "a(){}",
    "a(){b}{c}",
    "a(){b(){}}",
    "a(){b() c}",
    "ASG(a) {METHOD(x) RULE(1,READ)}",
)


class AgainstBase(SynchronousTestCase):
    """This gateway and an IOC make the same decisions."""

    def setUp(self) -> None:
        """Load EPICS base."""
        self.base = Base()

    def test_grammar(self) -> None:
        """This parser accepts and refuses the same files as EPICS base."""
        for text in GOOD:
            self.assertTrue(self.base.load(text), text)
            parse_acf(text)
        for text in BAD:
            self.assertFalse(self.base.load(text), text)
            self.assertRaises(AccessFileError, parse_acf, text)

    @settings(deadline=None, max_examples=examples(150))
    @given(FILES, CLIENTS, st.sampled_from(ASGS), st.integers(0, 2), EVENTS)
    def test_decisions(
        self,
        text: str,
        client: tuple[str, str],
        asg: str,
        asl: int,
        events: list[tuple[str, float | str]],
    ) -> None:
        """Each client has the access, and the trapping of writes, as with an IOC."""
        self._compare(text, client, asg, asl, events)

    @settings(deadline=None, max_examples=examples(150))
    @given(CALCULATED_GROUPS, st.integers(0, 1), EVENTS)
    def test_calculated(self, text: str, asl: int, events: list[tuple[str, float | str]]) -> None:
        """So it has after each event of the PVs that rules depend on."""
        self._compare(text, ("alice", "mars"), "a", asl, events)

    def _compare(
        self,
        text: str,
        client: tuple[str, str],
        asg: str,
        asl: int,
        events: list[tuple[str, float | str]],
    ) -> None:
        self.assertTrue(self.base.load(text), text)
        user, host = client
        ours = parse_acf(text)
        inputs = FileInputs(ours)
        self.base.start_inputs()
        for pv, value in [("none", 0.0), *events]:
            self.base.event(pv, value)
            if value == "lost":
                inputs.lose(pv)
            else:
                inputs.take(pv, value if isinstance(value, float) else None)
            rights = ours.rights(asg, asl, user, host, host)
            self.assertEqual(
                (int(rights.access), rights.trap_write), self.base.rights(asg, asl, user, host)
            )

    @settings(deadline=None, max_examples=examples(50))
    @given(FILES)
    def test_printed(self, text: str) -> None:
        """A file printed here has the same meaning for an IOC."""
        self.assertTrue(self.base.load(str(parse_acf(text))))

    @settings(deadline=None, max_examples=examples(150))
    @given(FILES, st.data())
    def test_same_files(self, text: str, data: st.DataObject) -> None:
        """A file with something inserted or removed is accepted by both or by none."""
        at = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(at, min(len(text), at + 3)))
        put = data.draw(st.lists(st.sampled_from(_PUT_IN), max_size=2).map("".join))
        changed = text[:at] + put + text[end:]
        # What EPICS does with such a rule's conditions depends on what it read before.
        assume("RPC" not in changed)
        try:
            parse_acf(changed)
        except AccessFileError as error:
            self.assertFalse(self.base.load(changed), (changed, str(error)))
        else:
            self.assertTrue(self.base.load(changed), changed)


_PUT_IN = (*'(){},"\\#\n 1A.-+@', "UAG", "HAG(", "RULE", "CALC(", "INPA", "METHOD(x)", "1.5")
