"""Packing: how messages are put into frames."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import attrs

from pycawamp.fanout.framing import Framing
from pycawamp.fanout.outbox import Outbox


@attrs.frozen(eq=False)
class Packing:
    """Puts JSON messages into frames or batches."""

    wrap: Callable[[bytes], bytes]
    """Prepares one message."""
    joint: bytes
    """Separator of two messages."""
    deliver: Callable[[Outbox, bytes], None]
    """Passes joined messages to an outbox."""
    compress: Callable[[bytes], bytes | None] | None = None
    """Compresses the frames of joined messages, once for all outboxes; None: see `Framing`."""


@cache
def packing_for(framing: Framing, batch: bool) -> Packing:
    """Return the packing for a transport, with or without batches.

    A batch is one frame with a JSON array of the messages of a flush cycle, up to a message that is
    not batched.
    """
    if batch:
        return Packing(bytes, b",", Outbox.append_to_batch, _compress_batches(framing))
    return Packing(framing.text, b"", Outbox.append, framing.compress)


def _compress_batches(framing: Framing) -> Callable[[bytes], bytes | None] | None:
    compress = framing.compress
    if compress is None:
        return None
    # A separate batch: one with messages of others could not be shared.
    return lambda data: compress(framing.text(b"[%b]" % data))
