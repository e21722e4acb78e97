"""A burst of 1,000 updates to the sockets of many clients: CPU and bytes, without Channel Access.

It takes the minimum CPU time of many rounds, so that the machine need not be idle.
Run: ``python -m bench.bytes``.
"""

from __future__ import annotations

import contextlib
import random
import socket
import time

import attrs
from OpenSSL import SSL

from bench.report import Table, exact
from bench.traffic import self_signed
from pycawamp.web.deflate import Deflate
from pycawamp.web.frames import text_frame

MESSAGES = 1000
CLIENTS = (1, 10, 100, 300)
ROUNDS = 40
HERTZ = 10
ROOM = 2**22
COLUMNS = ("transport", "batch", "compressed", "bytes per message",
           *(f"ms for {clients}" for clients in CLIENTS), f"cores at {HERTZ} Hz, 100")  # fmt: skip


@attrs.frozen
class Way:
    """How a burst is sent to the clients."""

    tls: bool
    batch: bool
    deflate: bool


def burst() -> list[bytes]:
    """Return Version 1 messages with values and times of random digits."""
    return [
        b'{"msg_type":"monitor","pvname":"BENCH:COUNT%05d","value":%.6f,"count":1,'
        b'"timestamp":1700000000.%09d,"units":"mm"}'
        % (pv, random.gauss(5, 1), random.randrange(10**9))
        for pv in range(MESSAGES)
    ]


def frames(messages: list[bytes], batch: bool) -> bytes:
    """Return frames as in a cohort's buffer."""
    if batch:
        return text_frame(b"[%b]" % b",".join(messages))
    return b"".join(map(text_frame, messages))


class Wire:
    """A client's socket, and the reader at its other end."""

    def __init__(self, context: SSL.Context | None) -> None:
        self._near, self._far = socket.socketpair()
        self._near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
        self._tls = _connected(context) if context is not None else None

    def send(self, data: bytes) -> None:
        """Send a burst, encrypted in memory as by Twisted."""
        if self._tls is not None:
            for start in range(0, len(data), 2**16):
                self._tls.send(data[start : start + 2**16])
            data = self._tls.bio_read(2 * len(data) + 2**14)
        self._near.sendall(data)

    def drain(self) -> None:
        """Read everything that was sent."""
        self._far.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self._far.recv(ROOM):
                pass

    def close(self) -> None:
        """Close both ends."""
        self._near.close()
        self._far.close()


def _connected(context: SSL.Context) -> SSL.Connection:
    server, client = SSL.Connection(context), SSL.Connection(SSL.Context(SSL.TLS_METHOD))
    server.set_accept_state()
    client.set_connect_state()
    for _ in range(4):
        for one, other in ((client, server), (server, client)):
            with contextlib.suppress(SSL.WantReadError):
                one.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                other.bio_write(one.bio_read(ROOM))
    return server


def measure(way: Way, wires: list[Wire]) -> tuple[float, float]:
    """Return the minimum CPU seconds for a burst, and the bytes per message."""
    best, size = float("inf"), 0
    compress = Deflate().framing.compress
    for _ in range(ROUNDS):
        data = frames(burst(), way.batch)
        began = time.process_time()
        sent = compress(data) if way.deflate and compress is not None else data
        for wire in wires:
            wire.send(sent or data)
        best = min(best, time.process_time() - began)
        size = len(sent or data)
        for wire in wires:
            wire.drain()
    return best, size / MESSAGES


def main() -> None:
    """Print the table."""
    context = SSL.Context(SSL.TLS_METHOD)
    with self_signed() as certificate:
        context.use_certificate_file(str(certificate))
        context.use_privatekey_file(str(certificate))
    ways = [Way(t, b, d) for t in (False, True) for d in (False, True) for b in (False, True)]
    rows = [_row(way, context) for way in ways]
    print(Table(f"A burst of {MESSAGES:,} updates", COLUMNS, rows).markdown())


def _row(way: Way, context: SSL.Context) -> list[str]:
    costs = []
    size = 0.0
    for clients in CLIENTS:
        wires = [Wire(context if way.tls else None) for _ in range(clients)]
        cost, size = measure(way, wires)
        costs.append(cost)
        for wire in wires:
            wire.close()
    return [
        "wss" if way.tls else "ws",
        "yes" if way.batch else "no",
        "yes" if way.deflate else "no",
        exact(size, 1),
        *(exact(1e3 * cost, 2) for cost in costs),
        exact(costs[CLIENTS.index(100)] * HERTZ, 3),
    ]


if __name__ == "__main__":
    main()
