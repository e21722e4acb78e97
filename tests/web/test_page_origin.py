"""What a web page can do through the browser of a user with rights by address."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from twisted.internet import ssl
from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks
from twisted.internet.endpoints import SSL4ClientEndpoint
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase

from harness.browser import Browser, missing
from pycawamp.access import AccessFiles
from pycawamp.config.options import Options
from pycawamp.testing import GatewayFixture, connect
from pycawamp.web.host import Hosts, own_names
from tests.support.certificate import write_certificate
from tests.support.console_case import FEW_PROCESSES
from tests.support.service_case import MemoryServiceTestCase, reactor
from tests.support.timing import allowed

HAG = "HAG(room) {127.0.0.1}\nASG(DEFAULT) { RULE(1,READ) {HAG(room)} }\n"
HAG_PUT = "HAG(room) {127.0.0.1}\nASG(DEFAULT) { RULE(1,WRITE) {HAG(room)} }\n"
DENY_FROM = "EVALUATION ORDER ALLOW, DENY\n.* ALLOW\n.* DENY FROM 192.0.2.7\n"
REPLY_CODE = """
const [address, action, callback] = arguments;
const socket = new WebSocket(address);
socket.onopen = () => socket.send(JSON.stringify({ action, pv: "X", value: 2 }));
socket.onmessage = (event) => callback(JSON.parse(event.data).code ?? "ok");
socket.onclose = () => callback("closed");
"""
"""Opens a WebSocket and sends a request; returns the outcome."""


class HostTests(SynchronousTestCase):
    """Hosts."""

    def test_own(self) -> None:
        """The names of this machine, `localhost` and all addresses are the gateway's."""
        hosts = Hosts.of(["gw.lab.example"])
        for host in (
            "localhost", "LOCALHOST:8888", "localhost.", "a.localhost", "127.0.0.1:8888",
            "192.0.2.7", "[::1]:8888", "[2001:db8::7]", "gw.lab.example", "GW.Lab.example.:80",
        ):  # fmt: skip
            self.assertTrue(hosts.allow(host), host)

    def test_others(self) -> None:
        """Other names are not, nor are similar ones."""
        hosts = Hosts.of(["gw.lab.example"])
        for host in (
            "evil.example", "gw.lab.example.evil", "evilgw.lab.example", "localhost.evil",
            "127.0.0.1.evil.example", "evil@gw.lab.example", "gw.lab.example/evil", "", ":8888",
            "gw.lab.example:x", "gw.lab\t.example", "gw.lab.example, evil", "::1", "[evil]",
            "0x7f.1", "evillocalhost", "256.1.1.1", "1.2.3.4.5",
        ):  # fmt: skip
            self.assertFalse(hosts.allow(host), host)

    def test_stars(self) -> None:
        """A star stands for part of a name; alone it allows all."""
        hosts = Hosts.of(["*.lab.example"])
        self.assertTrue(hosts.allow("a.lab.example:8888"))
        self.assertFalse(hosts.allow("lab.example"))
        self.assertFalse(hosts.allow("a.lab.example.evil"))
        self.assertTrue(Hosts.of(["*"]).allow("anything"))

    def test_machine(self) -> None:
        """This machine's own names, short and full, and the one by multicast DNS."""
        name = socket.gethostname().lower()
        self.assertIn(name, own_names())
        self.assertIn(f"{name.partition('.')[0]}.local", own_names())

    def test_bad_names(self) -> None:
        """Invalid host names are refused at start, with the option."""
        for text in ("", "http://gw", "gw:8888", "gw/", "a b", "gw,,x"):
            options = Options()
            ended: SystemExit = self.assertRaises(
                SystemExit, options.parseOptions, [f"--allow-host={text}"]
            )
            self.assertIn("--allow-host: expected host names", str(ended.code))


class OriginTests(MemoryServiceTestCase):
    """Pages of another origin."""

    @inlineCallbacks
    def statuses(self, **headers: str) -> Any:
        """Return the answers to a page of the gateway and to one of another origin."""
        found = []
        for origin in ("http://localhost", "http://evil.example"):
            answer = yield self.knock(Host="localhost", Origin=origin, **headers)
            found.append(answer.status)
        return found

    @inlineCallbacks
    def test_access_file(self) -> Any:
        """With an access file, pages of other origins may not connect, with logins or without."""
        self.serve("--access", self.write("acf", HAG))
        found = yield self.statuses()
        self.assertEqual(found, [101, 403])

    @inlineCallbacks
    def test_deny_from(self) -> Any:
        """With DENY FROM in the PV list too, as soon as it appears; without it, all may read."""
        pvlist = self.write("pvlist", ".* ALLOW\n")
        service = self.serve("--pvlist", pvlist, "--trust-proxy=127.0.0.1")
        found = yield self.statuses()
        self.assertEqual(found, [101, 101])
        own, program, other, rebound = yield gatherResults(
            [
                self.connect({"Origin": f"http://127.0.0.1:{self.port}"}),
                self.connect(),
                self.connect({"Origin": "http://evil.example"}),
                self.connect({"Origin": "http://x", "X-Forwarded-Host": "x"}),
            ]
        )
        self.write("pvlist", DENY_FROM)
        yield service.files.policy.reload()
        found = yield self.statuses()
        self.assertEqual(found, [101, 403])
        for client in (other, rebound):
            code = yield client.when_closed()
            self.assertEqual((code, client.messages[-1]["code"]), (1008, "forbidden"))
        for client in (own, program):
            client.send({"action": "ping"})
            pong = yield client.receive()
            self.assertEqual(pong["msg_type"], "pong")

    @inlineCallbacks
    def test_allowed(self) -> Any:
        """Unless `--allow-origin` allows them; the refusal names the option."""
        self.serve("--access", self.write("acf", HAG), "--allow-origin=http://evil.example")
        found = yield self.statuses()
        self.assertEqual(found, [101, 101])
        answer = yield self.knock(Host="localhost", Origin="http://other.example")
        self.assertIn("--allow-origin", answer.body)

    @inlineCallbacks
    def test_embedded(self) -> Any:
        """A gateway embedded in another service, with a policy, refuses them too."""
        for policy, expected in ((None, 101), (HAG, 403)):
            files = None
            if policy is not None:
                files = AccessFiles(access=Path(self.write("acf", policy))).load()
            fixture = GatewayFixture(reactor, backend=self.backend, policy=files)
            self.addCleanup(fixture.stop)
            yield fixture.start()
            self.port = int(fixture.url.split(":")[2].partition("/")[0])
            answer = yield self.knock(Host="localhost", Origin="http://evil.example")
            self.assertEqual(answer.status, expected)


class RebindingTests(MemoryServiceTestCase):
    """A page whose own host name points to the gateway, and thus has the same origin."""

    @inlineCallbacks
    def status(self, host: str, **headers: str) -> Any:
        """Return the answers to a page of this host."""
        answer = yield self.knock(Host=host, Origin=f"http://{host}", **headers)
        return answer.status

    @inlineCallbacks
    def test_guarded(self) -> Any:
        """With puts, an access file or DENY FROM, only the gateway's own names are accepted."""
        for options in (
            ["--allow-put=anyone"],
            ["--allow-put", "--access", self.write("acf", HAG_PUT)],
            ["--access", self.write("acf", HAG)],
            ["--pvlist", self.write("pvlist", DENY_FROM)],
        ):
            self.serve(*options, "--allow-host=gw.lab.example")
            for host, expected in [
                ("evil.example:8888", 403),
                ("gw.lab.example:8888", 101),
                (f"127.0.0.1:{self.port}", 101),
                ("localhost", 101),
                (socket.gethostname(), 101),
            ]:
                found = yield self.status(host)
                self.assertEqual(found, expected, (options, host))

    @inlineCallbacks
    def test_message(self) -> Any:
        """The refusal names the host and the option; also for pages."""
        self.serve("--allow-put=anyone")
        for path in ("/", "/config.json", "/monitor"):
            answer = yield self.get(path, Host="evil.example:8888")
            self.assertEqual(answer.status, 403, path)
            self.assertIn("evil.example", answer.body)
            self.assertIn("--allow-host", answer.body)
        odd = yield self.get("/", Host="<b>\t," + "x" * 1000)
        self.assertEqual(odd.status, 403)
        self.assertEqual(odd.headers["content-type"], "text/plain; charset=utf-8")
        self.assertEqual(odd.headers["x-content-type-options"], "nosniff")
        self.assertIn(r"'<b>\t,xxx", odd.body)
        self.assertLess(len(odd.body), 500)

    @inlineCallbacks
    def test_open(self) -> Any:
        """If everybody may read and nobody may write, any name is accepted."""
        self.serve()
        found = yield self.status("evil.example")
        self.assertEqual(found, 101)

    @inlineCallbacks
    def test_allowed_origin(self) -> Any:
        """A host whose pages may connect may be the gateway's too."""
        self.serve("--allow-put=anyone", "--allow-origin=http://panel.lab.example:*")
        found = yield self.status("panel.lab.example:8888")
        self.assertEqual(found, 101)
        found = yield self.status("other.lab.example:8888")
        self.assertEqual(found, 403)

    @inlineCallbacks
    def test_no_host(self) -> Any:
        """Requests without a Host are not from browsers."""
        self.serve("--allow-put=anyone")
        answer = yield self.exchange(b"GET /config.json HTTP/1.0\r\n\r\n")
        self.assertEqual(answer.status, 200)

    @inlineCallbacks
    def test_proxy(self) -> Any:
        """The host that a trusted proxy reports is used; that of any other peer is not."""
        options = ("--allow-put=anyone", "--allow-host=gw.lab.example")
        self.serve(*options, "--trust-proxy=127.0.0.1")
        for host, forwarded, origin, expected in [
            ("127.0.0.1", "gw.lab.example", "http://gw.lab.example", 101),
            ("127.0.0.1", "gw.lab.example", "http://127.0.0.1", 403),
            ("127.0.0.1", "evil.example", "http://evil.example", 403),
            ("evil.example", "gw.lab.example", "http://evil.example", 403),
            ("127.0.0.1", "evil.example, gw.lab.example", "http://gw.lab.example", 403),
        ]:
            answer = yield self.knock(Host=host, X_Forwarded_Host=forwarded, Origin=origin)
            self.assertEqual(answer.status, expected, (host, forwarded, origin))
        self.serve(*options, "--trust-proxy=192.0.2.7")
        answer = yield self.knock(
            Host="localhost", X_Forwarded_Host="evil.example", Origin="http://evil.example"
        )
        self.assertEqual(answer.status, 403)

    @inlineCallbacks
    def test_behind_tls(self) -> Any:
        """With https, the browser has compared the name with the certificate."""
        self.serve("--allow-put=anyone", "--trust-proxy=127.0.0.1")
        for proto, expected in (("https", 101), ("http", 403)):
            answer = yield self.knock(
                Host="gw.lab.example", Origin=f"{proto}://gw.lab.example", X_Forwarded_Proto=proto
            )
            self.assertEqual(answer.status, expected, proto)

    @inlineCallbacks
    def test_tls(self) -> Any:
        """So it has for a page by TLS from the gateway itself."""
        files = write_certificate(self.folder)
        where = f"ssl:0:interface=127.0.0.1:privateKey={files.key}:certKey={files.certificate}"
        self.serve("--port", where, "--allow-put=anyone")
        endpoint = SSL4ClientEndpoint(
            reactor, "127.0.0.1", self.port, ssl.CertificateOptions(verify=False)
        )
        url = f"wss://gw.lab.example:{self.port}/monitor"
        headers = {"Origin": f"https://gw.lab.example:{self.port}"}
        client = yield connect(reactor, url, endpoint, headers)
        self.addCleanup(client.abort)
        client.send({"action": "put", "pv": "X", "value": 2})
        answer = yield client.receive()
        self.assertEqual(answer["msg_type"], "put")


class BrowserTests(MemoryServiceTestCase):
    """The same with Chromium, which resolves names as the test says."""

    def setUp(self) -> None:
        """Skip if something is missing."""
        super().setUp()
        if problem := missing():
            if os.environ.get("CI") == "true":
                self.fail(problem)
            self.skip = problem

    def test_rebound_page(self) -> Deferred[Any]:
        """A page of evil.example can neither read with this host's rights nor write."""
        self.serve("--allow-put", "--access", self.write("acf", HAG_PUT))
        ours = f"127.0.0.1:{self.port}"
        # A gateway that anybody may read stands for the attacker's own server of pages.
        mine = self.port
        self.serve()
        theirs = f"127.0.0.1:{self.port}"

        def steps() -> None:
            hosts = {"gateway.rebound:80": ours, "evil.example:80": theirs}
            browser = Browser(hosts=hosts, timeout=allowed(15), flags=FEW_PROCESSES)
            self.addCleanup(browser.quit)

            def reply_code(page: str, gateway: str, action: str) -> Any:
                browser.open(f"http://{page}/none")
                address = f"ws://{gateway}/monitor"
                return browser.driver.execute_async_script(REPLY_CODE, address, action)

            own = f"127.0.0.1:{mine}"
            self.assertEqual(reply_code(own, own, "put"), "ok")
            for action in ("connect", "put"):
                self.assertEqual(reply_code("evil.example", own, action), "closed")
                self.assertEqual(reply_code("evil.example", "gateway.rebound", action), "closed")
            self.assertEqual(reply_code("gateway.rebound", "gateway.rebound", "put"), "closed")
            browser.open("http://gateway.rebound/")
            self.assertIn("--allow-host", browser.text("body"))

        return deferToThread(steps)
