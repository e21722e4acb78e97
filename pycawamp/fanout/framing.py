"""How a transport delimits messages."""

from __future__ import annotations

from collections.abc import Callable

import attrs


@attrs.frozen(eq=False)
class Framing:
    """Puts payloads into frames. One value for each kind of transport."""

    text: Callable[[bytes], bytes]
    """Frames a text message."""
    binary: Callable[[bytes], bytes]
    """Frames a binary message."""
    name: str = ""
    """The transport's name, for statistics and logs."""
    ping: bytes = b""
    """A frame that the client answers; empty if the transport has none."""
    is_rfc6455: bool = False
    """Whether text messages are unmasked text frames (RFC 6455), which C code can write too."""
    compress: Callable[[bytes], bytes | None] | None = None
    """Compresses joined frames for all clients; returns None if it does not reduce the size enough.

    The result does not depend on what a client has received before.
    """
