"""The client and its command line: arrays of any shape and type, images, structures."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.client import GatewayClient, Update
from pycawamp.client.jsonlines import update as json_line
from pycawamp.client.messages import decode, update
from pycawamp.client.show import Style, short_line
from tests.support.examples import examples
from tests.support.pva_case import PVATestCase

SHOWN = (
    "add('grey', nt.NTNDArray(), np.arange(6, dtype='u2').reshape(2, 3))",
    "add('longs', nt.NTScalar('aL'), np.array([1, 2**64 - 1], 'u8'))",
    "add('tree', None, Value(Type([('a', ('S', None, [('b', 'd')])),"
    " ('list', ('aS', None, [('c', 'i')]))]), {'a': {'b': 2.5}, 'list': [{'c': 7}]}))",
)


def binary(header: dict[str, Any], elements: bytes) -> bytes:
    """A binary message."""
    start = json.dumps(header).encode()
    padding = b" " * (-(4 + len(start)) % 8)
    return len(start).to_bytes(4, "little") + start + padding + elements


class ImageTests(PVATestCase):
    """The client with a gateway of PVs of a p4p server."""

    @inlineCallbacks
    def test_values(self) -> Any:
        """Images have rows and columns in every form; all elements are printed."""
        yield self.serve(*SHOWN)
        fixture = yield self.start_gateway()
        for arrays in ("base64", "binary"):
            client = GatewayClient(reactor, fixture.url, arrays=arrays)
            self.addCleanup(client.close)
            image = yield client.get("pva://grey")
            self.assertEqual(image.value.tolist(), [[0, 1, 2], [3, 4, 5]])
            self.assertEqual((image.value.dtype, image.count, image.codec), (np.uint16, 6, ""))
            self.assertIn("6 0 1 2 3 4 5", short_line(image, None, Style()))
            self.assertEqual(json.loads(json_line("value", image))["value"], [[0, 1, 2], [3, 4, 5]])
        longs = yield client.get("pva://longs")
        self.assertEqual(longs.value.tolist(), [1, 2**64 - 1])
        tree = yield client.get("pva://tree")
        self.assertEqual(tree.value, {"a": {"b": 2.5}, "list": [{"c": 7}]})
        self.assertIn('{"a": {"b": 2.5}', short_line(tree, None, Style()))


class StrangeArrayTests(SynchronousTestCase):
    """Arrays of unknown types, and compressed images."""

    def taken(self, dtype: str, shape: list[int], elements: bytes, **keys: Any) -> Update:
        """The update in a binary message."""
        header = {"msg_type": "value", "pvname": "X", "dtype": dtype, "shape": shape, "count": 1}
        (message,) = decode(binary(header | keys, elements), True)
        return update(message)

    def test_unknown(self) -> None:
        """Elements of a type that numpy does not know are bytes."""
        for dtype in ("bf16", "|O", "<x9", ",", "(2,)f8"):
            found = self.taken(dtype, [2], b"\x01\x02\x03\x04")
            self.assertEqual(found.value.tolist(), [1, 2, 3, 4], dtype)  # type: ignore[union-attr]

    def test_codec(self) -> None:
        """A compressed image consists of the bytes, and the name of the compression."""
        found = self.taken("|u1", [3], b"abc", codec="jpeg", image_shape=[4, 5])
        self.assertEqual((found.value.tobytes(), found.codec), (b"abc", "jpeg"))  # type: ignore[union-attr]

    @settings(max_examples=examples(100))
    @given(st.text(max_size=5) | st.from_regex(r"[<>|=]?[a-z?][0-9]{1,2}", fullmatch=True))
    def test_any_type(self, dtype: str) -> None:
        """No type name raises anything but the client's own error."""
        try:
            self.taken(dtype, [1], bytes(8))
        except Exception as error:
            self.assertEqual(getattr(error, "code", None), "bad_frame", repr(error))
