"""Logins by password: accepted, refused, and the time they take."""

from __future__ import annotations

import time
from typing import Any

import argon2
import bcrypt
from twisted.internet.defer import gatherResults, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.python import log
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.web.htpasswd import Passwords
from tests.support.http_reader import request
from tests.support.logins import PASSWORD, entry
from tests.support.service_case import MemoryServiceTestCase, basic, reactor
from tests.support.timing import allowed

ACF = "UAG(ops) {alice}\nASG(DEFAULT) { RULE(1,READ) RULE(1,WRITE) { UAG(ops) } }\n"


class LoginTests(MemoryServiceTestCase):
    """--htpasswd."""

    def serve_users(self, *options: str) -> Any:
        """Run a gateway with the users Alice, by bcrypt, and Bob, by argon2."""
        hasher = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        text = f"# users\n{entry('alice')}\nbob:{hasher.hash('b')}\n"
        return self.serve("--htpasswd", self.write("users", text), *options)

    @inlineCallbacks
    def test_pages(self) -> Any:
        """Pages are shown without credentials and with valid ones, but not with invalid ones."""
        self.serve_users()
        good, bob, none, bad, unknown = yield gatherResults(
            [
                self.get(Authorization=basic("alice", PASSWORD)),
                self.get(Authorization=basic("bob", "b")),
                self.get(),
                self.get(Authorization=basic("alice", "wrong")),
                self.get(Authorization=basic("eve", PASSWORD)),
            ]
        )
        self.assertEqual([each.status for each in (good, bob, none)], [200, 200, 200])
        self.assertEqual([each.status for each in (bad, unknown)], [401, 401])
        self.assertIn('basic realm="pycaserver"', bad.headers["www-authenticate"])
        self.assertEqual(bad.body, unknown.body)

    @inlineCallbacks
    def test_many_at_once(self) -> Any:
        """However many pages of a user reconnect together, none counts as a failed login."""
        self.serve_users()
        answers = yield gatherResults(
            [self.get(Authorization=basic("alice", PASSWORD)) for _ in range(30)]
        )
        self.assertEqual({each.status for each in answers}, {200})

    @inlineCallbacks
    def test_sockets(self) -> Any:
        """A WebSocket opens with valid credentials and without any, not with invalid ones."""
        self.serve_users()
        good, none, bad = yield gatherResults(
            [
                self.knock(Authorization=basic("alice", PASSWORD)),
                self.knock(),
                self.knock(Authorization=basic("alice", "wrong")),
            ]
        )
        self.assertEqual([good.status, none.status, bad.status], [101, 101, 401])

    @inlineCallbacks
    def test_required(self) -> Any:
        """With --require-login, nothing is shown without a login."""
        self.serve_users("--require-login")
        for path in ("/", "/config.json", "/static/pycaserver.js"):
            refused = yield self.get(path)
            self.assertEqual(refused.status, 401, path)
            shown = yield self.get(path, Authorization=basic("alice", PASSWORD))
            self.assertEqual(shown.status, 200, path)
        refused = yield self.knock()
        self.assertEqual(refused.status, 401)
        opened = yield self.knock(Authorization=basic("alice", PASSWORD))
        self.assertEqual(opened.status, 101)

    @inlineCallbacks
    def test_login_page(self) -> Any:
        """`/login` makes the browser ask for a password, and redirects to the console."""
        self.serve_users()
        reply = yield self.get("/login")
        self.assertEqual(reply.status, 401)
        back = yield self.get("/login", Authorization=basic("alice", PASSWORD))
        self.assertEqual((back.status, back.headers["location"]), (303, "./"))

    @inlineCallbacks
    def test_no_credentials_here(self) -> Any:
        """Without --htpasswd, a password is ignored: it may be meant for a proxy."""
        self.serve()
        shown, page = yield gatherResults(
            [self.get(Authorization=basic("alice", "wrong")), self.get("/login")]
        )
        self.assertEqual((shown.status, page.status), (200, 404))

    @inlineCallbacks
    def test_malformed(self) -> Any:
        """A header with Basic that is malformed is a bad request."""
        self.serve_users()
        for value in ("Basic", "Basic !!!", "Basic YWxpY2U=", "Basic //8="):
            refused = yield self.get(Authorization=value)
            self.assertEqual(refused.status, 400, value)
        twice = {"Authorization": basic("alice", PASSWORD), "authorization": basic("bob", "b")}
        refused = yield self.exchange(request("/", {**twice, "Connection": "close"}))
        self.assertEqual(refused.status, 400)
        for value in ("Basic\t", "Basic \t"):
            tab = yield self.get(Authorization=value + basic("alice", "wrong")[6:])
            self.assertEqual(tab.status, 401, value)

    @inlineCallbacks
    def test_puts(self) -> Any:
        """With bare --allow-put, users with a login may write, others may not."""
        self.serve_users("--allow-put")
        alice = yield self.connect({"Authorization": basic("alice", PASSWORD)})
        anybody = yield self.connect()
        for client in (anybody, alice):
            client.send({"action": "put", "pv": "X", "value": 2})
        refused = yield anybody.receive()
        self.assertEqual(refused["code"], "forbidden")
        written = yield alice.receive()
        self.assertEqual(written["msg_type"], "put")

    @inlineCallbacks
    def test_access_file(self) -> Any:
        """The user in an access file's UAG is the one of the login."""
        self.serve_users("--allow-put", "--access", self.write("acf", ACF))
        alice = yield self.connect({"Authorization": basic("alice", PASSWORD)})
        bob = yield self.connect({"Authorization": basic("bob", "b")})
        for client, expected in ((alice, "put"), (bob, "error")):
            client.send({"action": "put", "pv": "X", "value": 2})
            answer = yield client.receive()
            self.assertEqual(answer["msg_type"], expected)

    @inlineCallbacks
    def test_delay(self) -> Any:
        """A wrong password and an unknown user are answered after a second, not before."""
        self.serve_users()
        took = []
        for user in ("alice", "nobody"):
            started = reactor.seconds()
            refused = yield self.get(Authorization=basic(user, "wrong"))
            took.append(reactor.seconds() - started)
            self.assertEqual(refused.status, 401)
        self.assertTrue(all(1.0 <= each < allowed(3.0) for each in took), took)

    @inlineCallbacks
    def test_guessing(self) -> Any:
        """After ten failures an address must wait, except for cached logins."""
        service = self.serve_users()
        known = yield self.get(Authorization=basic("alice", PASSWORD))
        self.assertEqual(known.status, 200)
        login_throttle = [self.get(Authorization=basic("alice", f"guess {n}")) for n in range(13)]
        answers = yield gatherResults(login_throttle)
        statuses = sorted(answer.status for answer in answers)
        self.assertEqual(statuses, [401] * 10 + [429] * 3)
        again, bob = yield gatherResults(
            [
                self.get(Authorization=basic("alice", PASSWORD)),
                self.get(Authorization=basic("bob", "b")),
            ]
        )
        self.assertEqual((again.status, bob.status), (200, 429))
        counted = service.statistics().totals.logins
        self.assertEqual(counted, {"ok": 2, "failed": 10, "throttled": 4, "busy": 0})

    @inlineCallbacks
    def test_loop_lives(self) -> Any:
        """Passwords are hashed in threads: reactor iterations stay short meanwhile."""
        slow = bcrypt.hashpw(b"slow", bcrypt.gensalt(11)).decode()
        self.serve("--htpasswd", self.write("users", f"slow:{slow}\n"))
        hashing = gatherResults([self.get(Authorization=basic("slow", "slow")) for _ in range(4)])
        gaps, before = [], reactor.seconds()
        while not hashing.called:
            yield deferLater(reactor, 0.005)
            gaps.append(reactor.seconds() - before)
            before = reactor.seconds()
        answers = yield hashing
        self.assertEqual({answer.status for answer in answers}, {200})
        self.assertGreater(len(gaps), 10)
        self.assertLess(sorted(gaps)[int(len(gaps) * 0.9)], allowed(0.05))

    @inlineCallbacks
    def test_removed_user(self) -> Any:
        """Connections of a user who was removed from the file are closed; others stay open."""
        service = self.serve_users()
        alice = yield self.connect({"Authorization": basic("alice", PASSWORD)})
        bob = yield self.connect({"Authorization": basic("bob", "b")})
        path = self.folder / "users"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if not line.startswith("alice")))
        admission = service.files
        good = yield admission.logins.reload()
        self.assertTrue(good)
        code = yield alice.when_closed()
        self.assertEqual((code, alice.messages[-1]["code"]), (1008, "unauthenticated"))
        bob.send({"action": "ping"})
        pong = yield bob.receive()
        self.assertEqual(pong["msg_type"], "pong")
        path.write_text("bob:plain\n")
        good = yield admission.logins.reload()
        self.assertFalse(good)
        still = yield self.get(Authorization=basic("bob", "b"))
        self.assertEqual(still.status, 200)

    @inlineCallbacks
    def test_nothing_secret_logged(self) -> Any:
        """Passwords, tokens, queries and referrers are not logged."""
        events: list[str] = []

        def observe(event: dict[str, Any]) -> None:
            events.append(str(log.textFromEventDict(event)) + repr(event))

        log.addObserver(observe)
        self.addCleanup(log.removeObserver, observe)
        self.serve_users("--access-log")
        secret = "S3CRET"
        yield gatherResults(
            [
                self.get(f"/?token={secret}", Authorization=basic("alice", secret)),
                self.get("/", Referer=f"http://x/?{secret}"),
                self.get(f"http://user:{secret}@gateway/"),
                self.knock(Sec_WebSocket_Protocol=f"bearer.{secret}, bearer.{secret}"),
                self.get(Authorization=f"Bearer {secret}"),
            ]
        )
        logged = "\n".join(events)
        self.assertIn("GET", logged)
        self.assertNotIn(secret, logged)
        self.assertNotIn(basic("alice", secret), logged)


class PasswordsTests(SynchronousTestCase):
    """Password files."""

    def test_equal_work(self) -> None:
        """An unknown user takes as much work as a known one, and cannot be distinguished."""
        passwords = Passwords({"alice": bcrypt.hashpw(b"x", bcrypt.gensalt(8)).decode()})
        took: dict[str, list[float]] = {"alice": [], "eve": []}
        for _ in range(7):
            for user, times in took.items():
                started = time.thread_time()
                self.assertFalse(passwords.check(user, "wrong"))
                times.append(time.thread_time() - started)
        known, unknown = (min(times) for times in took.values())
        self.assertLess(max(known, unknown), 2 * min(known, unknown))

    def test_equal_work_of_all_entries(self) -> None:
        """So do users whose entries differ in scheme and cost: each takes milliseconds."""
        argon = argon2.PasswordHasher(time_cost=2, memory_cost=2048, parallelism=1)
        dear = argon2.PasswordHasher(time_cost=8, memory_cost=2048, parallelism=1)
        entries = {
            "cheap": bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode(),
            "dear": bcrypt.hashpw(b"x", bcrypt.gensalt(7)).decode(),
            "argon": argon.hash("x"),
            "dear argon": dear.hash("x"),
        }
        passwords = Passwords(entries)
        took: dict[str, list[float]] = {user: [] for user in (*entries, "nobody")}
        for _ in range(7):
            for user, times in took.items():
                started = time.thread_time()
                self.assertFalse(passwords.check(user, "wrong"))
                times.append(time.thread_time() - started)
        least = {user: min(times) for user, times in took.items()}
        self.assertLess(max(least.values()), 1.5 * min(least.values()), least)
        for user in entries:
            self.assertTrue(passwords.check(user, "x"))
            self.assertFalse(passwords.check(user, "wrong"))
        self.assertFalse(passwords.check("nobody", "x"))

    def test_odd_passwords(self) -> None:
        """Passwords that no hash accepts are wrong, and not an error."""
        passwords = Passwords({"alice": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()})
        for password in ("", "x\0", "y" * 2000, "\ud800".encode("utf-8", "replace").decode()):
            self.assertFalse(passwords.check("alice", password))
        # As everywhere, bcrypt looks at 72 bytes.
        self.assertTrue(passwords.check("alice", "x" * 73))
