"""Parsing of requests: from bytes to a request, or one BadMessageError."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.requests import Connect, Disconnect, Request
from pycawamp.wire.v2.requests import parse
from tests.support.examples import examples

NAMES = (
    "X",
    "demo:sine",
    "a-b_c.d;e<f>g[h]",
    "X.EGU",
    "X.DESC$",
    'X.{"dbnd":{"abs":1}}',
    'X.VAL{"arr":{"s":0,"e":9}}',
    "100%",
    'say "hi"',
    "back\\slash",
    "Temperatur_Öl",
)
scalars = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20)
json_values = (
    scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.text(), scalars, max_size=3)
)


def request(**keys: Any) -> bytes:
    """Return a message with these keys."""
    return json.dumps(keys).encode()


class ParseTests(SynchronousTestCase):
    """requests.parse."""

    def refused(self, payload: bytes) -> BadMessageError:
        """Return the BadMessageError for a payload."""
        mistake: BadMessageError = self.assertRaises(BadMessageError, parse, payload)
        self.assertTrue(mistake.message)
        self.assertLess(len(mistake.message), 300)
        return mistake

    def test_connect(self) -> None:
        """`connect` and `disconnect` have the name exactly as it was sent."""
        for name in NAMES:
            first, second = (parse(request(action=a, pv=name)) for a in ("connect", "disconnect"))
            assert isinstance(first, Connect)
            assert isinstance(second, Disconnect)
            self.assertEqual((first.names, second.names), ((name,), (name,)))

    def test_white_space(self) -> None:
        """JSON may have white space, and its keys may be in any order."""
        parsed = parse(b'\n { "pv" : "X" ,\t"action":"connect" } \r\n')
        assert isinstance(parsed, Connect)
        self.assertEqual(parsed.names, ("X",))

    def test_bare_name(self) -> None:
        """A text that is not JSON and can be a PV name is a connect, as in the oldest protocol."""
        for name in ("X", "demo:sine.EGU", "12:34", "true:1", "Öl:Druck", "-", "x" * 256):
            parsed = parse(name.encode())
            assert isinstance(parsed, Connect)
            self.assertEqual(parsed.names, (name,))

    def test_not_bare(self) -> None:
        """A text with white space or brackets, that is too long or is JSON, is not a bare name."""
        for text in ("", " ", "a b", "X\n", "x" * 257, "{X", "[X", '"X', "\tX"):
            self.assertEqual(self.refused(text.encode()).code, "bad_json", text)
        for text in ("12", "true", "null", "-1.5e3", '"X"', "[]", '["X"]'):
            self.assertEqual(self.refused(text.encode()).code, "bad_request", text)

    def test_bad_json(self) -> None:
        """A text that is not JSON is `bad_json`, even if JavaScript or Python accepts it."""
        for text in ("{", "{'action':'connect'}", '{"action":"connect",}', '{"pv":NaN} '):
            self.assertEqual(self.refused(text.encode()).code, "bad_json")
        self.assertEqual(self.refused(b'{"action":"connect","pv":"\xff"}').code, "bad_json")
        self.assertEqual(self.refused(b"\xff\xfe").code, "bad_json")
        self.assertEqual(self.refused(rb'{"action":"connect","pv":"\ud800"}').code, "bad_json")

    def test_deep_nesting(self) -> None:
        """Deep nesting is refused like other bad JSON, however deep."""
        for depth in (2_000, 500_000):
            for opening in (b"[", b'{"a":'):
                self.assertEqual(self.refused(opening * depth).code, "bad_json")
            self.refused(b"[" * depth + b"]" * depth)

    def test_action(self) -> None:
        """A missing or mistyped action is `bad_request`; an unknown one is `unknown_action`."""
        for message in ({}, {"pv": "X"}, {"action": None}, {"action": 5}, {"action": ["connect"]}):
            self.assertEqual(self.refused(json.dumps(message).encode()).code, "bad_request")
        mistake = self.refused(request(action="conect", pv="X"))
        self.assertEqual((mistake.code, mistake.action), ("unknown_action", "conect"))
        self.assertIn("connect", mistake.message)
        self.assertLess(len(self.refused(request(action="x" * 10_000)).action or ""), 100)

    def test_pv(self) -> None:
        """A missing name, or one of a wrong type, is `bad_request`, with the action."""
        for pv in (None, 5, True, {}, {"name": "X"}):
            mistake = self.refused(request(action="connect", pv=pv))
            self.assertEqual((mistake.code, mistake.action), ("bad_request", "connect"))
        self.assertEqual(self.refused(request(action="connect")).code, "bad_request")

    def test_bad_name(self) -> None:
        """A name that is empty, too long or has control characters is `bad_name`, and truncated."""
        for name in ("", "   ", "X\n", "X\0", "a\x7fb", "a\u202eb", "x" * 10_000, "ö" * 300):
            mistake = self.refused(request(action="connect", pv=name))
            self.assertEqual((mistake.code, mistake.action), ("bad_name", "connect"))
            self.assertIn((mistake.pvname or "")[:50], name)
            self.assertLess(len(mistake.pvname or ""), 100)

    @settings(max_examples=examples(200), deadline=None)
    @given(st.binary() | st.text().map(str.encode) | json_values.map(json.dumps).map(str.encode))
    @example(b"\xff")
    def test_any_bytes(self, payload: bytes) -> None:
        """Any bytes are a request with a valid name, or a BadMessageError, and nothing else."""
        try:
            parsed = parse(payload)
        except BadMessageError:
            return
        assert isinstance(parsed, Request)
        if isinstance(parsed, Connect | Disconnect):
            for name in parsed.names:
                self.assertTrue(name.isprintable() and name.strip())

    @settings(max_examples=examples(200), deadline=None)
    @given(
        st.fixed_dictionaries(
            {"action": st.sampled_from(["connect", "disconnect"]) | json_values},
            optional={"pv": json_values, "id": json_values, "metadata": json_values},
        )
    )
    def test_any_object(self, message: dict[str, Any]) -> None:
        """Any object is a request or a BadMessageError, and nothing else."""
        try:
            parse(json.dumps(message).encode())
        except BadMessageError as mistake:
            self.assertTrue(mistake.code)
