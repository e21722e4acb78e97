"""Options: each client gets what it requests; ids: each reply has its request's."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.values import FieldType, Metadata
from pycawamp.sessions.peer import Peer
from pycawamp.wire.v2.dialect import VERSION_1
from tests.support.examples import examples
from tests.support.memory_gateway import CONNECT_TIMEOUT, MemoryGateway, send_request
from tests.support.version2_case import ANYONE, AnyPage

FIRST = {"msg_type": "connection", "pvname": "X", "conn": True}
BASE = ["msg_type", "pvname", "value", "count", "timestamp", "units"]


class OptionTests(SynchronousTestCase):
    """Clients with different options, over in-memory PVs."""

    def setUp(self) -> None:
        """Make a number with all metadata."""
        self.gateway = MemoryGateway(ANYONE)
        self.gateway.backend.add("X", 1.5, Metadata(FieldType.DOUBLE, 1, units="mm", precision=2))
        self.gateway.backend.add("array", np.arange(2.0))

    def page_of(self, name: str, **options: Any) -> AnyPage:
        """Return the page of a client that connected with options."""
        page = AnyPage()
        session = self.gateway.sessions.open(page, Peer("test"), VERSION_1)
        send_request(session, "connect", name, **options)
        self.gateway.flush_cycle()
        return page

    def test_own(self) -> None:
        """Each page gets what it requested, and nothing that only others requested."""
        combinations = list(itertools.product([False, True], repeat=3))
        pages = [
            self.page_of("X", metadata=metadata, text=text, batch=batch)
            for metadata, text, batch in combinations
        ]
        self.gateway.backend.set("X", 2.0, severity=1, status=4)
        self.gateway.flush_cycle()
        for page, (metadata, text, batch) in zip(pages, combinations, strict=True):
            messages = page.take()
            if batch:
                self.assertEqual([type(each) for each in messages], [list, list])
                messages = [each for message in messages for each in message]
            expected = ["connection", *(["metadata"] if metadata else []), "monitor", "monitor"]
            self.assertEqual([each["msg_type"] for each in messages], expected)
            keys = BASE + (["severity", "status"] if metadata else []) + (["text"] if text else [])
            self.assertEqual([list(each) for each in messages[-2:]], [keys, keys])
            last = messages[-1]
            self.assertEqual(last.get("text"), "2.00" if text else None)
            alarm = (last.get("severity"), last.get("status"))
            self.assertEqual(alarm, ("MINOR", "HIGH") if metadata else (None, None))

    def test_equal_share(self) -> None:
        """Clients with equal options get the very same bytes."""
        for options in ({}, {"metadata": True, "text": True}, {"max_rate": 5}):
            pages = [self.page_of("X", **options) for _ in range(3)]
            for page in pages:
                page.take()
            self.gateway.backend.set("X", 3.0)
            self.gateway.flush_cycle()
            (first,), *others = (page.writes for page in pages)
            for (data,) in others:
                self.assertIs(data, first)

    def test_defaults(self) -> None:
        """A configure sets the defaults of later requests, which may override them."""
        page = AnyPage()
        session = self.gateway.sessions.open(page, Peer("test"), VERSION_1)

        def received(request: dict[str, Any]) -> Any:
            session.receive(json.dumps(request).encode())
            self.gateway.flush_cycle()
            return page.take()

        plain = {"metadata": False, "text": False, "max_rate": None, "arrays": "json"}
        plain |= {"batch": False, "reason": False}
        (reply,) = received({"action": "configure"})
        self.assertEqual(reply, {"msg_type": "configured", **plain})
        self.assertEqual(list(reply), ["msg_type", *plain])
        send_request(session, "connect", "X")
        self.gateway.flush_cycle()
        page.take()
        (reply,) = received({"action": "configure", "text": True, "arrays": "base64"})
        self.assertEqual(
            reply, {"msg_type": "configured", **plain, "text": True, "arrays": "base64"}
        )
        (reply,) = received({"action": "configure", "max_rate": 5})
        self.assertEqual((reply["text"], reply["max_rate"]), (True, 5))
        self.gateway.backend.set("X", 4.0)
        self.gateway.flush_cycle()
        (monitor,) = page.take()
        self.assertNotIn("text", monitor, "what is subscribed stays as it is")
        _, monitor = received({"action": "connect", "pv": "X"})
        self.assertEqual(monitor["text"], "4.00")
        (value,) = received({"action": "get", "pv": "X", "text": False})
        self.assertNotIn("text", value)
        (value,) = received({"action": "get", "pv": "array"})
        self.assertEqual(value["value"]["dtype"], "<f8")

    def test_bad(self) -> None:
        """An invalid option is refused, and no option of the request is applied."""
        session, page = self.gateway.open()
        bad: dict[str, list[Any]] = {
            "metadata": [1, "true", None],
            "text": [0, []],
            "batch": ["yes"],
            "max_rate": [0, -1, 1001, "5", True, [], 1e308],
            "arrays": ["hex", None, True, 1, []],
        }
        for key, values in bad.items():
            for value in values:
                send_request(session, "connect", "X", **{key: value, "id": 7})
                session.receive(json.dumps({"action": "configure", key: value}).encode())
                send_request(session, "get", "X", **{key: value})
                self.gateway.flush_cycle()
                errors = page.take()
                codes = [(each["code"], each["action"]) for each in errors]
                expected = [("bad_request", name) for name in ("connect", "configure", "get")]
                self.assertEqual(codes, expected, (key, value))
                self.assertIn(key, errors[0]["message"])
        self.assertEqual(self.gateway.hub.names, [])

    def test_many(self) -> None:
        """A list of names: each valid one is connected once, each invalid one is an error."""
        session, page = self.gateway.open()
        names = ["X", "", "array", "X", "a\nb", 5, "x" * 501]
        session.receive(json.dumps({"action": "connect", "pvs": names, "id": 1}).encode())
        session.receive(b'{"action":"list","id":2}')
        session.receive(b'{"action":"disconnect","pvs":["X","never",""],"id":3}')
        session.receive(b'{"action":"list","id":4}')
        self.gateway.flush_cycle()
        messages = page.take()
        errors = [(each["code"], each["id"]) for each in messages if "code" in each]
        bad = [("bad_name", 1)] * 2 + [("bad_request", 1), ("bad_name", 1)]
        self.assertEqual(errors, [*bad, ("bad_name", 3)])
        lists = {each["id"]: each["pvs"] for each in messages if each["msg_type"] == "list"}
        self.assertEqual(lists, {2: ["X", "array"], 4: ["array"]})

    @settings(max_examples=examples(100), deadline=None)
    @given(st.text(max_size=9) | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9))
    def test_ids(self, number: Any) -> None:
        """Every reply, also an error, repeats its request's id, string or number."""
        gateway = MemoryGateway(ANYONE)
        gateway.backend.add("X", 1)
        session, page = gateway.open()
        requests: list[dict[str, Any]] = [
            {"action": "ping"},
            {"action": "list"},
            {"action": "configure"},
            {"action": "get", "pv": "X"},
            {"action": "info", "pv": "X"},
            {"action": "put", "pv": "X", "value": 2},
            {"action": "put", "pv": "X", "value": "no"},
            {"action": "put", "pv": "X"},
            {"action": "get", "pv": "nowhere"},
            {"action": "connect", "pv": ""},
            {"action": "fly"},
            {"action": 5},
        ]
        for request in requests:
            session.receive(json.dumps({**request, "id": number}).encode())
            gateway.advance(CONNECT_TIMEOUT + 1)
            (reply,) = page.take()
            self.assertEqual(reply["id"], number, request)
        send_request(session, "connect", "X", id=number)
        gateway.flush_cycle()
        self.assertFalse([each for each in page.take() if "id" in each])

    def test_bad_ids(self) -> None:
        """An id that is neither string nor number is refused, and not repeated."""
        session, page = self.gateway.open()
        ids: list[Any] = [True, [], {"a": 1}]
        for bad in ids:
            session.receive(json.dumps({"action": "ping", "id": bad}).encode())
            self.gateway.flush_cycle()
            (error,) = page.take()
            self.assertEqual((error["code"], "id" in error), ("bad_request", False))
