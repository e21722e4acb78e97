"""permessage-deflate (RFC 7692): what is agreed on with a client, and what is sent to it.

The frames that a cohort gets in a flush cycle are compressed together, once for all its members.
Each such piece begins with a compressor of its own, so it refers to nothing that was sent before,
and each member can inflate it whatever it has received until then. Everything else is sent to one
client alone, and is not compressed: neither may come between the messages of a piece, nor does a
client's own text share a compressor with anything.
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
"""4 KiB hold the last 30 updates: more makes them hardly smaller, and the compressor slower."""
MEMORY_LEVEL = 5
LEVEL = 1
LEAST = 1024
"""Bytes; less fits into one packet anyway."""
MOST = 2**20
"""Bytes of a piece that are compressed, which takes 10 ms at most; the rest is sent as it is."""
_TAIL = -4  # Of what ends a message, the receiver adds these bytes itself.
_BITS = {str(bits): bits for bits in range(8, 16)}
_LEAST_BITS = 9  # zlib has no smaller window.

Parameters: TypeAlias = Mapping[str, Sequence[str | bool]]
"""The values of each parameter of an offer; True is none."""


@attrs.frozen
class Deflate:
    """What was agreed on with a client."""

    window_bits: int = WINDOW_BITS
    keeps_context: bool = True
    """Whether a message may refer to the one before."""
    parameters: tuple[str, ...] = attrs.field(default=(), eq=False)
    """What the client is told beside."""

    @property
    def answer(self) -> str:
        """The value of Sec-WebSocket-Extensions."""
        # So nothing needs to be kept of a client between its messages.
        return "; ".join((NAME, "client_no_context_takeover", *self.parameters))

    @property
    def framing(self) -> Framing:
        """How messages are framed for it."""
        return _framing(self)


def agree(offers: Iterable[tuple[str, Parameters]]) -> Deflate | None:
    """Return what is agreed on: the first offer that can be met; None if there is none."""
    for name, parameters in offers:
        agreed = _accept(parameters) if name == NAME else None
        if agreed is not None:
            return agreed
    return None


def compress(data: bytes, window_bits: int, keeps_context: bool) -> bytes | None:
    """Return joined frames with their texts compressed; None if that does not pay."""
    if len(data) < LEAST:
        return None
    view = memoryview(data)
    pieces: list[bytes | memoryview] = []
    compressor = None
    room = MOST
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
    # One for all who have agreed on the same: they share their cohorts.
    return attrs.evolve(
        WEBSOCKET,
        compress=partial(
            compress, window_bits=agreed.window_bits, keeps_context=agreed.keeps_context
        ),
    )


def _accept(parameters: Parameters) -> Deflate | None:
    """Return what can be agreed on; None for an offer that RFC 7692 says to decline."""
    window_bits, keeps_context = WINDOW_BITS, True
    told: list[str] = []
    for name, values in parameters.items():
        value = values[0] if len(values) == 1 else None
        if name == "server_no_context_takeover" and value is True:
            keeps_context = False
            told.append(name)
        elif name == "server_max_window_bits" and _BITS.get(str(value), 0) >= _LEAST_BITS:
            window_bits = min(WINDOW_BITS, _BITS[str(value)])
            told.append(f"{name}={window_bits}")
        elif name == "client_max_window_bits" and (value is True or value in _BITS):
            pass  # What comes is inflated with the largest window.
        elif name != "client_no_context_takeover" or value is not True:
            return None
    return Deflate(window_bits, keeps_context, tuple(told))
