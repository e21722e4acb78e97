"""Clients that read everything, in a separate process.

`python -m tests.support.collector PORT N M PV…`: N clients subscribe to the PVs; when each has M
messages of the first PV, a line per client is printed: a JSON array of these messages. Plain
sockets and no code of the project: with 20 of its own clients on one core, the gateway could
not keep up with a fast record.
"""

from __future__ import annotations

import json
import selectors
import sys

from tests.support.attacker import open_socket
from tests.support.websocket_frames import FrameReader, client_frame


class Collector:
    """One client."""

    def __init__(self, port: int, pvs: list[str], enough: int) -> None:
        self.socket = open_socket(port)
        self.socket.sendall(b"".join(client_frame(connect(pv)) for pv in pvs))
        self.messages: list[bytes] = []
        self._prefix = b'{"msg_type":"monitor","pvname":"%b"' % pvs[0].encode()
        self._count = enough
        self._frames = FrameReader()

    def read(self) -> bool:
        """Read data; return whether more messages are needed."""
        data = self.socket.recv(1 << 20)
        if not data:
            raise SystemExit("the gateway has closed the connection")
        self.messages += (
            each for _, each in self._frames.feed(data) if each.startswith(self._prefix)
        )
        return len(self.messages) < self._count


def connect(pv: str) -> bytes:
    """Return the request for a PV."""
    return json.dumps({"action": "connect", "pv": pv}).encode()


def collect(port: int, number: int, enough: int, pvs: list[str]) -> list[Collector]:
    """Run clients until each has the number of messages."""
    clients = [Collector(port, pvs, enough) for _ in range(number)]
    with selectors.DefaultSelector() as waiting:
        for client in clients:
            waiting.register(client.socket, selectors.EVENT_READ, client)
        while waiting.get_map():
            for key, _ in waiting.select():
                if not key.data.read():
                    waiting.unregister(key.fileobj)
    return clients


if __name__ == "__main__":
    port, number, enough, *pvs = sys.argv[1:]
    for client in collect(int(port), int(number), int(enough), pvs):
        print(f"[{b','.join(client.messages).decode()}]")
