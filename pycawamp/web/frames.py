"""Payloads to WebSocket frames, ready for the socket (RFC 6455, section 5.2).

A server's frames are not masked, so one frame's bytes serve every client.
"""

from __future__ import annotations

from struct import Struct

from pycawamp.fanout.framing import Framing

_FIN_TEXT = 0x81
_FIN_BINARY = 0x82
_MEDIUM = Struct("!BBH")
_LARGE = Struct("!BBQ")


def text_frame(payload: bytes) -> bytes:
    """One unfragmented text message."""
    size = len(payload)
    if size < len(_TEXT_HEADERS):
        return _TEXT_HEADERS[size] + payload
    return _header(_FIN_TEXT, size) + payload


def binary_frame(payload: bytes) -> bytes:
    """One unfragmented binary message."""
    return _header(_FIN_BINARY, len(payload)) + payload


def _header(first: int, size: int) -> bytes:
    if size < 126:
        return bytes((first, size))
    if size < 65536:
        return _MEDIUM.pack(first, 126, size)
    return _LARGE.pack(first, 127, size)


# Nearly every update is shorter than this; looking its header up beats packing it.
_TEXT_HEADERS = tuple(_header(_FIN_TEXT, size) for size in range(512))

WEBSOCKET = Framing(text_frame, binary_frame, "websocket", is_rfc6455=True)
