"""A gateway as a child process that reports its cost, and a blocking client of it."""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
from typing import Any

import attrs

from tests.support.attacker import open_socket
from tests.support.fork_server import fork_server
from tests.support.timing import allowed
from tests.support.websocket_frames import client_frame

TIMEOUT = allowed(60.0)
"""Seconds for which the end of an exchange is waited for."""
DEAF_SECONDS = 1.0
"""Seconds without any progress after which a client that reads nothing gives up."""
PING_ID = "end"


@attrs.frozen
class Cost:
    """The resources that the gateway has used."""

    stall: float
    """Maximum seconds of CPU time in one iteration of its reactor."""
    memory: int
    """Bytes that it has now."""
    lines: list[str]
    """Its log lines."""


class GatewayProcess:
    """`tests.support.measured_gateway` as a child process; every call blocks."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "tests.support.measured_gateway", *options]
        ours, theirs = socket.socketpair()
        with ours, theirs:
            end = theirs.fileno()
            self._process = fork_server().start(command, os.environ, end, end, 2)
            self._lines = ours.makefile("rw")
        self.port = int(self._read())

    def cost(self) -> Cost:
        """Return the cost since the last call, when the gateway is idle."""
        self._lines.write("\n")
        self._lines.flush()
        return Cost(**self._read())

    def end(self) -> None:
        """Stop it."""
        self._lines.close()
        self._process.wait()

    def _read(self) -> Any:
        line = self._lines.readline()
        if not line:
            raise AssertionError(f"the gateway ended with {self._process.wait()}")
        return json.loads(line)


class BlockingClient:
    """A WebSocket client that sends any bytes, with or without reading."""

    def __init__(self, port: int, reads: bool = True) -> None:
        self._socket = open_socket(port)
        self._reads = reads
        self.received = 0
        """Bytes."""
        self.last = b""
        """The last of them."""
        self._is_answered = False

    def send(self, data: bytes) -> None:
        """Send data and a ping, until the pong arrives or the gateway closes the connection."""
        self._is_answered = False
        ping = json.dumps({"action": "ping", "id": PING_ID}).encode()
        rest = memoryview(data + client_frame(ping))
        until = time.monotonic() + TIMEOUT
        self._socket.setblocking(False)
        try:
            while rest or (self._reads and not self._is_answered):
                wait = until - time.monotonic()
                if wait < 0:
                    raise AssertionError(f"no end of it in {TIMEOUT} s; last: {self.last!r}")
                readable, writable, _ = select.select(
                    [self._socket] if self._reads else [],
                    [self._socket] if rest else [],
                    [],
                    wait if self._reads else DEAF_SECONDS,
                )
                if writable:
                    rest = rest[self._socket.send(rest[: 2**16]) :]
                if readable and not self._receive():
                    return
                if not readable and not writable and not self._reads:
                    # The gateway does not serve this client, or it does not read.
                    return
        except OSError:
            pass  # The gateway has closed the connection.

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _receive(self) -> bool:
        data = self._socket.recv(2**20)
        self.received += len(data)
        seen = self.last + data
        self._is_answered = self._is_answered or f'"id":"{PING_ID}"'.encode() in seen
        self.last = seen[-500:]
        return bool(data)
