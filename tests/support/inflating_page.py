"""A page that reads compressed messages according to RFC 7692, with zlib only."""

from __future__ import annotations

import zlib
from typing import Any

from pycawamp.web.deflate import Deflate
from tests.support.memory_gateway import Page
from tests.support.websocket_frames import TEXT, whole_frames

COMPRESSED = 0xC1
"""First byte of a whole compressed text."""


class InflatingPage(Page):
    """A page with compression; it inflates with the negotiated window, not a larger one."""

    def __init__(self, agreed: Deflate) -> None:
        super().__init__()
        self.framing = agreed.framing
        self._agreed = agreed
        self._inflater = zlib.decompressobj(-agreed.window_bits)
        self._payloads: list[bytes] = []
        self.compressed = 0
        """Messages that came compressed."""

    @property
    def payloads(self) -> list[bytes]:
        """The payloads of all frames so far."""
        data = b"".join(self.writes)
        self.writes.clear()
        for first, payload in whole_frames(data):
            assert first in (TEXT, COMPRESSED), hex(first)
            self._payloads.append(self._inflate(payload) if first == COMPRESSED else payload)
        return self._payloads

    def take(self) -> list[Any]:
        """Return the messages since the last call."""
        messages = self.messages
        self._payloads.clear()
        return messages

    def _inflate(self, payload: bytes) -> bytes:
        self.compressed += 1
        inflated = self._inflater.decompress(payload + b"\0\0\xff\xff")
        assert not self._inflater.unconsumed_tail and not self._inflater.eof
        if not self._agreed.keeps_context:
            self._inflater = zlib.decompressobj(-self._agreed.window_bits)
        return inflated
