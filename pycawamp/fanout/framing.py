"""How a transport delimits messages."""

from __future__ import annotations

from collections.abc import Callable

import attrs


@attrs.frozen(eq=False)
class Framing:
    """Turns payloads into what a transport sends. One value for each kind of transport."""

    text: Callable[[bytes], bytes]
    """Frames a text message."""
    binary: Callable[[bytes], bytes]
    """Frames a binary message."""
    is_websocket: bool = False
    """Whether text messages become unmasked text frames of RFC 6455, which C code writes too."""
