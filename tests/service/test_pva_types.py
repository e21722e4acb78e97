"""Every kind of pvAccess PV, as clients of a gateway get it."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Generator
from typing import Any

import numpy as np
from twisted.internet.defer import Deferred, inlineCallbacks

from tests.support.pva_case import PVATestCase
from tests.support.version2_case import send_request

COMPRESSED = bytes(range(40))
IMAGE = (
    "add('image.{codec}', None, Value(nt.NTNDArray.buildType(), {{'value': ('ubyteValue',"
    " np.frombuffer(bytes.fromhex('{hex}'), 'u1')), 'codec': {{'name': '{codec}'}},"
    " 'dimension': [{{'size': 16}}, {{'size': 8}}]}}))"
)
PVS = (
    "add('bool', nt.NTScalar('?'), True)",
    "add('bools', nt.NTScalar('a?'), [True, False])",
    "add('uint8', nt.NTScalar('B'), 255)",
    "add('uint64', nt.NTScalar('L'), 2**64 - 1)",
    "add('text', nt.NTScalar('s'), '\u00f6' * 10000)",
    "add('longs', nt.NTScalar('al'), [-(2**63), 2**53 + 1])",
    "add('ulongs', nt.NTScalar('aL'), np.array([1, 2**64 - 1], 'u8'))",
    "add('stamped', nt.NTScalar('d'), 1.5)",
    "pvs['stamped'].post(2.5, timestamp=1700000000.5)",
    "uri = nt.NTURI([('x', 'd'), ('name', 's')])",
    "add('uri', None, uri.wrap('there', kws={'x': 1.5, 'name': 'n'}, scheme='pva'))",
    "named = Type([('name', 'as'), ('value', 'as')], id='epics:nt/NTNameValue:1.0')",
    "add('named', None, Value(named, {'name': ['a', 'b'], 'value': ['1', '2']}))",
    "t = nt.NTTable([('n', 'i'), ('s', 's'), ('x', 'd')])",
    "add('table', t, t.wrap([{'n': 1, 's': 'a', 'x': float('nan')}]))",
    *(IMAGE.format(codec=codec, hex=COMPRESSED.hex()) for codec in ("lz4", "blosc", "bslz4")),
)


def binary(payload: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header of a binary message, and the bytes after it."""
    size = int.from_bytes(payload[:4], "little")
    start = 4 + size
    return json.loads(payload[4:start]), payload[start + -start % 8 :]


class PVATypeTests(PVATestCase):
    """A gateway with a p4p server."""

    @inlineCallbacks
    def test_types(self) -> Generator[Deferred[Any], Any, None]:
        """Numbers have all digits, structures all fields; arrays have the requested form."""
        yield self.serve(*PVS)
        fixture = yield self.start_gateway()
        client = yield fixture.connect()

        def got(name: str, **options: Any) -> Any:
            return send_request(client, "get", pv=f"pva://{name}", **options)

        for name, value in (
            ("bool", True),
            ("bools", [True, False]),
            ("uint8", 255),
            ("uint64", 2**64 - 1),
            ("text", "\u00f6" * 10000),
            ("longs", [-(2**63), 2**53 + 1]),
            ("ulongs", [1, 2**64 - 1]),
            ("named", {"name": ["a", "b"], "value": ["1", "2"]}),
            ("table", {"labels": ["n", "s", "x"], "columns": {"n": [1], "s": ["a"], "x": [None]}}),
            ("image.lz4", None),
        ):
            reply = yield got(name)
            self.assertEqual(reply["value"], value, name)
            self.assertNotIn("timestamp", reply)
        reply = yield got("stamped")
        self.assertEqual((reply["value"], reply["timestamp"]), (2.5, 1700000000.5))
        reply = yield got("uri")
        self.assertEqual(reply["value"]["query"], {"x": 1.5, "name": "n"})
        for name, dtype, elements in (
            ("longs", "<i8", [-(2**63), 2**53 + 1]),
            ("ulongs", "<u8", [1, 2**64 - 1]),
            ("bools", "|u1", [1, 0]),
        ):
            reply = yield got(name, arrays="base64")
            self.assertEqual(reply["value"]["dtype"], dtype)
            raw = b64decode(reply["value"]["base64"])
            self.assertEqual(np.frombuffer(raw, dtype).tolist(), elements)
        # Images that are already compressed are passed on unchanged, whatever was requested.
        for codec in ("lz4", "blosc", "bslz4"):
            for options in ({}, {"image": {"jpeg": 85, "max": 512}}):
                client.send(
                    {"action": "get", "pv": f"pva://image.{codec}", "arrays": "binary", **options}
                )
                yield client.until(lambda message: isinstance(message, bytes))
                header, raw = binary(client.payloads[-1])
                self.assertEqual((header["codec"], header["image_shape"]), (codec, [8, 16]))
                self.assertEqual(raw, COMPRESSED)
