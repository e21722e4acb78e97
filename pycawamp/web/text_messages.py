"""Text messages in one unfragmented frame: almost all messages of clients.

Autobahn parses frames with a dozen calls each, to support all of RFC 6455. Requests of pages are
many and short, so common frames are parsed directly.
"""

from __future__ import annotations

_FIN_TEXT = 0x81
_MASKED = 0x80
_MEDIUM = 126


def take_text(data: bytes, at: int, max_size: int) -> tuple[bytes, int] | None:
    """Return the text message in the frame at a position.

    Args:
        data: The received data.
        at: The position of a frame.
        max_size: Maximum bytes of a message.

    Returns:
        The text and the position after the frame. None if there is no such message: the frame is
        incomplete, a fragment, a control frame, too large or invalid.
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
    if size < 0 or end > len(data) or size > max_size:
        return None
    text = _unmasked(data[start:end], data[start - 4 : start])
    return (text, end) if _is_utf8(text) else None


def begins_text(data: bytes, max_size: int) -> bool:
    """Return whether data is the beginning of a text message for whose rest to wait.

    Args:
        data: The remaining received data.
        max_size: Maximum bytes of a message to wait for.
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
    return data[0] == _FIN_TEXT and 0 <= size <= max_size and len(data) < header + size


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
