"""The limits of docs/protocol.md, each at its edge, over real TCP."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.support.gateway_case import MemoryGatewayTestCase
from tests.support.version2_case import send_request


class LimitTests(MemoryGatewayTestCase):
    """Limits of a client's messages."""

    @inlineCallbacks
    def test_edges(self) -> Any:
        """The last value within a limit is accepted, the first beyond it refused."""
        client = yield self.start_client()
        for name in ("X", "x" * 500, "ü" * 250, "x" * 256):
            self.backend.add(name, 1.0)
        cases: list[tuple[str, dict[str, Any], str]] = [
            ("get", {"pv": "x" * 500}, "value"),
            ("get", {"pv": "x" * 501}, "bad_name"),
            ("get", {"pv": "ü" * 250}, "value"),
            ("get", {"pv": "ü" * 250 + "x"}, "bad_name"),
            ("get", {"pv": " "}, "bad_name"),
            ("get", {"pv": "a\u00a0b"}, "bad_name"),
            ("get", {"pv": "a\u202eb"}, "bad_name"),
            ("configure", {"max_rate": 1000}, "configured"),
            ("configure", {"max_rate": 1000.1}, "bad_request"),
            ("configure", {"max_rate": 1e-9}, "configured"),
            ("configure", {"max_rate": 0}, "bad_request"),
            ("put", {"pv": "X", "value": 1, "timeout": 3600}, "forbidden"),
            ("put", {"pv": "X", "value": 1, "timeout": 3600.1}, "bad_request"),
            ("put", {"pv": "X", "value": 1, "timeout": 0}, "bad_request"),
            ("put", {"pv": "X", "value": 1, "timeout": True}, "bad_request"),
            ("put", {"pv": "X", "value": 1, "wait": 1}, "bad_request"),
            ("put", {"pv": "X"}, "bad_request"),
            ("connect", {"pv": "X", "pvs": ["X"]}, "bad_request"),
            ("connect", {"pvs": "X"}, "bad_request"),
        ]
        for action, keys, expected in cases:
            reply = yield send_request(client, action, **keys)
            self.assertEqual(reply.get("code", reply["msg_type"]), expected, (action, keys))

    @inlineCallbacks
    def test_bare_names(self) -> Any:
        """A bare name has at most 256 characters; JSON, or text with a blank, is not one."""
        client = yield self.start_client()
        self.backend.add("x" * 256, 1.0)
        client.send("x" * 256)
        connection = yield client.receive()
        self.assertEqual(connection["pvname"], "x" * 256)
        yield client.receive()
        for text, code in [
            ("x" * 257, "bad_json"),
            ("a b", "bad_json"),
            ("{a", "bad_json"),
            ("123", "bad_request"),
            ("true", "bad_request"),
            ('"X"', "bad_request"),
            ("€" * 200, "bad_name"),
        ]:
            client.send(text)
            error = yield client.receive()
            self.assertEqual(error["code"], code, text)

    @inlineCallbacks
    def test_nesting(self) -> Any:
        """Nesting to a depth of 1024 is JSON, deeper is not."""
        client = yield self.start_client()
        for depth, code in [(1023, "bad_name"), (1024, "bad_json")]:
            nested = "[" * depth + "]" * depth
            client.send(f'{{"action":"get","pv":"","x":{nested}}}')
            error = yield client.receive()
            self.assertEqual(error["code"], code, depth)

    @inlineCallbacks
    def test_too_large(self) -> Any:
        """A client gets the reason before its connection is closed, in a batch if it uses them."""
        fixture = yield self.start()
        for is_batched in (False, True):
            client = yield fixture.connect()
            client.send({"action": "configure", "batch": is_batched})
            yield client.receive()
            client.send("[" + " " * 2**20)
            code = yield client.when_closed()
            self.assertEqual(code, 1009)
            error = client.messages[-1]
            (error,) = error if is_batched else [error]
            self.assertEqual((error["msg_type"], error["code"]), ("error", "too_large"))
            self.assertEqual(error["message"], "a message may have at most 1048576 bytes")
