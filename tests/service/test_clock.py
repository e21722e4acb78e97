"""The system's clock is set back and forth under a gateway, without effect on clients."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import jwt
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.trial.unittest import SkipTest
from twisted.web.client import Agent, readBody
from twisted.web.http import stringToDatetime

from pycawamp.testing import WebSocketTestClient
from tests.support.timing import TIMEOUT
from tests.support.twistd_case import LOOPBACK, RECORD, TwistdTestCase

FOLDERS = ("/usr/lib", "/usr/local/lib")
SECRET = "s" * 40


def faketime() -> str | None:
    """The library that gives a process another time than the machine's."""
    for folder in FOLDERS:
        for found in Path(folder).glob("**/faketime/libfaketimeMT.so.1"):
            return str(found)
    return None


class SteppedClockTests(TwistdTestCase):
    """A real gateway whose CLOCK_REALTIME is read from a file."""

    @inlineCallbacks
    def run_gateway(self, *options: str) -> Any:
        """Run a gateway whose clock `step` sets; return the address for clients."""
        library = faketime()
        if library is None:
            if os.environ.get("CI") == "true":
                self.fail("libfaketime is missing (Debian: faketime)")
            raise SkipTest("libfaketime is missing (Debian: faketime)")
        self.offset = Path(self.mktemp()).absolute()
        self.offset.parent.mkdir(parents=True, exist_ok=True)
        self.step(0)
        environment = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self.offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }
        run = self.twistd(environment)
        ready = yield run.serve("--port", LOOPBACK, *options)
        return ready[1].replace("http", "ws") + "monitor"

    def step(self, seconds: int) -> None:
        """Set the difference of the gateway's clock."""
        new = self.offset.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.rename(self.offset)

    def values(self, client: WebSocketTestClient, count: int) -> Deferred[Any]:
        """Fires when a client has got this number of further values."""
        left = [count]

        def is_last(message: Any) -> bool:
            self.assertNotEqual(message["msg_type"], "error", message)
            left[0] -= message["msg_type"] == "monitor"
            return not left[0]

        until: Deferred[Any] = client.until(is_last)
        return until

    @inlineCallbacks
    def test_stepped(self) -> Any:
        """Open clients continue, slow ones too, and new ones can connect, for either direction."""
        yield self.start_ioc(RECORD)
        url = yield self.run_gateway(
            "--ping-interval=1", "--stall-timeout=5", "--connect-timeout=0.5"
        )
        plain = yield self.connect(url)
        slow = yield self.connect(url)
        name = self.prefix + "0"
        plain.send({"action": "connect", "pv": name})
        slow.send({"action": "connect", "pv": name, "max_rate": 5})
        yield self.values(plain, 3)
        yield self.values(slow, 3)
        for step in (-60, -3600, 3600, 0):
            self.step(step)
            seen = yield date(url)
            self.assertLess(abs(seen - time.time() - step), TIMEOUT)
            # Longer than a round of pings.
            yield self.values(slow, 8)
            yield self.values(plain, 8)
            newcomer = yield self.connect(url)
            newcomer.send({"action": "connect", "pv": name})
            yield self.values(newcomer, 2)
            newcomer.send({"action": "get", "pv": name, "id": 1})
            yield newcomer.until(id=1)
            newcomer.send({"action": "connect", "pv": self.prefix + "none"})
            yield newcomer.until(msg_type="connection", conn=False)

    @inlineCallbacks
    def test_token(self) -> Any:
        """A token's `exp` is by the system's clock: setting that past it ends the connection."""
        yield self.start_ioc(RECORD)
        key = Path(self.mktemp()).absolute()
        key.parent.mkdir(parents=True, exist_ok=True)
        key.write_text(SECRET)
        url = yield self.run_gateway("--jwt-key", str(key))
        token = jwt.encode({"sub": "alice", "exp": time.time() + 3000}, SECRET)
        headers = {"Authorization": f"Bearer {token}"}
        client = yield self.connect(url, headers=headers)
        client.send({"action": "connect", "pv": self.prefix + "0"})
        yield self.values(client, 3)
        self.step(-3600)
        yield self.values(client, 10)
        self.step(3600)
        error = yield client.until(msg_type="error")
        self.assertEqual(error["code"], "unauthenticated")
        code = yield client.when_closed()
        self.assertEqual(code, 1008)


@inlineCallbacks
def date(url: str) -> Any:
    """Return a Deferred of the gateway's time in UNIX seconds."""
    page = url.replace("ws", "http", 1).replace("/monitor", "/config.json")
    response = yield Agent(reactor).request(b"GET", page.encode())
    yield readBody(response)
    return stringToDatetime(response.headers.getRawHeaders(b"date")[0])
