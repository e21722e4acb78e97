"""Text messages that are parsed directly from the data of a client."""

from __future__ import annotations

import secrets

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.web.text_messages import begins_text, take_text
from tests.support.examples import examples
from tests.support.gateway_case import MemoryGatewayTestCase
from tests.support.websocket_frames import BINARY, CLOSE, PING, TEXT

MAX_SIZE = 5000
TEXTS = st.one_of(
    st.text(max_size=200).map(str.encode),
    st.integers(0, MAX_SIZE + 10).map(lambda size: b"x" * size),
    st.integers(60_000, 70_000).map(lambda size: b"y" * size),
)
MASKS = st.binary(min_size=4, max_size=4)


def masked(payload: bytes, mask: bytes, first: int = TEXT) -> bytes:
    """Return a client's frame."""
    size = len(payload)
    head = bytes([first])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 2**16:
        head += b"\xfe" + size.to_bytes(2, "big")
    else:
        head += b"\xff" + size.to_bytes(8, "big")
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


class TextMessageTests(SynchronousTestCase):
    """take_text and begins_text."""

    @settings(max_examples=examples(50), deadline=None)
    @given(before=st.binary(max_size=9), text=TEXTS, mask=MASKS, after=st.binary(max_size=9))
    def test_whole(self, before: bytes, text: bytes, mask: bytes, after: bytes) -> None:
        """A whole frame is parsed, if it is not too large; then nothing is waited for."""
        frame = masked(text, mask)
        taken = take_text(before + frame + after, len(before), MAX_SIZE)
        end = len(before) + len(frame)
        self.assertEqual(taken, (text, end) if len(text) <= MAX_SIZE else None)
        self.assertFalse(begins_text(frame + after, MAX_SIZE))

    @settings(max_examples=examples(50), deadline=None)
    @given(text=TEXTS, mask=MASKS, data=st.data())
    def test_part(self, text: bytes, mask: bytes, data: st.DataObject) -> None:
        """A part of a frame is waited for, once its size is known, if it is not too large."""
        frame = masked(text, mask)
        part = frame[: data.draw(st.integers(0, len(frame) - 1))]
        self.assertIsNone(take_text(part, 0, MAX_SIZE))
        expected = len(text) <= MAX_SIZE or len(part) < (2 if len(text) > 65535 else 4)
        self.assertEqual(begins_text(part, MAX_SIZE), expected)

    @settings(max_examples=examples(50), deadline=None)
    @given(frame=st.binary(max_size=300))
    def test_any(self, frame: bytes) -> None:
        """No other data is parsed as a text."""
        taken = take_text(frame, 0, MAX_SIZE)
        if taken is not None:
            text, end = taken
            self.assertEqual(
                masked(text, frame[end - len(text) - 4 : end - len(text)]), frame[:end]
            )
            text.decode()

    def test_others(self) -> None:
        """Other kinds of frames and invalid ones are left to Autobahn."""
        mask = b"mask"
        for frame in (
            *(masked(b"x", mask, first) for first in (BINARY, CLOSE, PING, 0x01, 0x80, 0xC1)),
            masked(b"\xff", mask),
            masked(b"\xe2\x82", mask),
            b"\x81\x01x" + bytes(10),
            b"\x81\xfe\x00\x05" + bytes(20),
        ):
            self.assertIsNone(take_text(frame, 0, MAX_SIZE), frame)
            self.assertFalse(begins_text(frame, MAX_SIZE), frame)


class ServedTests(MemoryGatewayTestCase):
    """The same over TCP."""

    @inlineCallbacks
    def test_mixed(self):  # type: ignore[no-untyped-def]
        """Messages arrive in order, however frames of all kinds are split and mixed."""
        client = yield self.start_client()
        data, ids = b"", []
        for number in range(300):
            text = b'{"action":"ping","id":%d,"x":"%b"}' % (number, b"\xc3\xbc" * (number % 97 * 9))
            ids.append(number)
            cut = number % 7
            if cut == 3:
                frames = (masked(text[:9], b"abcd", 0x01), masked(text[9:], b"efgh", 0x80))
                data += frames[0] + masked(b"between", b"ijkl", PING) + frames[1]
            elif cut == 5:
                data += masked(b"pong", b"mnop", 0x8A) + masked(text, bytes(4))
            else:
                data += masked(text, secrets.token_bytes(4))
        for at in range(0, len(data), 1777):
            client.protocol.transport.write(data[at : at + 1777])
        got: list[int] = []
        while len(got) < len(ids):
            pong = yield client.until(msg_type="pong")
            got.append(pong["id"])
        self.assertEqual(got, ids)
        client.protocol.transport.write(masked(b"\xff\xfe", b"abcd"))
        code = yield client.when_closed()
        self.assertEqual(code, 1007)
