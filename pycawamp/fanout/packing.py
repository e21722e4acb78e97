"""How messages are put together for a client: as frames of their own, or as one array."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from pycawamp.fanout.outbox import Outbox
from pycawamp.wire.frames import text_frame


@attrs.frozen(eq=False)
class Packing:
    """What becomes of JSON messages on their way to the outboxes."""

    wrap: Callable[[bytes], bytes]
    """One message, as it is gathered."""
    joint: bytes
    """What stands between two messages."""
    deliver: Callable[[Outbox, bytes], None]
    """Hands joined messages to a client."""


FRAMES = Packing(text_frame, b"", Outbox.append)
"""Each message is a frame."""

BATCH = Packing(bytes, b",", Outbox.append_to_batch)
"""The messages of a turn are one array in one frame, up to one that is a frame of its own."""
