"""The gateway's memory while clients request as much as possible and read nothing."""

from __future__ import annotations

import json
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.threads import deferToThread

from pycawamp.testing import WebSocketTestClient
from tests.support.attacker import open_socket
from tests.support.ca_client import run_client
from tests.support.twistd_case import LOOPBACK, TwistdTestCase
from tests.support.version2_case import like, send_request
from tests.support.websocket_frames import client_frame

MIB = 2**20
ELEMENTS = 1_000_000
RECORDS = f"""
record(waveform, "$(P)big") {{ field(FTVL, "DOUBLE") field(NELM, "{ELEMENTS}") }}
record(waveform, "$(P)slow") {{
    field(FTVL, "DOUBLE") field(NELM, "50000") field(FLNK, "$(P)delay")
}}
record(calcout, "$(P)delay") {{ field(CALC, "1") field(ODLY, "60") }}
record(ao, "$(P)scalar") {{ field(VAL, "1.5") field(PINI, "YES") }}
"""
MAX_MEMORY = 128
"""MiB."""
SLACK = 200
"""MiB in addition: for current work, and for what the allocator does not release."""


class ServedMemoryTests(TwistdTestCase):
    """A gateway with little memory, all its own, and an IOC with a large array."""

    # A fork shares memory with others.
    may_fork = False

    @inlineCallbacks
    def start(self) -> Generator[Deferred[Any], Any, None]:
        """Run both, and a client that requests little."""
        yield self.start_ioc(RECORDS)
        script = f"""
            numbers = [1 / (3 + number) for number in range({ELEMENTS})]
            answer(epics.caput("{self.prefix}big", numbers, wait=True, timeout=20))
        """
        written = yield run_client(reactor, self.ports, script)
        self.assertEqual(written.answer, 1, written.stderr)
        self.run_ = self.twistd()
        options = (f"--max-memory={MAX_MEMORY}", "--allow-put=anyone", "--linger=1")
        match = yield self.run_.serve(f"--port={LOOPBACK}", *options)
        url = match.group(1).replace("http", "ws") + "monitor"
        self.port = urlsplit(url).port or 0
        self.client: WebSocketTestClient = yield self.connect(url)
        yield self.assert_served()
        self.before = self.peak()

    def peak(self) -> float:
        """Return the maximum memory of the gateway so far, in MiB."""
        status = Path(f"/proc/{self.run_.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    @inlineCallbacks
    def attacker(self) -> Generator[Deferred[Any], Any, socket.socket]:
        """A client that reads nothing."""
        client: socket.socket = yield deferToThread(open_socket, self.port)
        self.addCleanup(client.close)
        return client

    @inlineCallbacks
    def assert_served(self) -> Generator[Deferred[Any], Any, None]:
        """The client that requests little gets it."""
        reply = yield send_request(self.client, "get", pv=self.prefix + "scalar")
        self.assertEqual(reply.get("value"), 1.5, reply)

    def assert_within(self) -> None:
        """The gateway's memory never exceeded the limit."""
        self.assertLess(self.peak() - self.before, MAX_MEMORY + SLACK)

    @inlineCallbacks
    def test_slices(self) -> Any:
        """Most of one client's hundred slices of a large array are refused."""
        yield self.start()
        names = [f"{self.prefix}big.VAL[{start}:{ELEMENTS - 1}]" for start in range(100)]
        self.client.send({"action": "connect", "pvs": names, "arrays": "binary"})
        received: dict[str, str] = {}
        while len(received) < len(names):
            message = yield self.client.until(lambda each: True)
            if isinstance(message, bytes):
                size = int.from_bytes(message[:4], "little")
                received[json.loads(message[4 : 4 + size])["pvname"]] = "value"
            elif message["msg_type"] == "error":
                received[message["pvname"]] = message["code"]
        kinds = list(received.values())
        self.assertLessEqual(set(kinds), {"value", "too_many_pvs", "overloaded"})
        self.assertGreater(kinds.count("value"), 0)
        self.assertLessEqual(kinds.count("value"), MAX_MEMORY // 4 // 7)
        self.assert_within()
        # Disconnect refused ones, so that there is room for others.
        reply = yield send_request(self.client, "get", pv=self.prefix + "big", arrays="base64")
        self.assertEqual(reply.get("count"), ELEMENTS, reply.get("code"))

    @inlineCallbacks
    def test_unread_gets(self) -> Any:
        """Twenty clients that request a large array and do not read it stay within the limit."""
        yield self.start()
        request = client_frame(json.dumps({"action": "get", "pv": self.prefix + "big"}).encode())
        for _ in range(20):
            client = yield self.attacker()
            client.sendall(4 * request)
        yield self.run_.until_line("Dropped .* memory is full|Refused .* memory for arrays is full")
        yield self.assert_served()
        self.assert_within()

    @inlineCallbacks
    def test_unread_updates(self) -> Any:
        """So do twenty that subscribe to it, and do not read."""
        yield self.start()
        request = client_frame(
            json.dumps({"action": "connect", "pv": self.prefix + "big"}).encode()
        )
        for _ in range(20):
            client = yield self.attacker()
            client.sendall(request)
        yield self.run_.until_line("Dropped .* memory is full")
        yield self.assert_served()
        self.assert_within()

    @inlineCallbacks
    def test_puts(self) -> Any:
        """Most of hundreds of puts of arrays that wait for a slow record are refused."""
        yield self.start()
        keys = {"pv": self.prefix + "slow", "value": [0.12345] * 50_000, "timeout": 60}
        request = json.dumps({"action": "put", **keys})
        for _ in range(200):
            self.client.send(request)
        yield self.client.until(like(action="put", code="overloaded"))
        reply = yield send_request(self.client, "ping")
        self.assertEqual(reply["msg_type"], "pong")
        yield self.assert_served()
        self.assert_within()
        yield self.client.abort()
        before = len(self.run_.lines)
        other = yield self.connect(f"ws://127.0.0.1:{self.port}/monitor")
        self.client = other
        yield self.assert_served()
        reply = yield send_request(other, "put", **keys, wait=False)
        self.assertTrue(reply.get("ok"), (reply, self.run_.lines[before:]))
