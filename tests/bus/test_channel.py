"""A PV of an edge while its owner changes, and the parser of NATS's protocol."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from pycawamp.bus.channel import Channel
from pycawamp.bus.link import Link
from pycawamp.bus.protocol import Credentials, Message, NATSProtocol
from pycawamp.pv.interfaces import ISink
from pycawamp.pv.values import FieldType, Metadata, Reading, Status
from tests.support.examples import examples


@implementer(ISink)
class SinkRecorder:
    """Records what the channel reports about a PV."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def metadata(self, metadata: Metadata) -> None:
        """Record metadata."""
        self.messages.append(metadata)

    def connection(self, connected: bool) -> None:
        """Record a state."""
        self.messages.append(connected)

    def refused(self, reason: str) -> None:
        """Record a state."""
        self.messages.append(reason)

    def reading(self, reading: Reading) -> None:
        """Record a value."""
        self.messages.append(reading.value)

    def overloaded(self) -> None:
        """Record that there are no values."""
        self.messages.append("overloaded")


class Ingest:
    """Takes the place of a Link, and records requests."""

    def __init__(self) -> None:
        self.open_now = False

        self.rates: list[float | None] = []

    def open(self, channel: Channel) -> None:
        """Record that the PV is requested."""
        self.open_now = True
        self.rates.append(channel.rate)

    def limit(self, channel: Channel) -> None:
        """Record that another rate is requested."""
        self.rates.append(channel.rate)

    def close(self, _channel: Channel) -> None:
        """Record that the PV is released."""
        self.open_now = False

    def send(self, channel: Channel, number: int) -> None:
        """Send a value; its time stamp is the same number."""
        reading = Reading(0, 0, 1000 + number, 0, number)
        if channel.owner is as_link(self):
            channel.reading(reading)
        else:
            channel.next_reading(as_link(self), reading)


def as_link(ingest: Ingest) -> Link:
    """The ingest with the type of a Link."""
    return cast("Link", ingest)


class Waits:
    """Calls no channel by itself; counts the timeouts."""

    overlaps = 0

    def expect_state(self, channel: Channel) -> None:
        """Do nothing."""

    def expect_overlap(self, channel: Channel, link: Link) -> None:
        """Count it."""
        self.overlaps += 1


METADATA = Metadata(FieldType.DOUBLE, 1)


class ChannelTests(SynchronousTestCase):
    """Changes of owner."""

    def channel(self) -> tuple[Channel, SinkRecorder, Ingest]:
        """Return a PV whose first owner has sent its state, with the value 0."""
        recorder, first, self.waits = SinkRecorder(), Ingest(), Waits()
        sink = cast("ISink", recorder)
        channel = Channel("ca://X", 1, 0, sink, self.waits, lambda _channel: None, {})
        channel.move_to(as_link(first))
        self.introduce(channel, first)
        first.send(channel, 0)
        return channel, recorder, first

    def introduce(self, channel: Channel, ingest: Ingest) -> None:
        """Send the state."""
        channel.opened(as_link(ingest))
        channel.metadata(as_link(ingest), METADATA)
        channel.connection(as_link(ingest), True)

    @settings(max_examples=examples(100))
    @given(st.integers(-3, 6), st.lists(st.booleans(), min_size=40, max_size=60))
    def test_orderly(self, lead: int, turns: list[bool]) -> None:
        """Whichever owner is ahead, each value is passed on once, and in order."""
        channel, sink, first = self.channel()
        second = Ingest()
        channel.move_to(as_link(second))
        self.introduce(channel, second)
        numbers = {first: 1, second: max(0, 1 + lead)}
        for of_first in turns:
            ingest = first if of_first else second
            if ingest.open_now:
                ingest.send(channel, numbers[ingest])
                numbers[ingest] += 1
        for _ in range(20):
            # Then the old owner catches up, and the new one continues.
            for ingest in (first, second):
                if ingest.open_now:
                    ingest.send(channel, numbers[ingest])
                    numbers[ingest] += 1
        values = sink.messages[2:]
        self.assertEqual(sink.messages[:2], [METADATA, True])
        self.assertEqual(values, list(range(len(values))))
        self.assertFalse(first.open_now)

    def test_owner_dies(self) -> None:
        """The state is reported again only if it has changed; repeated values are dropped."""
        channel, sink, first = self.channel()
        first.send(channel, 1)
        channel.ingest_lost(as_link(first))
        second = Ingest()
        channel.move_to(as_link(second))
        self.introduce(channel, second)
        for number in (1, 2, 3):
            second.send(channel, number)
        self.assertEqual(sink.messages, [METADATA, True, 0, 1, 2, 3])

    def test_given_up(self) -> None:
        """A PV without an owner is lost after a timeout; then its value is sent again."""
        channel, sink, first = self.channel()
        channel.ingest_lost(as_link(first))
        channel.expect()
        channel.give_up(channel.expectation)
        second = Ingest()
        channel.move_to(as_link(second))
        self.introduce(channel, second)
        second.send(channel, 0)
        self.assertEqual(sink.messages, [METADATA, True, 0, False, True, 0])

    def test_not_there(self) -> None:
        """A new owner that does not find the PV does not replace one that does."""
        channel, sink, first = self.channel()
        second = Ingest()
        channel.move_to(as_link(second))
        channel.opened(as_link(second))
        channel.connection(as_link(second), False)
        channel.end_overlap(as_link(second))
        first.send(channel, 1)
        self.assertEqual(sink.messages, [METADATA, True, 0, 1])
        channel.move_to(as_link(first))
        self.assertFalse(second.open_now)

    def test_old_owner_is_late(self) -> None:
        """The switch waits for an old owner that has not sent the new one's first value."""
        channel, sink, first = self.channel()
        second = Ingest()
        channel.move_to(as_link(second))
        self.introduce(channel, second)
        for number in (3, 4):
            second.send(channel, number)
        channel.end_overlap(as_link(second))
        self.assertEqual(self.waits.overlaps, 2)
        for number in (1, 2, 3):
            first.send(channel, number)
        second.send(channel, 5)
        self.assertEqual(sink.messages, [METADATA, True, 0, 1, 2, 3, 4, 5])
        self.assertFalse(first.open_now)

    def test_old_owner_gets_nothing(self) -> None:
        """An owner that lost the PV is replaced at once; by one that is ahead, after a timeout."""
        for is_lost in (True, False):
            channel, sink, first = self.channel()
            second = Ingest()
            channel.move_to(as_link(second))
            self.introduce(channel, second)
            second.send(channel, 3)
            if is_lost:
                channel.connection(as_link(first), False)
            while first.open_now:
                self.assertLess(self.waits.overlaps, 10)
                channel.end_overlap(as_link(second))
            self.assertEqual(sink.messages, [METADATA, True, 0, 3])
            self.assertEqual(self.waits.overlaps == 1, is_lost)

    def test_repeats(self) -> None:
        """When a stream starts again, its updates are passed on unless they are the same."""
        channel, sink, first = self.channel()
        for status, value in (
            (Status("DEVICE", "hot"), 1.0),
            (Status("DEVICE", "hotter"), 1.0),
            (Status("DEVICE", "hotter"), math.nan),
            (0, math.nan),
            (0, "1"),
            (0, ["a", "b"]),
        ):
            for _ in range(2):
                channel.opened(as_link(first))
                channel.reading(Reading(status, 0, 2000, 0, value))
        self.assertEqual(
            repr(sink.messages[3:]), repr([1.0, 1.0, math.nan, math.nan, "1", ["a", "b"]])
        )

    def test_rates(self) -> None:
        """The rate is requested from all owners, once."""
        channel, _, first = self.channel()
        for rate in (2.0, 2.0, None):
            channel.limit(rate)
        second = Ingest()
        channel.limit(1.0)
        channel.move_to(as_link(second))
        channel.limit(3.0)
        self.assertEqual(first.rates, [None, 2.0, None, 1.0, 3.0])
        self.assertEqual(second.rates, [1.0, 3.0])


class Received:
    """Records the events of a connection to a NATS server."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def opened(self, _protocol: NATSProtocol) -> None:
        """Record the event."""
        self.all.append("open")

    def received(self, number: int, message: Message) -> None:
        """Record the event."""
        self.all.append((number, message))

    def refused(self, reason: str) -> None:
        """Record the event."""
        self.all.append(reason)

    def writable(self) -> None:
        """Record the event."""

    def closed(self, _reason: str) -> None:
        """Record the event."""


class Transport(StringTransport):
    """A transport with the interface of TCP's."""

    def setTcpNoDelay(self, _enabled: bool) -> None:
        """Do nothing."""


STREAM = (
    b'INFO {"max_payload":100}\r\nPONG\r\nMSG a.b 1 5\r\nhello\r\nPING\r\n'
    b"MSG a.b 2 reply.to 0\r\n\r\nHMSG c 3 16 16\r\nNATS/1.0 503\r\n\r\n\r\n+OK\r\n"
    b"-ERR 'Permissions Violation for Publish to \"x\"'\r\nMSG a 1 4\r\n\r\n\r\n\r\n"
)
PARSED = [
    "open",
    (1, Message("a.b", "", b"hello")),
    (2, Message("a.b", "reply.to", b"")),
    (3, Message("c", "", b"", is_refusal=True)),
    'Permissions Violation for Publish to "x"',
    (1, Message("a", "", b"\r\n\r\n")),
]


class ProtocolTests(SynchronousTestCase):
    """The client's side of NATS's protocol."""

    def feed(self, parts: list[bytes]) -> tuple[list[Any], Transport]:
        """Return the events for these pieces of a stream."""
        received, transport = Received(), Transport()
        protocol = NATSProtocol(received, Credentials("n"), lambda _transport: None, False)
        protocol.makeConnection(transport)  # type: ignore[no-untyped-call]
        for part in parts:
            protocol.dataReceived(part)
        return received.all, transport

    @settings(max_examples=examples(100))
    @given(st.lists(st.integers(0, len(STREAM)), max_size=12))
    def test_pieces(self, cuts: list[int]) -> None:
        """However the stream is divided, the same messages are parsed."""
        edges = [0, *sorted(cuts), len(STREAM)]
        parts = [STREAM[a:b] for a, b in pairwise(edges)]
        found, transport = self.feed([part for part in parts if part])
        self.assertEqual(found, PARSED)
        self.assertIn(b"PONG\r\n", transport.value())

    def test_other_protocols(self) -> None:
        """A connection to another server than NATS is closed."""
        for stream in (
            b"HTTP/1.1 400 Bad Request\r\n",
            b"MSG a\r\n",
            b"MSG a 1 99999999999\r\n",
            b"INFO {\r\n",
            b"x" * 70_000,
        ):
            _, transport = self.feed([stream])
            self.assertTrue(transport.disconnected, stream)
