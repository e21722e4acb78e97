"""Messages of pvAccess servers."""

from __future__ import annotations

import struct

from pycawamp.pv.pva.wire import LITTLE, Order


def message(command: int, payload: bytes, order: Order = LITTLE, flags: int = 0x40) -> bytes:
    """Return a message of a server."""
    return struct.pack(f"{order.sign}BBBBI", 0xCA, 2, flags | order.flag, command, len(payload)) + (
        payload
    )
