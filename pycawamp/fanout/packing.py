"""How the messages of a flush cycle are put together: each in a frame, or as one array."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import attrs

from pycawamp.fanout.framing import Framing
from pycawamp.fanout.outbox import Outbox


@attrs.frozen(eq=False)
class Packing:
    """How JSON messages become what an outbox takes."""

    wrap: Callable[[bytes], bytes]
    """Prepares one message."""
    joint: bytes
    """What stands between two messages."""
    deliver: Callable[[Outbox, bytes], None]
    """Hands joined messages to a client."""


@cache
def packing_for(framing: Framing, batch: bool) -> Packing:
    """Return the one packing for a transport, with or without batches.

    In a batch, the messages of a flush cycle are one JSON array in one frame, up to a
    message that has to be a frame of its own.
    """
    if batch:
        return Packing(bytes, b",", Outbox.append_to_batch)
    return Packing(framing.text, b"", Outbox.append)
