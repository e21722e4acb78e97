"""docs/security.md: its commands, files and nginx configuration work as described."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, cast

from twisted.internet import ssl
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import SSL4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from pycawamp.config.options import OPTIONS, Options
from pycawamp.demo.ports import free_port
from pycawamp.testing import connect
from tests.support.certificate import write_certificate
from tests.support.process_state import change_directory
from tests.support.service_case import MemoryServiceTestCase, basic, reactor
from tests.support.twistd import Twistd

TEXT = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def blocks(language: str) -> list[str]:
    """The code blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def commands(program: str) -> list[list[str]]:
    """Return the arguments of each command of a program."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith(program)]


class DocumentedTests(MemoryServiceTestCase):
    """The recipes, in a folder with their files."""

    def setUp(self) -> None:
        """Make the files."""
        super().setUp()
        change_directory(self, self.folder)
        self.files = write_certificate(self.folder)
        shutil.copy(self.files.key, "privkey.pem")
        shutil.copy(self.files.certificate, "fullchain.pem")
        self.write("public.pvlist", blocks("pvlist")[0])
        self.write("site.acf", blocks("acf")[0])

    def serve_recipe(self, number: int, *more: str) -> None:
        """Run the gateway of a recipe, on another port."""
        arguments = commands("twistd")[number][3:]
        port = arguments[1].replace("ssl:8443:", "ssl:0:interface=127.0.0.1:")
        self.serve(*more, "--port", port, *arguments[2:])

    @inlineCallbacks
    def client(self, headers: dict[str, str] | None = None, port: int = 0) -> Any:
        """Fires with a client by TLS."""
        settings = ssl.CertificateOptions(verify=False)
        endpoint = SSL4ClientEndpoint(reactor, "127.0.0.1", port or self.port, settings)
        url = f"wss://localhost:{port or self.port}/monitor"
        client = yield connect(reactor, url, endpoint, headers)
        self.addCleanup(client.abort)
        return client

    @inlineCallbacks
    def check(self, number: int) -> Any:
        """Return the output of a documented `pycaserver-access`."""
        arguments = ["-m", "pycawamp.access.check", *commands("pycaserver-access")[number][1:]]
        run = Twistd(reactor)
        self.addCleanup(run.kill)
        run.run([sys.executable, *arguments])
        ended = yield run.when_ended()
        self.assertEqual(ended.status, 0, run.lines)
        return "\n".join(run.lines)

    @inlineCallbacks
    def test_public(self) -> Any:
        """The public page shows what the list allows, and nobody can write."""
        output = yield self.check(0)
        self.assertIn("read: yes\nwrite: no", output)
        for name in ("BEAM:CURRENT", "BEAM:TEST:X", "OTHER"):
            self.backend.add(name, 1.0)
        self.serve_recipe(0)
        client = yield self.client({"Origin": "https://elsewhere.example"})
        for name, code in (("BEAM:TEST:X", "forbidden"), ("OTHER", "forbidden")):
            client.send(name)
            error = yield client.receive()
            self.assertEqual(error["code"], code)
        client.send("BEAM:CURRENT")
        yield client.until(msg_type="monitor")
        client.send({"action": "put", "pv": "BEAM:CURRENT", "value": 2})
        error = yield client.receive()
        self.assertEqual(error["code"], "forbidden")

    @inlineCallbacks
    def test_operators(self) -> Any:
        """The documented command makes a password file; its user writes from the control room."""
        output = yield self.check(1)
        self.assertIn("write: yes (trapped)", output)
        (line,) = [line for line in blocks("sh")[1].splitlines() if line]
        line = line.replace("python ", f"{sys.executable} ").replace(
            "bcrypt.gensalt(12)", "bcrypt.gensalt(4)"
        )
        script = f"printf 'pass word\\n' | setsid -w {line}"
        _, errors, status = yield getProcessOutputAndValue("/bin/sh", ["-c", script], os.environ)
        self.assertEqual(status, 0, errors)
        self.serve_recipe(1, "--trust-proxy=127.0.0.1")
        operator = basic("alice", "pass word")
        for headers, expected in (
            ({"Authorization": operator, "X-Forwarded-For": "192.0.2.7"}, "put"),
            ({"Authorization": operator, "X-Forwarded-For": "192.0.2.9"}, "error"),
            ({"X-Forwarded-For": "192.0.2.7"}, "error"),
        ):
            client = yield self.client(headers)
            client.send({"action": "put", "pv": "X", "value": 2})
            answer = yield client.receive()
            self.assertEqual(answer["msg_type"], expected)
        self.assertIn('user="alice"', Path("puts.log").read_text())

    @inlineCallbacks
    def test_nginx(self) -> Any:
        """A real nginx with the documented configuration accepts users of the sign-on service."""
        if NGINX is None:
            raise SkipTest("no nginx: apt-get install nginx-light")
        socket = self.folder / "s"
        # A path of a UNIX socket has 107 bytes at most.
        where = os.path.relpath(socket)
        arguments = commands("twistd")[2][3:]
        arguments[1] = arguments[1].replace("/run/pycaserver/gateway.sock", where)
        self.serve(*arguments)
        sign_on = yield TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(
            Site(SignOn(), logFormatter=lambda *_: "sign-on")
        )
        self.addCleanup(sign_on.stopListening)
        port = free_port()
        yield self.start_nginx(port, sign_on.getHost().port, where)
        origin = f"https://localhost:{port}"
        spoofed = {"X-Remote-User": "alice"}
        yield self.assertFailure(self.client({"Origin": origin, **spoofed}, port), ConnectionError)
        evil = {"Cookie": "session=good", "Origin": "https://evil.example"}
        yield self.assertFailure(self.client(evil, port), ConnectionError)
        good = {"Cookie": "session=good", "Origin": origin, "X-Forwarded-For": "6.6.6.6"}
        client = yield self.client(good, port)
        client.send({"action": "put", "pv": "X", "value": 2})
        answer = yield client.receive()
        self.assertEqual(answer["msg_type"], "put")

    @inlineCallbacks
    def start_nginx(self, port: int, sign_on: int, socket: str) -> Any:
        """Run nginx with the documented server; fires when it listens."""
        server = blocks("nginx")[0]
        for documented, ours in (
            ("443 ssl", f"127.0.0.1:{port} ssl"),
            ("4180", str(sign_on)),
            ("/run/pycaserver/gateway.sock", socket),
            ("fullchain.pem", str(self.folder / "fullchain.pem")),
            ("privkey.pem", str(self.folder / "privkey.pem")),
        ):
            self.assertIn(documented, server)
            server = server.replace(documented, ours)
        user = "user root;" if os.getuid() == 0 else ""
        directories = "".join(
            f"{kind}_temp_path {self.folder / kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        configuration = self.write(
            "nginx.conf",
            f"{user} daemon off; pid {self.folder}/nginx.pid; error_log stderr; events {{}}\n"
            f"http {{ access_log off; {directories}\n{server}}}\n",
        )
        nginx = _Nginx()
        arguments = [str(NGINX), "-p", str(self.folder), "-e", "stderr", "-c", configuration]
        process = reactor.spawnProcess(nginx, arguments[0], arguments, {}, str(self.folder))
        self.addCleanup(nginx.stop, process)
        yield self.until_listening(port, nginx)

    @inlineCallbacks
    def until_listening(self, port: int, nginx: _Nginx) -> Any:
        """Fires when a page is answered."""
        for _ in range(200):
            self.assertFalse(nginx.ended.called, nginx.output)
            try:
                client = yield self.client({"Cookie": "session=good"}, port)
            except Exception:
                yield deferLater(reactor, 0.05)
            else:
                yield client.close()
                return
        self.fail(f"nginx does not listen: {nginx.output!r}")


class OptionTests(MemoryServiceTestCase):
    """Statements of the page about options."""

    def test_defaults(self) -> None:
        """Each limit is listed with its default, and each mentioned option exists."""
        defaults = {option.name: option.default for option in OPTIONS}
        in_docs = dict(re.findall(r"^\| `--([\w-]+)`[^|]*\| (\d+) \|", TEXT, re.MULTILINE))
        limits = {name for name, value in defaults.items() if name.startswith("max-") and value}
        limits.add("handshake-timeout")
        self.assertEqual(in_docs, {name: defaults[name] for name in limits})
        existing = set(cast(Any, Options()).longOpt)
        for name in set(re.findall(r"`--([\w-]+)", TEXT)):
            self.assertTrue({name, f"{name}="} & existing, name)


class SignOn(Resource):
    """A single sign-on service with one session."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """Answer with the user of the session."""
        if request.getCookie(b"session") != b"good":
            request.setResponseCode(401)
        else:
            request.setHeader("X-Auth-Request-User", "alice")
        return b""


class _Nginx(ProcessProtocol):
    """A running nginx."""

    def __init__(self) -> None:
        self.output = b""
        self.ended: Deferred[None] = Deferred()

    def stop(self, process: IProcessTransport) -> Deferred[None]:
        if not self.ended.called:
            process.signalProcess("TERM")
        return self.ended

    def errReceived(self, data: bytes) -> None:
        self.output += data

    def processEnded(self, reason: Any) -> None:
        self.ended.callback(None)
