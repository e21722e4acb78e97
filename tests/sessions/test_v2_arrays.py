"""Arrays of a real IOC, in each form."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks

from tests.support.ca_client import run_client
from tests.support.version2_case import V2TestCase, like, send_request

RECORDS = """
record(waveform, "$(P)chars") { field(FTVL, "CHAR") field(NELM, "8") }
record(waveform, "$(P)shorts") { field(FTVL, "SHORT") field(NELM, "8") }
record(waveform, "$(P)longs") { field(FTVL, "LONG") field(NELM, "8") field(EGU, "A") }
record(waveform, "$(P)enums") { field(FTVL, "ENUM") field(NELM, "8") }
record(waveform, "$(P)floats") { field(FTVL, "FLOAT") field(NELM, "8") }
record(waveform, "$(P)doubles") { field(FTVL, "DOUBLE") field(NELM, "8") }
record(waveform, "$(P)strings") { field(FTVL, "STRING") field(NELM, "8") }
record(ao, "$(P)scalar") { field(VAL, "1.5") field(PINI, "YES") }
"""
ARRAYS: dict[str, tuple[str, list[Any]]] = {
    "chars": ("|u1", [0, 255, 7]),
    "shorts": ("<i2", [-32768, 1]),
    "longs": ("<i4", [-(2**31), 2, 3]),
    "enums": ("<u2", [15, 0]),
    "floats": ("<f4", [0.5, -3]),
    "doubles": ("<f8", [1e-300, 2, 3, 4, 5]),
}
MILLION = 1_000_000
BIG = f'record(waveform, "$(P)big") {{ field(FTVL, "DOUBLE") field(NELM, "{MILLION}") }}'


def read_binary(frame: bytes) -> tuple[dict[str, Any], Any]:
    """Return the header and elements of a binary frame, after checking its layout."""
    size = int.from_bytes(frame[:4], "little")
    header = json.loads(frame[4 : 4 + size])
    start = 4 + size + -(4 + size) % 8
    if frame[4 + size : start].strip(b" "):
        raise AssertionError("the padding is not blank")
    elements = np.frombuffer(frame[start:], header["dtype"])
    if header["shape"] != [len(elements)] or header["count"] != len(elements):
        raise AssertionError(f"{len(elements)} elements: {header}")
    return header, elements


class ArrayTests(V2TestCase):
    """Arrays as JSON, in base64, and as binary frames."""

    @inlineCallbacks
    def test_forms(self) -> Any:
        """Each form has the exact elements, also of empty arrays, with their type and number."""
        _, _, client = yield self.start_all(RECORDS)
        for name, (dtype, elements) in ARRAYS.items():
            for expected in ([], elements):
                if expected:
                    outcome = yield self.put(client, name, expected)
                    self.assertEqual(outcome, "ok")
                reply = yield self.send_request(client, "get", name)
                self.assertEqual((reply["value"], reply["count"]), (expected, len(expected)))
                reply = yield self.send_request(client, "get", name, arrays="base64")
                value = reply["value"]
                self.assertEqual(list(value), ["dtype", "shape", "base64"])
                raw = np.frombuffer(base64.b64decode(value["base64"]), value["dtype"])
                self.assertEqual((value["dtype"], value["shape"]), (dtype, [len(expected)]))
                self.assertEqual(raw.tolist(), expected)
                pv = self.prefix + name
                client.send({"action": "get", "pv": pv, "arrays": "binary", "id": name})
                frame = yield client.until(lambda message: isinstance(message, bytes))
                header, raw = read_binary(frame)
                got = header["dtype"], header["msg_type"], header["id"], raw.tolist()
                self.assertEqual(got, (dtype, "value", name, expected))

    @inlineCallbacks
    def test_binary_keys(self) -> Any:
        """A binary header has dtype and shape for a value; strings and scalars are JSON."""
        _, _, client = yield self.start_all(RECORDS)
        yield self.put(client, "longs", [1])
        yield self.put(client, "chars", "text")
        plain = ["msg_type", "pvname", "dtype", "shape", "count", "timestamp"]
        for name, keys in [
            ("longs", [*plain, "units", "severity", "status"]),
            ("chars", [*plain, "severity", "status", "text"]),
        ]:
            options = {"arrays": "binary", "metadata": True, "text": True}
            client.send({"action": "connect", "pv": self.prefix + name, **options})
            frame = yield client.until(lambda message: isinstance(message, bytes))
            header, _ = read_binary(frame)
            self.assertEqual((list(header), header["msg_type"]), (keys, "monitor"))
        self.assertEqual(header["text"], "text")
        yield self.put(client, "strings", ["a", "b"])
        for arrays in ("base64", "binary"):
            for name, value in [("strings", ["a", "b"]), ("scalar", 1.5)]:
                reply = yield self.send_request(client, "get", name, arrays=arrays)
                self.assertEqual(reply["value"], value)

    @inlineCallbacks
    def test_million(self) -> Any:
        """A waveform of a million doubles arrives completely in each form, for every client."""
        yield self.start_ioc(BIG)
        fixture = yield self.start_gateway()
        first = yield fixture.connect()
        second = yield fixture.connect()
        pv = self.prefix + "big"
        for client in (first, second):
            client.send({"action": "connect", "pv": pv, "arrays": "binary"})
            yield client.until(like(msg_type="connection"))
        script = f"answer(epics.caput('{pv}', list(range({MILLION})), wait=True))"
        written = yield run_client(reactor, self.ports, script)
        self.assertEqual(written.answer, 1)

        def is_whole(message: Any) -> bool:
            return isinstance(message, bytes) and len(message) > 8 * MILLION

        frames = []
        for client in (first, second):
            frame = yield client.until(is_whole)
            frames.append(frame)
        _, elements = read_binary(frames[0])
        self.assertEqual(len(elements), MILLION)
        self.assertTrue((elements == np.arange(MILLION)).all())
        self.assertEqual(frames[0], frames[1])
        for arrays in ("json", "base64"):
            reply = yield send_request(first, "get", pv=pv, arrays=arrays)
            self.assertEqual(reply["count"], MILLION)
            value = reply["value"]
            if arrays == "base64":
                value = np.frombuffer(base64.b64decode(value["base64"]), value["dtype"])
            self.assertTrue((np.array(value) == elements).all())
