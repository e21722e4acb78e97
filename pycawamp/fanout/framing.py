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
    """Asks the client for a sign of life; empty if the transport has nothing for it."""
    is_rfc6455: bool = False
    """Whether text messages become unmasked text frames (RFC 6455), which C code writes too."""
    compress: Callable[[bytes], bytes | None] | None = None
    """Compresses joined frames for all who get them; returns None if that does not pay.

    What it returns is complete: each client can read it, whatever it got before.
    """
