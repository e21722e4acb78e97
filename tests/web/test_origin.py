"""Origins that may open a WebSocket, and trusted proxies."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from pycawamp.web.origin import Origins
from pycawamp.web.proxy import Proxies
from tests.support.service_case import MemoryServiceTestCase

HOST = "--allow-host=gateway"
"""The host name of requests."""
PATTERNS = ("https://*.lab.example", "http://panel:8080", "http://dev:*", "https://[::1]:8443")


class OriginTests(SynchronousTestCase):
    """Origins."""

    def test_same(self) -> None:
        """Pages of the gateway itself may connect, however its port is written."""
        origins = Origins.of(True)
        for origin, host, scheme in [
            ("http://gw:8888", "gw:8888", "http"),
            ("http://gw", "gw:80", "http"),
            ("http://gw:80", "gw", "http"),
            ("https://gw", "gw", "https"),
            ("https://GW", "gw:443", "https"),
            ("http://[::1]:8888", "[::1]:8888", "http"),
        ]:
            self.assertTrue(origins.allow(origin, host, [scheme]), origin)

    def test_others(self) -> None:
        """Other pages may not: another host, port or scheme, or none at all."""
        origins = Origins.of(True)
        for origin in (
            "http://evil", "http://gw", "https://gw:8888", "null", "", "gw:8888", "file://",
            "http://gw:8888.evil", "http://evil/gw:8888", "http://gw:8888@evil", "http://gw:x",
            "http://[", "http://u@gw:8888", "http://gw\t:8888", "ht\ttp://gw:8888",
            "http://gw:88\t88", "http://gw\n:8888", "\x01http://gw:8888", "http://gw:8888/",
            "http://gw:8888?", "http:/gw:8888", "http://gw:8888#", "http://gw:+8888",
            "http://gw:\uff18888", "http://\uff47w:8888", "http:\\\\gw:8888",
        ):  # fmt: skip
            self.assertFalse(origins.allow(origin, "gw:8888", ["http"]), origin)
        self.assertFalse(origins.allow("http://gw", None, ["http"]))

    def test_patterns(self) -> None:
        """Pages that match a pattern may."""
        origins = Origins.of(True, PATTERNS)
        for origin, allowed in [
            ("https://a.lab.example", True),
            ("https://a.b.lab.example:443", True),
            ("https://A.LAB.example", True),
            ("http://a.lab.example", False),
            ("https://a.lab.example:8443", False),
            ("https://lab.example", False),
            ("https://a.lab.example.evil", False),
            ("https://evil/.lab.example", False),
            ("https://a.lab\t.example", False),
            ("https://a.lab.example/", False),
            ("https://evil:1@x.lab.example", False),
            ("https://alab.example", False),
            ("http://panel:8080", True),
            ("http://panel", False),
            ("http://dev:1234", True),
            ("https://[::1]:8443", True),
        ]:
            self.assertEqual(origins.allow(origin, "gw", ["http"]), allowed, origin)

    def test_stars(self) -> None:
        """A star alone allows all, `null` those without an origin of their own."""
        self.assertTrue(Origins.of(True, ["*"]).allow("null", "gw", ["http"]))
        self.assertTrue(Origins.of(True, ["null"]).allow("null", "gw", ["http"]))
        self.assertFalse(Origins.of(True, ["null"]).allow("http://x", "gw", ["http"]))

    def test_no_browser(self) -> None:
        """Requests without an Origin are not from browsers, and are allowed."""
        self.assertTrue(Origins.of(True).allow(None, "gw", ["http"]))

    def test_bad_patterns(self) -> None:
        """Invalid origins are refused at start."""
        for text in ("lab.example", "https://", "ftp://x", "https://x/", "https://x:99999999", ""):
            self.assertRaises(ValueError, Origins.of, True, [text])


class ServedTests(MemoryServiceTestCase):
    """--allow-origin, and Access-Control-Allow-Origin."""

    @inlineCallbacks
    def statuses(self, *origins: str) -> Any:
        """Return the statuses of handshakes from these origins."""
        found = []
        for origin in origins:
            answer = yield self.knock(Origin=origin)
            found.append(answer.status)
        return found

    @inlineCallbacks
    def test_open(self) -> Any:
        """Without puts and logins, any page may read, and use the library."""
        self.serve()
        found = yield self.statuses("http://gateway:8888", "http://evil", "null")
        self.assertEqual(found, [101, 101, 101])
        library = yield self.get("/static/pycaserver.js")
        self.assertEqual(library.headers["access-control-allow-origin"], "*")

    @inlineCallbacks
    def test_puts(self) -> Any:
        """With puts, only pages of the gateway and allowed ones may."""
        self.serve("--allow-put=anyone", "--allow-origin=https://*.lab.example,http://panel", HOST)
        found = yield self.statuses(
            "http://gateway:8888", "https://a.lab.example", "http://panel", "http://evil", "null"
        )
        self.assertEqual(found, [101, 101, 101, 403, 403])
        library = yield self.get("/static/pycaserver.js")
        self.assertEqual(library.headers["access-control-allow-origin"], "*")

    @inlineCallbacks
    def test_logins(self) -> Any:
        """With logins too; if no other page may connect, none may load the library."""
        self.serve("--jwt-key", self.write("key", "k" * 32))
        found = yield self.statuses("http://gateway:8888", "http://evil")
        self.assertEqual(found, [101, 403])
        library = yield self.get("/static/pycaserver.js")
        self.assertNotIn("access-control-allow-origin", library.headers)


class ProxyTests(SynchronousTestCase):
    """Proxies."""

    def host(self, peer: str, forwarded: str, *trusted: str) -> str:
        """Return the client's address, given the headers of a peer."""
        return Proxies.of(trusted).host(peer, Headers({"X-Forwarded-For": [forwarded]}))

    def test_chain(self) -> None:
        """The client is the nearest address that is not a proxy's: others may be forged."""
        for peer, forwarded, host in [
            ("10.0.0.1", "192.0.2.7", "192.0.2.7"),
            ("10.0.0.1", "6.6.6.6, 192.0.2.7", "192.0.2.7"),
            ("10.0.0.1", "192.0.2.7, 10.0.0.2", "192.0.2.7"),
            ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "nonsense", "10.0.0.1"),
            ("10.0.0.1", "192.0.2.7, unknown", "10.0.0.1"),
            ("10.0.0.1", "192.0.2.7:4711", "192.0.2.7"),
            ("10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
            ("::ffff:10.0.0.1", "2001:db8::7", "2001:db8::7"),
            ("11.0.0.1", "192.0.2.7", "11.0.0.1"),
        ]:
            self.assertEqual(self.host(peer, forwarded, "10.0.0.0/8"), host, (peer, forwarded))
        self.assertEqual(self.host("fd00::1", "192.0.2.7", "fd00::/8"), "192.0.2.7")
        self.assertEqual(self.host("", "192.0.2.7", "unix"), "192.0.2.7")
        self.assertEqual(self.host("", "192.0.2.7"), "")

    def test_user(self) -> None:
        """A user's name is only accepted from a proxy, and only one."""
        proxies = Proxies.of(["10.0.0.1"], "X-User")
        named = Headers({"X-User": ["alice"]})
        self.assertEqual(proxies.user("10.0.0.1", named), "alice")
        self.assertIsNone(proxies.user("10.0.0.2", named))
        self.assertIsNone(proxies.user("10.0.0.1", Headers({"X-User": [" "]})))
        self.assertIsNone(proxies.user("10.0.0.1", Headers()))
        self.assertIsNone(Proxies.of(["10.0.0.1"]).user("10.0.0.1", named))
        for values in (["alice", "root"], ["al\tice"], ["al\x1bice"], ["alice,\u2028root"]):
            odd = Headers({"X-User": values})
            self.assertRaises(ValueError, proxies.user, "10.0.0.1", odd)


class ServedProxyTests(MemoryServiceTestCase):
    """--trust-proxy and --user-header."""

    ACF = (
        "UAG(ops) {alice} HAG(room) {192.0.2.7} "
        "ASG(DEFAULT) {RULE(1,READ) RULE(1,WRITE) {UAG(ops) HAG(room)}}"
    )

    @inlineCallbacks
    def put(self, **headers: str) -> Any:
        """Return the outcome of a put with these headers."""
        client = yield self.connect(
            {name.replace("_", "-"): each for name, each in headers.items()}
        )
        client.send({"action": "put", "pv": "X", "value": 2})
        answer = yield client.receive()
        return answer.get("code", answer["msg_type"])

    @inlineCallbacks
    def test_trusted(self) -> Any:
        """A trusted proxy's headers determine the user and the address."""
        options = ("--allow-put", "--access", self.write("acf", self.ACF))
        self.serve(*options, "--trust-proxy=127.0.0.1", "--user-header=X-Remote-User")
        for user, host, expected in [
            ("alice", "192.0.2.7", "put"),
            ("alice", "192.0.2.8", "forbidden"),
            ("bob", "192.0.2.7", "forbidden"),
        ]:
            found = yield self.put(X_Remote_User=user, X_Forwarded_For=host)
            self.assertEqual(found, expected)
        found = yield self.put(X_Forwarded_For="192.0.2.7")
        self.assertEqual(found, "forbidden")

    @inlineCallbacks
    def test_not_trusted(self) -> Any:
        """Those of any other peer do not."""
        options = ("--allow-put", "--access", self.write("acf", self.ACF))
        self.serve(*options, "--trust-proxy=10.0.0.0/8", "--user-header=X-Remote-User")
        found = yield self.put(X_Remote_User="alice", X_Forwarded_For="192.0.2.7")
        self.assertEqual(found, "forbidden")

    @inlineCallbacks
    def test_required(self) -> Any:
        """With --require-login, a client that bypasses the proxy is refused."""
        self.serve("--require-login", "--trust-proxy=127.0.0.1", "--user-header=X-User")
        refused = yield self.get()
        self.assertEqual(refused.status, 403)
        shown = yield self.get(X_User="alice")
        self.assertEqual(shown.status, 200)

    @inlineCallbacks
    def test_origin_behind_tls(self) -> Any:
        """Behind a proxy that ends TLS, its https pages have the same origin."""
        self.serve("--allow-put=anyone", "--trust-proxy=127.0.0.1", HOST)
        for proto, origin, status in [
            ("https", "https://gateway:8888", 101),
            ("https", "http://gateway:8888", 403),
            ("http", "http://gateway:8888", 101),
        ]:
            answer = yield self.knock(X_Forwarded_Proto=proto, Origin=origin)
            self.assertEqual(answer.status, status, (proto, origin))
