"""WebSocket frames (RFC 6455, section 5.2).

A server's frames are not masked, so all clients can share the bytes of a frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from pycawamp.fanout.framing import Framing

_FIN_TEXT = 0x81
_FIN_BINARY = 0x82
_FIN_COMPRESSED_TEXT = 0xC1
_MEDIUM = Struct("!BBH")
_LARGE = Struct("!BBQ")


def text_frame(payload: bytes) -> bytes:
    """Return an unfragmented text message."""
    try:
        return _TEXT_HEADERS[len(payload)] + payload
    except IndexError:
        return _header(_FIN_TEXT, len(payload)) + payload


def binary_frame(payload: bytes) -> bytes:
    """Return an unfragmented binary message."""
    return _header(_FIN_BINARY, len(payload)) + payload


def compressed_header(size: int) -> bytes:
    """Return the header of a compressed text message (RFC 7692, section 6)."""
    return _header(_FIN_COMPRESSED_TEXT, size)


def split(frames: bytes) -> Iterator[tuple[bool, int, int, int]]:
    """Yield for each frame whether it is a text, and where it, its payload and its end are."""
    start = 0
    while start < len(frames):
        payload, size = start + 2, frames[start + 1]
        if size == 126:
            payload, (_, _, size) = start + _MEDIUM.size, _MEDIUM.unpack_from(frames, start)
        elif size == 127:
            payload, (_, _, size) = start + _LARGE.size, _LARGE.unpack_from(frames, start)
        end = payload + size
        yield frames[start] == _FIN_TEXT, start, payload, end
        start = end


def _header(first: int, size: int) -> bytes:
    if size < 126:
        return bytes((first, size))
    if size < 65536:
        return _MEDIUM.pack(first, 126, size)
    return _LARGE.pack(first, 127, size)


# Most updates are shorter; looking up the header is faster than packing it.
_TEXT_HEADERS = tuple(_header(_FIN_TEXT, size) for size in range(512))

WEBSOCKET = Framing(text_frame, binary_frame, "websocket", ping=b"\x89\x00", is_rfc6455=True)
