"""Payloads to frames."""

from __future__ import annotations

import struct

from twisted.trial.unittest import SynchronousTestCase

from pycawamp.web.frames import binary_frame, text_frame


class FrameTests(SynchronousTestCase):
    """text_frame and binary_frame: whole messages, not masked (RFC 6455, section 5.2)."""

    def test_lengths(self) -> None:
        """The length takes 1, 3 or 9 bytes, the fewest that hold it."""
        for size, head in [
            (0, b"\x00"),
            (1, b"\x01"),
            (125, b"\x7d"),
            (126, b"\x7e\x00\x7e"),
            (511, b"\x7e\x01\xff"),
            (512, b"\x7e\x02\x00"),
            (65535, b"\x7e\xff\xff"),
            (65536, b"\x7f" + struct.pack("!Q", 65536)),
            (2**20, b"\x7f" + struct.pack("!Q", 2**20)),
        ]:
            payload = b"x" * size
            self.assertEqual(text_frame(payload), b"\x81" + head + payload)
            self.assertEqual(binary_frame(payload), b"\x82" + head + payload)
