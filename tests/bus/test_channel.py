"""A PV of an edge while its owner changes, and the parser of what a NATS server sends."""

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


@implementer(ISink)
class Seen:
    """What the hub is told of a PV."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def metadata(self, metadata: Metadata) -> None:
        """Note metadata."""
        self.messages.append(metadata)

    def connection(self, connected: bool) -> None:
        """Note a state."""
        self.messages.append(connected)

    def refused(self, reason: str) -> None:
        """Note a state."""
        self.messages.append(reason)

    def reading(self, reading: Reading) -> None:
        """Note a value."""
        self.messages.append(reading.value)

    def overloaded(self) -> None:
        """Note that there are no values."""
        self.messages.append("overloaded")


class Ingest:
    """Takes the place of a Link: notes what is asked of it."""

    def __init__(self) -> None:
        self.open_now = False

        self.rates: list[float | None] = []

    def open(self, channel: Channel) -> None:
        """Note that it is asked for."""
        self.open_now = True
        self.rates.append(channel.rate)

    def limit(self, channel: Channel) -> None:
        """Note that another rate is asked for."""
        self.rates.append(channel.rate)

    def close(self, _channel: Channel) -> None:
        """Note that it is not asked for."""
        self.open_now = False

    def send(self, channel: Channel, number: int) -> None:
        """Send a value, whose time stamp is as large."""
        reading = Reading(0, 0, 1000 + number, 0, number)
        if channel.owner is as_link(self):
            channel.reading(reading)
        else:
            channel.next_reading(as_link(self), reading)


def as_link(ingest: Ingest) -> Link:
    """The ingest, for the types."""
    return cast("Link", ingest)


class Waits:
    """Lets nothing happen by itself; counts what is waited for."""

    overlaps = 0

    def expect_state(self, channel: Channel) -> None:
        """Do nothing."""

    def expect_overlap(self, channel: Channel, link: Link) -> None:
        """Count it."""
        self.overlaps += 1


METADATA = Metadata(FieldType.DOUBLE, 1)


class ChannelTests(SynchronousTestCase):
    """Changes of owner."""

    def channel(self) -> tuple[Channel, Seen, Ingest]:
        """A PV that its first owner has told about, up to the value 0."""
        seen, first, self.waits = Seen(), Ingest(), Waits()
        sink = cast("ISink", seen)
        channel = Channel("ca://X", 1, 0, sink, self.waits, lambda _channel: None, {})
        channel.move_to(as_link(first))
        self.introduce(channel, first)
        first.send(channel, 0)
        return channel, seen, first

    def introduce(self, channel: Channel, ingest: Ingest) -> None:
        """Tell the state."""
        channel.opened(as_link(ingest))
        channel.metadata(as_link(ingest), METADATA)
        channel.connection(as_link(ingest), True)

    @settings(deadline=None)
    @given(st.integers(-3, 6), st.lists(st.booleans(), min_size=40, max_size=60))
    def test_orderly(self, lead: int, turns: list[bool]) -> None:
        """Whoever of both owners is ahead, each value is passed on once, and in order."""
        channel, seen, first = self.channel()
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
            # Then the old owner gets level, and the new one goes on.
            for ingest in (first, second):
                if ingest.open_now:
                    ingest.send(channel, numbers[ingest])
                    numbers[ingest] += 1
        values = seen.messages[2:]
        self.assertEqual(seen.messages[:2], [METADATA, True])
        self.assertEqual(values, list(range(len(values))))
        self.assertFalse(first.open_now)

    def test_owner_dies(self) -> None:
        """The state is told once more only if it changes; values that were seen are dropped."""
        channel, seen, first = self.channel()
        first.send(channel, 1)
        channel.ingest_lost(as_link(first))
        second = Ingest()
        channel.move_to(as_link(second))
        self.introduce(channel, second)
        for number in (1, 2, 3):
            second.send(channel, number)
        self.assertEqual(seen.messages, [METADATA, True, 0, 1, 2, 3])

    def test_given_up(self) -> None:
        """A PV that nobody serves is lost after a while; then its value comes again."""
        channel, seen, first = self.channel()
        channel.ingest_lost(as_link(first))
        channel.expect()
        channel.give_up(channel.expectation)
        second = Ingest()
        channel.move_to(as_link(second))
        self.introduce(channel, second)
        second.send(channel, 0)
        self.assertEqual(seen.messages, [METADATA, True, 0, False, True, 0])

    def test_not_there(self) -> None:
        """A new owner that does not find the PV does not replace one that does."""
        channel, seen, first = self.channel()
        second = Ingest()
        channel.move_to(as_link(second))
        channel.opened(as_link(second))
        channel.connection(as_link(second), False)
        channel.end_overlap(as_link(second))
        first.send(channel, 1)
        self.assertEqual(seen.messages, [METADATA, True, 0, 1])
        channel.move_to(as_link(first))
        self.assertFalse(second.open_now)

    def test_old_owner_is_late(self) -> None:
        """An old owner that has not sent what the new one began with is waited for."""
        channel, seen, first = self.channel()
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
        self.assertEqual(seen.messages, [METADATA, True, 0, 1, 2, 3, 4, 5])
        self.assertFalse(first.open_now)

    def test_old_owner_gets_nothing(self) -> None:
        """One whose PV is lost is replaced at once, and after a while by one that is ahead."""
        for is_lost in (True, False):
            channel, seen, first = self.channel()
            second = Ingest()
            channel.move_to(as_link(second))
            self.introduce(channel, second)
            second.send(channel, 3)
            if is_lost:
                channel.connection(as_link(first), False)
            while first.open_now:
                self.assertLess(self.waits.overlaps, 10)
                channel.end_overlap(as_link(second))
            self.assertEqual(seen.messages, [METADATA, True, 0, 3])
            self.assertEqual(self.waits.overlaps == 1, is_lost)

    def test_repeats(self) -> None:
        """When a stream starts again, its updates are passed on unless they are the same."""
        channel, seen, first = self.channel()
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
            repr(seen.messages[3:]), repr([1.0, 1.0, math.nan, math.nan, "1", ["a", "b"]])
        )

    def test_rates(self) -> None:
        """All owners are told what rate is wanted, once."""
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
    """What a connection to a NATS server has brought."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def opened(self, _protocol: NATSProtocol) -> None:
        """Note it."""
        self.all.append("open")

    def received(self, number: int, message: Message) -> None:
        """Note it."""
        self.all.append((number, message))

    def refused(self, reason: str) -> None:
        """Note it."""
        self.all.append(reason)

    def writable(self) -> None:
        """Note it."""

    def closed(self, _reason: str) -> None:
        """Note it."""


class Transport(StringTransport):
    """A transport as TCP has it."""

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
        """What these pieces of a stream bring."""
        received, transport = Received(), Transport()
        protocol = NATSProtocol(received, Credentials("n"), lambda _transport: None, False)
        protocol.makeConnection(transport)  # type: ignore[no-untyped-call]
        for part in parts:
            protocol.dataReceived(part)
        return received.all, transport

    @settings(deadline=None)
    @given(st.lists(st.integers(0, len(STREAM)), max_size=12))
    def test_pieces(self, cuts: list[int]) -> None:
        """However the stream is cut, the same messages come."""
        edges = [0, *sorted(cuts), len(STREAM)]
        parts = [STREAM[a:b] for a, b in pairwise(edges)]
        found, transport = self.feed([part for part in parts if part])
        self.assertEqual(found, PARSED)
        self.assertIn(b"PONG\r\n", transport.value())

    def test_other_protocols(self) -> None:
        """What is no NATS server is left."""
        for stream in (
            b"HTTP/1.1 400 Bad Request\r\n",
            b"MSG a\r\n",
            b"MSG a 1 99999999999\r\n",
            b"INFO {\r\n",
            b"x" * 70_000,
        ):
            _, transport = self.feed([stream])
            self.assertTrue(transport.disconnected, stream)
