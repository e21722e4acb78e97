"""Text messages of clients in one whole frame: nearly all that clients send.

Autobahn takes frames apart in a dozen calls, for all that RFC 6455 allows. Requests of pages are
many and short, so they are taken from the data directly, where they are nothing special.
"""

from __future__ import annotations

_FIN_TEXT = 0x81
_MASKED = 0x80
_MEDIUM = 126


def take_text(data: bytes, at: int, most: int) -> tuple[bytes, int] | None:
    """Take a text message from a frame that begins at `at`.

    Args:
        data: What the client has sent.
        at: Where a frame begins.
        most: Bytes that a message may have.

    Returns:
        The text and where the next frame begins. None if there is no such message: the frame is
        incomplete, a fragment, a control frame or too large, or breaks the protocol.
    """
    if len(data) < at + 6 or data[at] != _FIN_TEXT:
        return None
    size = data[at + 1] - _MASKED
    start = at + 6
    if size == _MEDIUM:
        size = data[at + 2] << 8 | data[at + 3]
        if size < _MEDIUM:
            return None
        start = at + 8
    elif size > _MEDIUM:
        return None
    end = start + size
    if size < 0 or end > len(data) or size > most:
        return None
    text = _unmasked(data[start:end], data[start - 4 : start])
    return (text, end) if _is_utf8(text) else None


def begins_text(data: bytes, most: int) -> bool:
    """Return whether data is the beginning of a text message that is to be waited for.

    Args:
        data: What is left of what the client has sent.
        most: Bytes of a message that is waited for.
    """
    if len(data) < 2:
        return data == b"" or data[0] == _FIN_TEXT
    size, header = data[1] - _MASKED, 6
    if size == _MEDIUM:
        if len(data) < 4:
            return data[0] == _FIN_TEXT
        size, header = data[2] << 8 | data[3], 8
    elif size > _MEDIUM:
        return False
    return data[0] == _FIN_TEXT and 0 <= size <= most and len(data) < header + size


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    # One operation on two long integers.
    number = int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")
    return number.to_bytes(size, "little")


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
