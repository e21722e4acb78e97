"""Options of clients for PVs of pvAccess: messages of alarms, 64-bit integers, images."""

from __future__ import annotations

import io
import json
from collections.abc import Generator
from typing import Any

import numpy as np
import PIL.Image
from twisted.internet.defer import Deferred, inlineCallbacks

from pycawamp.fanout.pictures import SMALL_IMAGE
from pycawamp.testing import WebSocketTestClient
from tests.support.pva_case import PVATestCase
from tests.support.version2_case import send_request

SHOWN = (
    "add('long', nt.NTScalar('l', display=True), {'value': 2**53 + 1})",
    "add('longs', nt.NTScalar('aL'), np.array([1, 2**64 - 1], 'u8'))",
    "add('sick', nt.NTScalar('d'), {'value': 1.5,"
    " 'alarm': {'severity': 2, 'status': 2, 'message': 'the motor stalled'}})",
    "add('hex', nt.NTScalar('i', display=True, form=True), {'value': 255, 'display':"
    " {'form': {'index': 2, 'choices': ['Default', 'String', 'Hex']}}})",
    "add('grey', nt.NTNDArray(), np.arange(20000, dtype='u2').reshape(100, 200))",
    "add('large', nt.NTNDArray(), np.full((1100, 1000), 77, 'u1'))",
)
NAMED = (
    "V = nt.NTNDArray().wrap(np.zeros((4, 6), 'u1'))",
    "V.attribute = [{'name': 'Gain', 'value': 2.5}, {'name': 'Camera', 'value': 'left'}]",
    "add('named', None, V)",
)


def picture(payload: bytes) -> tuple[dict[str, Any], PIL.Image.Image]:
    """Return the header of a binary message, and the JPEG in it."""
    size = int.from_bytes(payload[:4], "little")
    start = 4 + size + -(4 + size) % 8
    return json.loads(payload[4 : 4 + size]), PIL.Image.open(io.BytesIO(payload[start:]))


class OptionTests(PVATestCase):
    """A gateway with a p4p server."""

    @inlineCallbacks
    def start(self, *lines: str) -> Generator[Deferred[Any], Any, WebSocketTestClient]:
        """Run both; fires with a client."""
        self.server = yield self.serve(*lines)
        self.fixture = yield self.start_gateway()
        client: WebSocketTestClient = yield self.fixture.connect()
        return client

    @inlineCallbacks
    def test_plain(self) -> Generator[Deferred[Any], Any, None]:
        """Messages of alarms, digits as strings, attributes: for clients that request them."""
        client = yield self.start(*SHOWN, *NAMED)
        reply = yield send_request(
            client, "configure", metadata=True, alarm_message=True, int64="string"
        )
        self.assertEqual((reply["alarm_message"], reply["int64"]), (True, "string"))
        self.assertNotIn("image", reply)
        sick = yield send_request(client, "get", pv="pva://sick")
        self.assertEqual(sick["status"], "DRIVER")
        self.assertEqual(sick["alarm_message"], "the motor stalled")
        well = yield send_request(client, "get", pv="pva://long")
        self.assertEqual((well["value"], "alarm_message" in well), ("9007199254740993", False))
        longs = yield send_request(client, "get", pv="pva://longs")
        self.assertEqual(longs["value"], ["1", "18446744073709551615"])
        shown = yield send_request(client, "info", pv="pva://hex")
        self.assertEqual(shown["form"], "Hex")
        named = yield send_request(
            client, "get", pv="pva://named", attributes=True, arrays="base64"
        )
        self.assertEqual(named["attributes"], {"Gain": 2.5, "Camera": "left"})
        kept = yield send_request(client, "get", pv="pva://named", arrays="base64")
        self.assertNotIn("attributes", kept)
        mistakes: list[tuple[dict[str, Any], str]] = [
            ({"int64": "hex"}, '"int64" to be one of number, string'),
            ({"image": {"jpeg": 0}}, '"jpeg" of "image" to be a whole number from 1 to 100'),
            ({"image": {"jpeg": 80, "max": 1.5}}, '"max" of "image"'),
            ({"image": {"png": 80}}, 'an object with "jpeg"'),
        ]
        for wrong, part in mistakes:
            reply = yield send_request(client, "configure", **wrong)
            self.assertIn(part, reply["message"])

    @inlineCallbacks
    def test_pictures(self) -> Generator[Deferred[Any], Any, None]:
        """Images are compressed once for all clients with the same option, also new ones."""
        client = yield self.start(*SHOWN)
        other = yield self.fixture.connect()
        options = {"arrays": "binary", "image": {"jpeg": 85, "max": 64}}
        reply = yield send_request(client, "configure", **options)
        self.assertEqual(reply["image"], {"jpeg": 85, "max": 64})
        for each in (client, other):
            each.send({"action": "connect", "pv": "pva://grey", **options})
            yield each.until(msg_type="connection", conn=True)
            yield each.until(lambda message: isinstance(message, bytes))
        header, shown = picture(client.payloads[-1])
        self.assertEqual((header["codec"], header["image_shape"]), ("jpeg", [32, 64]))
        self.assertEqual((shown.size, shown.mode), ((64, 32), "L"))
        pixels = np.asarray(shown)
        self.assertLess(pixels[0].mean(), 10)
        self.assertGreater(pixels[-1].mean(), 240)
        self.assertEqual(client.payloads[-1], other.payloads[-1])
        yield self.server.run("pvs['grey'].post(np.full((100, 200), 9, 'u1'))")
        yield client.until(lambda message: isinstance(message, bytes))
        _, shown = picture(client.payloads[-1])
        self.assertAlmostEqual(float(np.asarray(shown).mean()), 9, delta=2)
        client.send({"action": "get", "pv": "pva://large", "id": 7})
        yield client.until(lambda message: isinstance(message, bytes))
        self._check_large(client)
        # Many at once: the newest one is sent, whichever are omitted.
        client.send({"action": "connect", "pv": "pva://large"})
        post = "pvs['large'].post(np.full((1100, 1000), {}, 'u1'))"
        yield self.server.run(f"[{post.format('n')} for n in range(100, 130)]")
        yield self.server.run(post.format(77))
        yield client.until(self._is_of_77)

    def _is_of_77(self, message: Any) -> bool:
        if not isinstance(message, bytes):
            return False
        _, shown = picture(message)
        return abs(float(np.asarray(shown).mean()) - 77) < 2

    def _check_large(self, client: WebSocketTestClient) -> None:
        _, shown = picture(client.payloads[-1])
        self.assertGreater(1100 * 1000, SMALL_IMAGE)
        self.assertEqual(shown.size, (58, 64))
        self.assertAlmostEqual(float(np.asarray(shown).mean()), 77, delta=2)
