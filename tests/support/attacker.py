"""Hostile clients, in a separate process: `python -m tests.support.attacker KIND PORT N`.

It uses blocking sockets and no code of the project, so that only the gateway is measured.
"""

from __future__ import annotations

import os
import random
import select
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress

from tests.support.http_reader import END, UPGRADE, is_upgraded, request
from tests.support.timing import allowed
from tests.support.websocket_frames import BINARY, CLOSE, PING, PONG, TEXT, client_frame

HANDSHAKE = request("/monitor", {"Host": "localhost", **UPGRADE})
CROWD = 50
"""Connections that are open at once."""
RESET = struct.pack("ii", 1, 0)


def connect(port: int) -> socket.socket:
    """Return a connection."""
    return socket.create_connection(("127.0.0.1", port), timeout=allowed(20))


def open_socket(port: int) -> socket.socket:
    """Return a WebSocket."""
    client = connect(port)
    client.sendall(HANDSHAKE)
    answer = b""
    while END not in answer:
        answer += client.recv(4096)
    if not is_upgraded(answer):
        raise SystemExit(f"refused: {answer!r}")
    return client


def vanish(port: int, number: int) -> None:
    """Connect, subscribe and disconnect: by reset, by close, within a frame or handshake."""
    crowd: list[socket.socket] = []
    for count in range(number):
        client = connect(port) if count % 5 == 4 else open_socket(port)
        if count % 5 == 4:
            client.sendall(HANDSHAKE[: count % len(HANDSHAKE)])
        else:
            client.sendall(
                client_frame(b'{"action":"connect","pvs":["X","Y","no%d"]}' % (count % 100))
            )
        if count % 5 == 3:
            client.sendall(client_frame(b"x" * 200)[:100])
        if count % 2:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        crowd.append(client)
        if len(crowd) >= CROWD:
            crowd.pop(0).close()
    for client in crowd:
        client.close()


def dawdle(port: int, number: int) -> None:
    """Send a handshake byte by byte on each connection, until all are closed."""
    crowd = [connect(port) for _ in range(number)]
    sent = 0
    while crowd:
        for client in list(crowd):
            try:
                client.sendall(HANDSHAKE[sent % len(HANDSHAKE) :][:1])
            except OSError:
                crowd.remove(client)
        sent += 1
        select.select([], [], [], 0.05)


def bloat(port: int, number: int) -> None:
    """Send handshakes of a megabyte, in one line and in many."""
    for count in range(number):
        with connect(port) as client:
            line = b"X: " + b"x" * 2**20 if count % 2 else b"X: %b\r\n" % (b"x" * 95) * 10_000
            try:
                client.sendall(HANDSHAKE[:-2] + line + b"\r\n\r\n")
                while client.recv(4096):
                    pass
            except OSError:
                pass


def fuzz(port: int, number: int) -> None:
    """Send random bytes: before, in and after the handshake."""
    dice = random.Random(0x5EED)
    for count in range(number):
        client = open_socket(port) if count % 3 == 2 else connect(port)
        data = (_noise, _bent_handshake, _bent_frames)[count % 3](dice)
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        except OSError:
            pass
        client.close()


def _noise(dice: random.Random) -> bytes:
    return dice.randbytes(dice.randrange(1, 3000))


def _bent_handshake(dice: random.Random) -> bytes:
    data = bytearray(HANDSHAKE)
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(data))
        if dice.random() < 0.5:
            data[at] = dice.randrange(256)
        else:
            data[at:at] = dice.choice([b"\r\n", b"\0", b":", b"bearer.", b"Basic ", b"\xff" * 9])
    return bytes(data)


def _bent_frames(dice: random.Random) -> bytes:
    requests = [b'{"action":"connect","pv":"X"}', b'{"action":"list"}', b"Y", b"\xff", b"[" * 300]
    kinds = [TEXT, BINARY, 0x01, 0x00, 0x80, CLOSE, PING, PONG, 0x83, 0xC1]
    data = bytearray()
    for _ in range(dice.randrange(1, 8)):
        data += client_frame(dice.choice(requests), dice.choice(kinds))
    for _ in range(dice.randrange(3)):
        data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data) + dice.randbytes(dice.randrange(40))


def occupy(port: int, number: int) -> None:
    """Open as many connections as allowed, send nothing or half of a handshake, and repeat."""
    crowd: list[socket.socket] = []
    for count in range(number):
        client = connect(port)
        with suppress(OSError):
            client.sendall(HANDSHAKE[: count % 100])
        crowd.append(client)
        if len(crowd) > 1000:
            crowd.pop(500).close()
    for client in crowd:
        client.close()


KINDS: dict[str, Callable[[int, int], None]] = {
    "vanish": vanish,
    "dawdle": dawdle,
    "bloat": bloat,
    "fuzz": fuzz,
    "occupy": occupy,
}

if __name__ == "__main__":
    os.nice(5)
    KINDS[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
