"""Compressed messages of clients (RFC 7692)."""

from __future__ import annotations

import zlib
from typing import Any

from pycawamp.web.autobahn_internals import FailureHooks

BAD_PAYLOAD = 1007
MAX_STREAMS = 16
"""Maximum number of final blocks in a message. Valid ones have one; each takes time."""
_END = b"\0\0\xff\xff"  # The end of a compressed message, which is not sent.


class TooLargeError(Exception):
    """A decompressed message is too large."""


class CorruptError(Exception):
    """A message cannot be decompressed."""


class Inflater:
    """Decompresses the messages of a client separately.

    Between messages, it has no state. `limit` is the maximum size of a message in bytes. It has the
    methods that Autobahn calls on an extension.
    """

    EXTENSION_NAME = "permessage-deflate"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._room = 0
        self._streams = 0
        self._inflater: Any = None

    def start_decompress_message(self) -> None:
        """Start a message."""
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._room = self.limit
        self._streams = 1

    def decompress_message_data(self, data: bytes, max_output_len: int | None = None) -> bytes:
        """Return a decompressed part of a message, or nothing after an error.

        Raises:
            TooLargeError: The message is too large; no more than `limit` bytes were decompressed.
            CorruptError: The data is invalid.
        """
        inflated = b""
        while data and self._inflater is not None:
            try:
                # One byte more than allowed, to detect messages that are too large.
                part = self._inflater.decompress(data, self._room + 1)
            except zlib.error as error:
                self._inflater = None
                raise CorruptError(str(error)) from error
            self._room -= len(part)
            if self._room < 0:
                self._inflater = None
                raise TooLargeError
            inflated += part
            data = self._inflater.unused_data
            if data:
                self._streams += 1
                if self._streams > MAX_STREAMS:
                    self._inflater = None
                    raise CorruptError(f"more than {MAX_STREAMS} final blocks")
                # The last block of a compressor; RFC 7692, section 7.2.3.4 allows more after it.
                self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        return inflated

    def end_decompress_message(self) -> None:
        """End a message.

        Raises:
            CorruptError: It is incomplete.
        """
        self.decompress_message_data(_END)
        self._inflater = None


class InflatingProtocol(FailureHooks):
    """Closes the connection if a compressed message is too large or invalid."""

    def on_corrupt(self) -> None:
        """Called before the connection is closed because a message is invalid."""

    def onFrameData(self, payload: bytes) -> Any:
        """Handle a part of a frame."""
        try:
            return super().onFrameData(payload)
        except TooLargeError:
            limit = self._perMessageCompress.limit
            self._max_message_size_exceeded(limit, limit, f"more than {limit} bytes")
        except CorruptError as error:
            self._fail_corrupt(error)
        return False

    def onFrameEnd(self) -> Any:
        """Handle the end of a frame."""
        try:
            return super().onFrameEnd()
        except CorruptError as error:
            self._fail_corrupt(error)
        return False

    def _fail_corrupt(self, error: CorruptError) -> None:
        self.on_corrupt()
        self._fail_connection(BAD_PAYLOAD, f"the message cannot be inflated: {error}")
