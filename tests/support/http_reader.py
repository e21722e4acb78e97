"""HTTP requests and responses as bytes, parsed independently of the gateway."""

from __future__ import annotations

import attrs

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
"""The headers of a WebSocket handshake."""
END = b"\r\n\r\n"
"""Ends the header of a request or an answer."""


@attrs.frozen
class Answer:
    """An HTTP response."""

    status: int
    """0 if the connection ended without an answer."""
    headers: dict[str, str]
    """In lower case."""
    body: str
    text: str
    """All of it."""

    @classmethod
    def parse(cls, data: bytes) -> Answer:
        """Return the response in the data until the end of the connection."""
        text = data.decode()
        head, _, body = text.partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return cls(int(first.split(" ")[1]) if first else 0, headers, body, text)


def request(path: str, headers: dict[str, str], method: str = "GET") -> bytes:
    """Return the bytes of a request, without its body."""
    lines = [f"{name}: {value}" for name, value in {"Host": "gateway:8888", **headers}.items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode()


def is_upgraded(data: bytes) -> bool:
    """Return whether a handshake has succeeded."""
    return data.startswith(b"HTTP/1.1 101") and END in data
