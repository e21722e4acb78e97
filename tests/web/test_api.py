"""The HTTP API: values by GET and PUT, with the protocol's checks, limits and log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bcrypt
import numpy as np
from twisted.internet.defer import gatherResults, inlineCallbacks

from pycawamp.pv.values import FieldType, Metadata
from tests.support.api_case import API, ApiTestCase
from tests.support.ioc_case import until_true
from tests.support.service_case import basic

ELSEWHERE = "https://elsewhere.example"


class ReadTests(ApiTestCase):
    """GET."""

    @inlineCallbacks
    def test_value(self) -> Any:
        """A value is the `value` message that a WebSocket gets, options included."""
        self.serve()
        client = yield self.connect()
        for query, options in (
            ("", {}),
            ("?metadata=1&text=true", {"metadata": True, "text": True}),
            ("?metadata=0&arrays=base64", {"arrays": "base64"}),
        ):
            reply = yield self.call("GET", f"{API}/pv/X{query}")
            client.send({"action": "get", "pv": "X", **options})
            expected = yield client.until(msg_type="value")
            self.assertEqual((reply.status, reply.json), (200, expected))
            self.assertEqual(reply.headers["content-type"], "application/json")
            self.assertEqual(reply.headers["cache-control"], "no-store")

    @inlineCallbacks
    def test_many(self) -> Any:
        """Each of many names has its own value or error, in the order of the request."""
        for number in range(300):
            self.backend.add(f"n{number}", float(number))
        self.serve("--connect-timeout", "0.2")
        names = [f"n{number}" for number in range(300)]
        query = "&".join(f"name={name}" for name in ["nowhere", *names, "", "X", "X"])
        reply = yield self.call("GET", f"{API}/pv?{query}")
        self.assertEqual(reply.status, 200)
        first, *values, bad, again, last = reply.json
        self.assertEqual((first["msg_type"], first["code"]), ("error", "not_connected"))
        self.assertEqual([value["value"] for value in values], [float(n) for n in range(300)])
        self.assertEqual(bad["code"], "bad_name")
        self.assertEqual(again, last)
        self.assertNotIn("id", first | bad | last)

    @inlineCallbacks
    def test_metadata(self) -> Any:
        """The metadata of a PV is the `metadata` message of the protocol."""
        self.serve("--allow-put=anyone")
        reply = yield self.call("GET", f"{API}/pv/X/metadata")
        self.assertEqual((reply.status, reply.json["msg_type"]), (200, "metadata"))
        self.assertEqual((reply.json["type"], reply.json["write_access"]), ("double", True))

    @inlineCallbacks
    def test_names(self) -> Any:
        """A name is percent-encoded UTF-8, whatever characters it has."""
        names = ["a/b", 'X.{"dbnd":{"abs":1}}', "Größe", "a b+c", "..", "%41", "pv", "stream"]
        for number, name in enumerate(names):
            self.backend.add(name, float(number))
        self.serve()
        for number, name in enumerate(names):
            encoded = "".join(f"%{byte:02X}" for byte in name.encode())
            for path in (f"pv/{encoded}", f"pv?name={encoded}"):
                reply = yield self.call("GET", f"{API}/{path}")
                received = reply.json if isinstance(reply.json, dict) else reply.json[0]
                self.assertEqual((received["pvname"], received["value"]), (name, float(number)))

    @inlineCallbacks
    def test_head(self) -> Any:
        """HEAD has the headers of GET and no body."""
        self.serve()
        whole = yield self.call("GET", f"{API}/pv/X")
        head = yield self.call("HEAD", f"{API}/pv/X")
        self.assertEqual((head.status, head.body), (200, ""))
        self.assertEqual(head.headers["content-length"], whole.headers["content-length"])

    @inlineCallbacks
    def test_large(self) -> Any:
        """A large array is sent as the client reads it, completely; a binary one as bytes."""
        array = np.arange(200_000, dtype=float)
        self.backend.add("A", array)
        self.serve()
        reply = yield self.call("GET", f"{API}/pv/A")
        self.assertEqual(reply.json["value"], array.tolist())
        reply = yield self.call("GET", f"{API}/pv/A?arrays=base64")
        self.assertEqual(reply.json["value"]["shape"], [200_000])
        small = np.frombuffer(b"abcdefgh", np.uint8)
        self.backend.add("B", small, Metadata(FieldType.CHAR, 8))
        reply = yield self.call("GET", f"{API}/pv/B?arrays=binary")
        self.assertEqual(reply.headers["content-type"], "application/octet-stream")
        self.assertTrue(reply.body.endswith("abcdefgh"))

    @inlineCallbacks
    def test_errors(self) -> Any:
        """Each kind of error has its status, and a problem that says what was wrong."""
        self.serve("--connect-timeout", "0.2", "--pvlist", self.write("l", "X ALLOW\nN.* ALLOW\n"))
        for path, status, code in (
            ("pv/nowhere", 403, "forbidden"),
            ("pv/Nowhere", 404, "not_connected"),
            ("pv/Nowhere/metadata", 404, "not_connected"),
            ("pv/%0A", 400, "bad_name"),
            ("pv/%FF", 400, "bad_request"),
            (f"pv/{'x' * 501}", 400, "bad_name"),
            ("pv/X?metadata=2", 400, "bad_request"),
            ("pv/X?metadata=1&metadata=1", 400, "bad_request"),
            ("pv/X?max_rate=1", 400, "bad_request"),
            ("pv/X?name=X", 400, "bad_request"),
            ("pv/X?arrays=list", 400, "bad_request"),
            ("pv/X/metadata?text=1", 400, "bad_request"),
            ("pv", 400, "bad_request"),
            ("pv?name=X&arrays=binary", 400, "bad_request"),
            ("pv?name=X&text=x", 400, "bad_request"),
            ("pv/X/stream?arrays=binary", 400, "bad_request"),
            ("pv/X/stream?max_rate=nan", 400, "bad_request"),
            ("stream", 400, "bad_request"),
            ("stream?name=X&name=", 400, "bad_name"),
            ("", 404, None),
            ("pv/X/value", 404, None),
            ("pv/X/", 404, None),
            ("values", 404, None),
        ):
            reply = yield self.call("GET", f"{API}/{path}")
            self.assertEqual((reply.status, reply.json.get("code")), (status, code), path)
            self.assertEqual(reply.json["status"], status)
            self.assertTrue(reply.json["detail"], path)
            self.assertEqual(reply.headers["content-type"], "application/problem+json")

    @inlineCallbacks
    def test_methods(self) -> Any:
        """For another method, the response lists the allowed ones."""
        self.serve()
        for path, allowed in (("pv/X", "get, head, put"), ("pv?name=X", "get, head")):
            for method in ("DELETE", "POST", "PATCH", "TRACE"):
                reply = yield self.call(method, f"{API}/{path}")
                self.assertEqual((reply.status, reply.headers["allow"]), (405, allowed))
        reply = yield self.call("PUT", f"{API}/pv", "1")
        self.assertEqual(reply.status, 405)

    @inlineCallbacks
    def test_left(self) -> Any:
        """A client that disconnects before the response leaves nothing behind."""
        service = self.serve("--linger", "0.01")
        stream = yield self.open_stream(f"{API}/pv/nowhere")
        gateway = service.gateway
        yield until_true(lambda: gateway.clients == 1)
        yield stream.abort()
        yield until_true(lambda: gateway.clients == 0)
        yield until_true(lambda: len(gateway.hub) == 0)


class WriteTests(ApiTestCase):
    """PUT."""

    @inlineCallbacks
    def test_put(self) -> Any:
        """A put is checked, answered and logged like one by WebSocket."""
        log = self.folder / "puts.log"
        self.serve("--allow-put=anyone", "--put-log", str(log))
        reply = yield self.call("PUT", f"{API}/pv/X", "2.5", Content_Type="application/json")
        expected = {"msg_type": "put", "pvname": "X", "ok": True}
        self.assertEqual((reply.status, reply.json), (200, expected))
        reply = yield self.call("GET", f"{API}/pv/X")
        self.assertEqual(reply.json["value"], 2.5)
        reply = yield self.call("PUT", f"{API}/pv/X?wait=0", '"open"')
        self.assertEqual((reply.status, reply.json["code"]), (422, "bad_value"))
        yield until_true(lambda: len(Path(log).read_text().splitlines()) == 2)
        first, second = log.read_text().splitlines()
        self.assertIn('old=1.5 new=2.5 outcome="ok" after=2.5', first)
        self.assertIn("bad_value", second)

    @inlineCallbacks
    def test_refused(self) -> Any:
        """Invalid values, and refused puts, are reported and not written."""
        self.serve("--allow-put=anyone", "--connect-timeout", "0.2", "--max-message", "1000")
        for path, body, kind, status in (
            ("pv/X", "", "application/json", 400),
            ("pv/X", "{", "application/json", 400),
            ("pv/X", '1,"pv":"Y"', "application/json", 400),
            ("pv/X", b"\xff", "application/json", 400),
            ("pv/X", "[" * 300 + "]" * 300, "application/json", 422),
            ("pv/X", '{"value": 1}', "application/json", 422),
            ("pv/X", "null", "application/json", 422),
            ("pv/X", "1", "text/plain", 415),
            ("pv/X?timeout=0", "1", "application/json", 400),
            ("pv/X?timeout=x", "1", "application/json", 400),
            ("pv/X?wait=2", "1", "application/json", 400),
            ("pv/nowhere", "1", "application/json", 404),
        ):
            reply = yield self.call("PUT", f"{API}/{path}", body, Content_Type=kind)
            self.assertEqual((reply.status, reply.json["status"]), (status, status), (path, body))
        reply = yield self.call("GET", f"{API}/pv/X")
        self.assertEqual(reply.json["value"], 1.5)

    @inlineCallbacks
    def test_forbidden(self) -> Any:
        """Without puts nothing can be written."""
        self.serve()
        reply = yield self.call("PUT", f"{API}/pv/X", "2")
        self.assertEqual((reply.status, reply.json["code"]), (403, "forbidden"))

    @inlineCallbacks
    def test_body_bounds(self) -> Any:
        """A body that is too large, or of unknown length, is refused before it is sent."""
        self.serve("--allow-put=anyone", "--max-message", "1000")
        exact = " " * 999 + "3"
        reply = yield self.call("PUT", f"{API}/pv/X", exact)
        self.assertEqual(reply.status, 200)
        for headers, status in (
            ({"Content_Length": "1001"}, 413),
            ({"Content_Length": "1001", "Expect": "100-continue"}, 413),
            ({"Transfer_Encoding": "chunked"}, 411),
        ):
            reply = yield self.call("PUT", f"{API}/pv/X", **headers)
            self.assertEqual(reply.status, status, headers)
            self.assertEqual(reply.json["status"], status)
        for method, status in (("GET", 413), ("OPTIONS", 413), ("POST", 405), ("TRACE", 405)):
            reply = yield self.call(method, f"{API}/pv/X", "1")
            self.assertEqual((reply.status, reply.json["status"]), (status, status), method)

    @inlineCallbacks
    def test_bodies_at_once(self) -> Any:
        """The bodies that one address sends at once are limited, and counted until they end."""
        service = self.serve("--allow-put=anyone", "--max-message", "10000000")
        bodies = service.site.bodies
        path = f"{API}/pv/X"
        first = yield self.open_stream(path, "PUT", Content_Length="10000000")
        yield until_true(lambda: not bodies.has_room("127.0.0.1", 10_000_000))
        reply = yield self.call("PUT", path, "2" + " " * 9_999_999)
        self.assertEqual(reply.status, 503)
        yield first.abort()
        yield until_true(lambda: bodies.has_room("127.0.0.1", 10_000_000))
        reply = yield self.call("PUT", path, "2" + " " * 9_999_999)
        self.assertEqual(reply.status, 200)


class SharedRulesTests(ApiTestCase):
    """Logins, origins, limits: those of WebSockets."""

    def setUp(self) -> None:
        """Make a user."""
        super().setUp()
        hashed = bcrypt.hashpw(b"pass word", bcrypt.gensalt(4)).decode()
        self.htpasswd = self.write("htpasswd", f"alice:{hashed}\n")
        self.alice = basic("alice", "pass word")

    @inlineCallbacks
    def test_login(self) -> Any:
        """A user may write; without a login, that is forbidden; invalid credentials are 401."""
        log = self.folder / "puts.log"
        self.serve("--htpasswd", self.htpasswd, "--allow-put", "--put-log", str(log))
        reply = yield self.call("PUT", f"{API}/pv/X", "2", Authorization=self.alice)
        self.assertEqual(reply.status, 200)
        yield until_true(lambda: 'user="alice"' in log.read_text())
        reply = yield self.call("PUT", f"{API}/pv/X", "3")
        self.assertEqual(reply.status, 403)
        reply = yield self.call("GET", f"{API}/pv/X", Authorization=basic("alice", "wrong"))
        self.assertEqual((reply.status, reply.json["status"]), (401, 401))
        self.assertIn("basic", reply.headers["www-authenticate"])

    @inlineCallbacks
    def test_login_required(self) -> Any:
        """With `--require-login`, nothing can be read without one."""
        self.serve("--htpasswd", self.htpasswd, "--require-login")
        for path in ("pv/X", "pv?name=X", "pv/X/metadata", "pv/X/stream", "stream?name=X"):
            reply = yield self.call("GET", f"{API}/{path}")
            self.assertEqual(reply.status, 401, path)
        reply = yield self.call("GET", f"{API}/pv/X", Authorization=self.alice)
        self.assertEqual(reply.status, 200)

    @inlineCallbacks
    def test_open_origins(self) -> Any:
        """Where any page may connect, any page may read."""
        self.serve()
        reply = yield self.call("GET", f"{API}/pv/X", Origin=ELSEWHERE)
        self.assertEqual((reply.status, reply.headers["access-control-allow-origin"]), (200, "*"))
        reply = yield self.call("GET", f"{API}/pv/%0A", Origin=ELSEWHERE)
        self.assertEqual((reply.status, reply.headers["access-control-allow-origin"]), (400, "*"))

    @inlineCallbacks
    def test_other_origins(self) -> Any:
        """If pages of other origins may not connect, they may not read or write either."""
        self.serve("--allow-put=anyone", "--allow-origin", "https://*.friend.example")
        for method in ("GET", "PUT", "OPTIONS"):
            body = "2" if method == "PUT" else None
            reply = yield self.call(method, f"{API}/pv/X", body, Origin=ELSEWHERE)
            self.assertNotIn("access-control-allow-origin", reply.headers)
            self.assertEqual(reply.status, 204 if method == "OPTIONS" else 403)
        for path in ("pv/X/stream", "stream?name=X"):
            reply = yield self.call("GET", f"{API}/{path}", Origin=ELSEWHERE)
            self.assertEqual(reply.status, 403)
        reply = yield self.call("GET", f"{API}/pv/X", Host="evil.example")
        self.assertEqual(reply.status, 403)
        reply = yield self.call("GET", f"{API}/pv/X")
        self.assertEqual(reply.json["value"], 1.5)
        friend = "https://a.friend.example"
        reply = yield self.call("PUT", f"{API}/pv/X", "2", Origin=friend)
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.headers["access-control-allow-origin"], friend)
        self.assertEqual(reply.headers["access-control-allow-credentials"], "true")
        self.assertEqual(reply.headers["vary"], "origin")

    @inlineCallbacks
    def test_preflight(self) -> Any:
        """A browser's preflight request is answered without a login."""
        self.serve("--htpasswd", self.htpasswd, "--require-login", "--allow-origin", ELSEWHERE)
        reply = yield self.call(
            "OPTIONS", f"{API}/pv/X", Origin=ELSEWHERE, Access_Control_Request_Method="PUT"
        )
        self.assertEqual((reply.status, reply.body), (204, ""))
        self.assertEqual(reply.headers["access-control-allow-methods"], "get, head, put")
        self.assertIn("authorization", reply.headers["access-control-allow-headers"])

    @inlineCallbacks
    def test_rate(self) -> Any:
        """The requests of an address are limited together, for all its connections."""
        self.serve("--allow-put=anyone", "--max-put-rate", "0.5")
        statuses = []
        for number in range(11):
            reply = yield self.call("PUT", f"{API}/pv/X", str(number))
            statuses.append(reply.status)
        self.assertEqual(statuses, [200] * 10 + [429])
        self.assertEqual((reply.json["code"], reply.headers["retry-after"]), ("rate_limited", "1"))
        client = yield self.connect()
        client.send({"action": "put", "pv": "X", "value": 1})
        yield client.until(msg_type="put")

    @inlineCallbacks
    def test_clients(self) -> Any:
        """Streams, pending requests and WebSockets are clients, and limited together."""
        service = self.serve("--max-clients", "3")
        gateway = service.gateway
        yield self.connect()
        stream = yield self.open_stream(f"{API}/pv/X/stream")
        yield stream.until(lambda message: message["msg_type"] == "monitor")
        waiting = yield self.open_stream(f"{API}/pv/nowhere")
        yield until_true(lambda: gateway.clients == 3)
        for path in ("pv/X", "pv/X/stream"):
            reply = yield self.call("GET", f"{API}/{path}")
            self.assertEqual((reply.status, reply.headers["retry-after"]), (503, "10"))
        yield self.assertFailure(self.connect(), ConnectionError)
        yield waiting.abort()
        yield until_true(lambda: gateway.clients == 2)
        reply = yield self.call("GET", f"{API}/pv/X")
        self.assertEqual(reply.status, 200)

    @inlineCallbacks
    def test_unread(self) -> Any:
        """Large responses that are not read are dropped, and their memory is released."""
        # More than the kernel takes.
        self.backend.add("A", np.zeros(4_000_000))
        gateway = self.serve("--stall-timeout", "1").gateway
        clients = []
        for _ in range(2):
            client = yield self.open_stream(f"{API}/pv/A")
            client.transport.pauseProducing()
            clients.append(client)
        yield until_true(lambda: gateway.statistics().memory.requests > 0)
        yield until_true(lambda: gateway.statistics().memory.requests == 0)
        for client in clients:
            client.transport.resumeProducing()
        yield gatherResults([client.when_closed() for client in clients])
        self.assertEqual(gateway.clients, 0)
