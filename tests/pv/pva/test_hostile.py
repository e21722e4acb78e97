"""Servers that violate the protocol, and random bytes."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Generator
from functools import partial
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.demo.ports import PVAPorts
from pycawamp.pv.pva import channel as channel_module
from pycawamp.pv.pva import messages
from pycawamp.pv.pva.description import description_of
from pycawamp.pv.pva.messages import Receiver
from pycawamp.pv.pva.types import (
    COPIED,
    DOUBLE,
    ScalarArray,
    Structure,
    TypeReader,
    decode,
    describe,
)
from pycawamp.pv.pva.wire import BIG, LITTLE, MALFORMED, ORDERS, Order, Reader, bit_set
from tests.support.examples import examples
from tests.support.ioc_case import until_true
from tests.support.lying_pva_server import TYPE, LyingPVAServer, failed
from tests.support.pva_case import PVATestCase, RecordingSink

TIME = bytes.fromhex(
    "800b74696d655374616d705f7403107365636f6e64735061737445706f6368230b6e616e6f5365636f6e647322"
    "077573657254616722"
)
"""The description of timeStamp_t: the first example of the protocol's specification."""


def reader(raw: bytes, order: Order = BIG) -> Reader:
    return Reader(raw, 0, len(raw), order)


class DecoderTests(SynchronousTestCase):
    """The decoder by itself."""

    def test_specified(self) -> None:
        """The examples of the specification are decoded as specified."""
        described = TypeReader().type(reader(b"\xfd\x00\x01" + TIME))
        self.assertIsInstance(described, Structure)
        assert isinstance(described, Structure)
        self.assertEqual((described.name, described.bits), ("timeStamp_t", 4))
        for numbers, raw in (
            ([], "00"),
            ([0], "0101"),
            ([8], "020001"),
            ([55], "0700000000000080"),
            ([63], "080000000000000080"),
            ([64], "09000000000000000001"),
        ):
            self.assertEqual(bit_set(numbers, LITTLE).hex(), raw)
            taken = reader(bit_set(numbers, BIG)).bits()
            self.assertEqual(int.from_bytes(taken, "little"), sum(1 << each for each in numbers))

    def test_kept_types(self) -> None:
        """A cached type can be referred to by its number; an unknown number is an error."""
        types = TypeReader()
        first = types.type(reader(b"\xfd\x00\x07" + TIME))
        self.assertEqual(types.type(reader(b"\xfe\x00\x07")), first)
        self.assertRaises(MALFORMED, types.type, reader(b"\xfe\x00\x08"))

    def test_bounds(self) -> None:
        """Bounded and fixed-size strings and arrays are decoded by their actual size."""
        for described, raw, value in (
            ("8305", "03616263", "abc"),
            ("3305", "0200000000000000010000000000000002", [1, 2]),
            ("3b02", "00000000000000010000000000000002", [1, 2]),
            ("7802", "01610162", ["a", "b"]),
        ):
            types = TypeReader()
            taken = reader(bytes.fromhex(described + raw))
            kind = types.type(taken)
            assert kind is not None
            found = decode(kind, taken, types)
            self.assertEqual(found if isinstance(found, str) else list(found), value)
            self.assertEqual(taken.left, 0)

    def test_copied(self) -> None:
        """A small array does not keep the buffer of its burst alive."""
        types = TypeReader()
        for order in ORDERS:
            for count, is_copied in ((8, True), (COPIED // 8 + 1, order is BIG)):
                burst = b"\xfe" + order.u32.pack(count) + bytes(8 * count + 1000)
                array = decode(ScalarArray(DOUBLE), reader(burst, order), types)
                kept = np.shares_memory(array, np.frombuffer(burst, "u1"))
                self.assertEqual(kept, not is_copied)

    def test_segments(self) -> None:
        """A message in segments is one message, however its bytes arrive."""
        payload = bytes(range(200))
        whole = b""
        for start, flags in ((0, 0x10), (50, 0x30), (100, 0x30), (150, 0x20)):
            part = payload[start : start + 50]
            whole += struct.pack("<BBBBI", 0xCA, 2, 0x40 | flags, 13, len(part)) + part
            # A control message may arrive in between.
            whole += struct.pack("<BBBBI", 0xCA, 2, 0x41, 1, 99)
        for step in (1, 7, 58, len(whole)):
            receiver = Receiver()
            found = []
            for start in range(0, len(whole), step):
                found += receiver.feed(whole[start : start + step])
            taken = [(each.command, each.buffer[each.start : each.end]) for each in found]
            self.assertEqual(taken, [(13, payload)], step)

    @settings(max_examples=examples(400), deadline=None)
    @given(st.binary(max_size=300), st.sampled_from(ORDERS))
    @example(b"\x80" * 300, BIG)
    @example(b"\x88" * 300, BIG)
    @example(b"\x80\x00\xfe\x7f\xff\xff\xff", BIG)
    @example(b"\xfd\x00\x01" * 100, BIG)
    def test_any_type(self, raw: bytes, order: Order) -> None:
        """Any bytes are a type, or invalid; and any bytes are a value of it, or invalid."""
        types = TypeReader()
        taken = reader(raw, order)
        try:
            described = types.type(taken)
            if described is not None:
                decode(described, taken, types)
        except MALFORMED:
            pass

    @settings(max_examples=examples(400), deadline=None)
    @given(st.data(), st.sampled_from(ORDERS))
    def test_any_update(self, data: st.DataObject, order: Order) -> None:
        """Any bytes are an update that can be converted to a reading, or invalid."""
        described = data.draw(st.sampled_from(_TYPES))
        description = description_of(described)
        state = description.layout.state()
        taken = reader(data.draw(st.binary(max_size=200)), order)
        try:
            plan = description.layout.plan(taken.bits(), order)
            plan.apply(taken, state, TypeReader())
        except MALFORMED:
            return
        reading = description.reading(state)
        self.assertGreaterEqual(reading.seconds, 0)
        self.assertIn(reading.nanoseconds, range(10**9))
        description.metadata(state, "server:5075", None)

    @settings(max_examples=examples(200), deadline=None)
    @given(st.lists(st.binary(max_size=100), max_size=5))
    def test_any_stream(self, parts: list[bytes]) -> None:
        """Any bytes are messages, or invalid."""
        receiver = Receiver()
        try:
            for part in (b"\xca\x02", *parts):
                for message in receiver.feed(part):
                    self.assertLessEqual(message.end, len(message.buffer))
        except MALFORMED:
            pass

    @settings(max_examples=examples(200), deadline=None)
    @given(st.binary(max_size=200))
    def test_any_datagram(self, raw: bytes) -> None:
        """Any datagram is a reply, a beacon, or invalid."""
        for take in (messages.search_response, messages.beacon):
            with contextlib.suppress(*MALFORMED):
                take(reader(raw))

    def test_lengths(self) -> None:
        """Lengths without the data for them allocate no memory."""
        count = b"\xfe\x7f\xff\xff\xff"
        for described in (b"\x4b", b"\x68", b"\x88\x80\x00\x00", b"\x8a"):
            types = TypeReader()
            kind = types.type(reader(described))
            assert kind is not None
            self.assertRaises(MALFORMED, decode, kind, reader(count + bytes(100)), types)
        huge = struct.pack("<BBBBI", 0xCA, 2, 0x40, 13, 0xFFFFFFFF)
        self.assertRaises(MALFORMED, Receiver().feed, huge)


_NT = "epics:nt/NTScalar:1.0"


def _structure(raw: bytes) -> Structure:
    described = TypeReader().type(reader(raw))
    assert isinstance(described, Structure)
    return described


def _named(name: str, *fields: bytes) -> bytes:
    head = b"\x80" + bytes((len(name),)) + name.encode() + bytes((len(fields),))
    return head + b"".join(fields)


def _field(name: str, described: bytes) -> bytes:
    return bytes((len(name),)) + name.encode() + described


_ALARM = _field(
    "alarm",
    _named("", _field("severity", b"\x22"), _field("status", b"\x22"), _field("message", b"\x60")),
)
_STAMP = _field("timeStamp", TIME.replace(b"\x0bnanoSeconds", b"\x0bnanoseconds"))
_TYPES = [
    _structure(_named(_NT, _field("value", b"\x43"), _ALARM, _STAMP)),
    _structure(_named(_NT, _field("value", b"\x4b"), _ALARM, _STAMP)),
    # An alarm and a time stamp of other types than they should have.
    _structure(
        _named(
            _NT,
            _field("value", b"\x60"),
            _field("alarm", _named("", _field("severity", b"\x60"), _field("message", b"\x43"))),
            _field("timeStamp", _named("", _field("nanoseconds", b"\x43"))),
            _field(
                "display", _named("", _field("limitLow", b"\x60"), _field("limitHigh", b"\x43"))
            ),
        )
    ),
    _structure(_named("odd", _field("a", b"\x82"), _field("b", b"\x88\x80\x00\x00"), _STAMP)),
]


def is_above(server: LyingPVAServer, count: str, number: int) -> bool:
    """Return a predicate: the server has counted more than this number."""
    return bool(getattr(server, count) > number)


class LyingServerTests(PVATestCase):
    """A gateway's backend with a server that sends invalid data."""

    def start(self, ports: PVAPorts, **lies: Any) -> LyingPVAServer:
        """Run a server with some of its attributes set."""
        server = LyingPVAServer(ports)
        for name, lie in lies.items():
            setattr(server, name, lie)
        server.start()
        self.addCleanup(server.stop)
        return server

    @inlineCallbacks
    def test_honest(self) -> Generator[Deferred[Any], Any, None]:
        """Valid data is accepted, in either byte order."""
        for order in ORDERS:
            ports = PVAPorts.free()
            self.start(ports, order=order, type=describe(TYPE, order))
            self.ports = ports
            backend = self.start_backend()
            sink = RecordingSink()
            backend.open("x", sink)
            reading = yield sink.until("reading")
            self.assertEqual(reading.value, 1.5)

    @inlineCallbacks
    def test_refused(self) -> Generator[Deferred[Any], Any, None]:
        """A refusal of a server is reported once, with its text, and the request is repeated."""
        self.patch(channel_module, "QUIET", (0.05,))
        for lie in ("create_status", "monitor_status"):
            ports = PVAPorts.free()
            server = self.start(ports, **{lie: failed("not on Sundays")})
            self.ports = ports
            backend = self.start_backend()
            sink = RecordingSink()
            backend.open("x", sink)
            reason = yield sink.until("refused")
            self.assertEqual(reason, "not on Sundays")
            if lie == "create_status":
                yield until_true(partial(is_above, server, "created", 2))
            setattr(server, lie, b"\xff")
            yield sink.until("reading")
            self.assertEqual([call for call, _ in sink.calls].count("refused"), 1)

    @inlineCallbacks
    def test_malformed(self) -> Generator[Deferred[Any], Any, None]:
        """Invalid data ends its own connection, and no other."""
        for lies in (
            {"greeting": b"HTTP/1.1 400 Bad Request\r\n"},
            {"type": b"\x80" * 100},
            {"type": b"\x43"},
            {"update": b"\x02\xff\xff"},
            {"update": b"\x01\x01\x00"},
        ):
            ports, honest = PVAPorts.free(), PVAPorts.free()
            lying = self.start(ports, **lies)
            server = yield self.serve('add("y", nt.NTScalar("d"), 1)', ports=honest)
            self.ports = ports
            backend = self.start_backend(honest)
            sinks = {name: RecordingSink() for name in "xy"}
            for name, sink in sinks.items():
                backend.open(name, sink)
            yield sinks["y"].until("reading")
            # The second time: the first connection has ended, and the client has connected again.
            yield until_true(partial(is_above, lying, "connections", 1))
            yield server.run('pvs["y"].post(2)')
            yield sinks["y"].until("reading", lambda received: received.value == 2)
            self.assertEqual([call for call, _ in sinks["y"].calls].count("connection"), 1)
            self.assertEqual(sinks["x"].readings, [], lies)
            server.kill()
            yield backend.stop()
