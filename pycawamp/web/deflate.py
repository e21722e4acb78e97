"""permessage-deflate (RFC 7692): negotiation and compression.

The frames of a cohort in a flush cycle are compressed together, once for all its members. Each
such piece starts with a new compressor, so it does not refer to earlier data, and each member can
inflate it whatever it has received before. Everything else is sent to one client only, and is not
compressed: it must not come between the messages of a piece, and a client's own text never shares
a compressor with other data.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from typing import TypeAlias

import attrs

from pycawamp.fanout.framing import Framing
from pycawamp.web.frames import WEBSOCKET, compressed_header, split

NAME = "permessage-deflate"
WINDOW_BITS = 12
"""4 KiB hold the last 30 updates. A larger window is slower and hardly reduces the size."""
MEMORY_LEVEL = 5
LEVEL = 1
LEAST = 1024
"""Minimum bytes to compress; less fits into one packet anyway."""
MAX_PIECE = 2**20
"""Maximum bytes of a piece to compress, which takes at most 10 ms; the rest is not compressed."""
_TAIL = -4  # The end of a compressed message; it is not sent, as the receiver appends it.
_BITS = {str(bits): bits for bits in range(8, 16)}
_LEAST_BITS = 9  # zlib has no smaller window.

Parameters: TypeAlias = Mapping[str, Sequence[str | bool]]
"""The values of each parameter in an offer; True means no value."""


@attrs.frozen
class Deflate:
    """The negotiated parameters."""

    window_bits: int = WINDOW_BITS
    keeps_context: bool = True
    """Whether a message may refer to the previous one."""
    parameters: tuple[str, ...] = attrs.field(default=(), eq=False)
    """Further parameters of the response."""

    @property
    def answer(self) -> str:
        """The value of Sec-WebSocket-Extensions."""
        # So nothing needs to be kept of a client between its messages.
        return "; ".join((NAME, "client_no_context_takeover", *self.parameters))

    @property
    def framing(self) -> Framing:
        """The framing with these parameters."""
        return _framing(self)


def agree(offers: Iterable[tuple[str, Parameters]]) -> Deflate | None:
    """Return the parameters for the first acceptable offer; None if there is none."""
    for name, parameters in offers:
        agreed = _accept(parameters) if name == NAME else None
        if agreed is not None:
            return agreed
    return None


def compress(data: bytes, window_bits: int, keeps_context: bool) -> bytes | None:
    """Return joined frames with compressed texts; None if that does not reduce the size enough."""
    if len(data) < LEAST:
        return None
    view = memoryview(data)
    pieces: list[bytes | memoryview] = []
    compressor = None
    room = MAX_PIECE
    least = 0 if keeps_context else LEAST
    for is_text, start, payload, end in split(data):
        size = end - payload
        if not is_text or not least <= size <= room:
            pieces.append(view[start:end])
            continue
        room -= size
        if compressor is None or not keeps_context:
            compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -window_bits, MEMORY_LEVEL)
        deflated = compressor.compress(view[payload:end]) + compressor.flush(zlib.Z_SYNC_FLUSH)
        pieces.append(compressed_header(len(deflated) + _TAIL))
        pieces.append(deflated[:_TAIL])
    return b"".join(pieces) if compressor is not None else None


@cache
def _framing(agreed: Deflate) -> Framing:
    # One framing for all clients with the same parameters, so that they share cohorts.
    return attrs.evolve(
        WEBSOCKET,
        compress=partial(
            compress, window_bits=agreed.window_bits, keeps_context=agreed.keeps_context
        ),
    )


def _accept(parameters: Parameters) -> Deflate | None:
    """Return the parameters for an offer; None if RFC 7692 requires to decline it."""
    window_bits, keeps_context = WINDOW_BITS, True
    agreed: list[str] = []
    for name, values in parameters.items():
        value = values[0] if len(values) == 1 else None
        if name == "server_no_context_takeover" and value is True:
            keeps_context = False
            agreed.append(name)
        elif name == "server_max_window_bits" and _BITS.get(str(value), 0) >= _LEAST_BITS:
            window_bits = min(WINDOW_BITS, _BITS[str(value)])
            agreed.append(f"{name}={window_bits}")
        elif name == "client_max_window_bits" and (value is True or value in _BITS):
            pass  # Messages of clients are inflated with the largest window.
        elif name != "client_no_context_takeover" or value is not True:
            return None
    return Deflate(window_bits, keeps_context, tuple(agreed))
