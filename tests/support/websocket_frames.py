"""WebSocket frames as bytes (RFC 6455, section 5.2), independent of Autobahn and the gateway."""

from __future__ import annotations

from collections.abc import Iterator

TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
"""First bytes of whole messages and of control frames."""


def client_frame(payload: bytes, first: int = TEXT) -> bytes:
    """Return a client's frame, masked with zeros. `first` has the FIN bit and the opcode."""
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | size])
    elif size < 2**16:
        head = b"\xfe" + size.to_bytes(2, "big")
    else:
        head = b"\xff" + size.to_bytes(8, "big")
    return bytes([first]) + head + bytes(4) + payload


class FrameReader:
    """Splits received data into frames."""

    def __init__(self) -> None:
        self.rest = b""
        """The data of an incomplete frame."""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Handle data; yield the first byte and the payload of each complete frame."""
        data, start = self.rest + data, 0
        while len(data) >= (payload := start + 2):
            size = data[start + 1]
            if size >= 126:
                payload += 2 if size == 126 else 8
                size = int.from_bytes(data[start + 2 : payload], "big")
            end = payload + size
            if len(data) < end:
                break
            yield data[start], data[payload:end]
            start = end
        self.rest = data[start:]


def whole_frames(data: bytes) -> list[tuple[int, bytes]]:
    """Return first byte and payload of a server's frames; AssertionError if one is incomplete."""
    reader = FrameReader()
    frames = list(reader.feed(data))
    if reader.rest:
        raise AssertionError(f"a frame was cut short: {reader.rest[:20]!r}")
    return frames


def text_payloads(data: bytes) -> list[bytes]:
    """Return the payloads of a server's text frames; AssertionError if there is another."""
    frames = whole_frames(data)
    if others := [first for first, _ in frames if first != TEXT]:
        raise AssertionError(f"expected whole text frames, got {others}")
    return [payload for _, payload in frames]
