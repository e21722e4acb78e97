"""Updates of the bus that bypass Python: clients get the same messages as with Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from zope.interface import implementer

from pycawamp.access import Policy
from pycawamp.bus.channel import Channel, number_routes
from pycawamp.bus.control import Heartbeat
from pycawamp.bus.link import Link, LinkContext
from pycawamp.bus.messages import (
    HEADER,
    VERSION,
    Record,
    RecordKind,
    bodies,
    burst,
    metadata_record,
    other,
    reading_record,
)
from pycawamp.fanout.flush import FlushCycle
from pycawamp.fanout.outbox import IWriter
from pycawamp.pv.ca import _fast
from pycawamp.pv.hub import PVHub
from pycawamp.pv.interfaces import IHandle, ISink
from pycawamp.pv.router import Router
from pycawamp.pv.values import FieldType, Metadata, Reading
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.putlog import PutLog
from pycawamp.sessions.registry import Sessions
from pycawamp.web.frames import WEBSOCKET
from pycawamp.wire.v2.dialect import VERSION_1
from tests.support.examples import examples

TYPES = (FieldType.DOUBLE, FieldType.FLOAT, FieldType.LONG, FieldType.ENUM)
NUMBERS = st.one_of(
    st.floats(width=32), st.floats(), st.integers(-(2**31), 2**31 - 1), st.integers(-(2**60), 2**60)
)
READINGS = st.builds(
    Reading,
    st.integers(0, 21),
    st.integers(0, 3),
    st.sampled_from([0, 631151999, 631152000, 1795394257, 2**32 - 1]),
    st.sampled_from([0, 5, 999999999]),
    NUMBERS,
)


class Nothing:
    """Takes the place of a NATS client and of timeouts."""

    is_open = True

    def publish(self, *_arguments: Any, **_keys: Any) -> bool:
        """Do nothing."""
        return True

    def expect_state(self, _channel: Channel) -> None:
        """Do nothing."""

    def expect_overlap(self, _channel: Channel, _link: Link) -> None:
        """Do nothing."""


@implementer(IWriter)
class Writer:
    """Stores the frames of a client."""

    backlog = 0
    framing = WEBSOCKET

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        """Store frames."""
        self.data += data


class DirectEdge:
    """A PV of an edge with a client, and the ingests A and B."""

    def __init__(self, is_compiled: bool, options: bytes = b"{}") -> None:
        clock, fast, nothing = Clock(), _fast.load(), cast(Any, Nothing())
        native = fast.native if is_compiled else None
        self.intake = native.Intake(100, 10_000) if native is not None else None
        epochs = iter(range(1, 100))
        context = LinkContext(
            client=nothing,
            requests=nothing,
            name="e1",
            session="1",
            next_epoch=lambda: next(epochs),
            soon=lambda _function: None,
            intake=self.intake,
            lost=lambda _link, _is_silent: None,
        )
        self.links = [Link(context, name, Heartbeat(1, 0.0, is_leaving=False)) for name in "AB"]
        for link in self.links:
            link.start()
        self.numbers = [0, 0]
        self.cycle = FlushCycle(clock, fast.frame_buffer if is_compiled else None)
        router = Router({"ca": cast(Any, self)}, default="ca")
        hub = PVHub(clock, router)
        sessions = Sessions(clock, hub, router, self.cycle, policy=Policy(), put_log=PutLog())
        self.writer = Writer()
        session = sessions.open(self.writer, Peer("here"), VERSION_1, lambda _code, _reason: None)
        session.receive(b'{"action":"configure","metadata":true}')
        session.receive(b'{"action":"connect","pv":"X"}')
        self.hub = hub

    def open(self, name: str, sink: ISink) -> IHandle:
        """Open the PV, as a backend."""
        waits, routes = cast(Any, Nothing()), number_routes(self.intake)
        self.channel = Channel(name, 1, 0, sink, waits, lambda _channel: None, routes)
        self.channel.move_to(self.links[0])
        return cast(IHandle, self.channel)

    def take(self, ingest: int, records: Sequence[Record]) -> int:
        """Handle bursts of an ingest; return their number of updates."""
        link, updates = self.links[ingest], 0
        for _, body in bodies(records):
            self.numbers[ingest] += 1
            header = HEADER.pack(VERSION, 1, link.epoch, self.numbers[ingest])
            if link.arrived(burst(header)):
                updates += link.handle(burst(header), header + body)
        self.cycle.flush()
        return updates

    def introduce(self, ingest: int, field_type: FieldType) -> None:
        """Send the PV's state from an ingest."""
        metadata = metadata_record(7, Metadata(field_type, 1, enum_strs=("a", "b")))
        records = [other(7, RecordKind.OPENED, 1), metadata, other(7, RecordKind.CONNECTION, True)]
        self.take(ingest, records)


class DirectTests(SynchronousTestCase):
    """With and without the compiled part."""

    def setUp(self) -> None:
        """Skip if there is no compiled part."""
        if _fast.load().native is None:
            raise SkipTest("the compiled part is not there")

    @settings(deadline=None, max_examples=examples(80))
    @example(
        FieldType.LONG,
        # Then a value that no scalar of the bus can hold.
        [Reading(0, 0, 10**9, 0, number) for number in (0, 1, 2, 2**53 + 1)],
        None,
    )
    @given(st.sampled_from(TYPES), st.lists(READINGS, max_size=12), st.data())
    def test_same(
        self, field_type: FieldType, readings: list[Reading], data: st.DataObject | None
    ) -> None:
        """Any updates, in any bursts: each client gets the same bytes."""
        edges = [DirectEdge(is_compiled) for is_compiled in (False, True)]
        for edge in edges:
            edge.introduce(0, field_type)
        records = [reading_record(7, reading) for reading in readings]
        while records:
            size = data.draw(st.integers(1, len(records))) if data is not None else 1
            counts = {edge.take(0, records[:size]) for edge in edges}
            self.assertEqual(counts, {size})
            records = records[size:]
        self.assertEqual(*(edge.writer.data for edge in edges))
        newest = [pv.latest for edge in edges for pv in edge.hub.pvs]
        self.assertEqual(*map(repr, newest))
        self.assertEqual(*(pv.updates for edge in edges for pv in edge.hub.pvs))

    def readings(self, *stamps: int) -> list[Record]:
        """Return updates with these times, which are also their values."""
        return [reading_record(7, Reading(0, 0, 10**9 + at, 0, float(at))) for at in stamps]

    def values(self, edge: DirectEdge) -> list[int]:
        """Return the values that were sent to the client."""
        return [int(float(part.split(b",")[0])) for part in edge.writer.data.split(b'"value":')[1:]]

    def test_direct(self) -> None:
        """From the third one on, updates bypass Python, also after a change of owner."""
        edge = DirectEdge(is_compiled=True)
        edge.introduce(0, FieldType.DOUBLE)
        edge.take(0, self.readings(1, 2, 3, 4))
        route = edge.channel.route
        assert route is not None
        self.assertEqual((route.is_direct, route.direct), (True, 2))
        edge.channel.move_to(edge.links[1])
        self.assertFalse(route.is_direct)
        edge.introduce(1, FieldType.DOUBLE)
        edge.take(1, self.readings(6, 7))
        edge.take(0, self.readings(5, 6, 7))
        edge.take(1, self.readings(8, 9, 10, 11, 12))
        # The old owner does not know yet that it has been replaced.
        edge.take(0, self.readings(8, 9))
        self.assertEqual(self.values(edge), list(range(1, 13)))
        route = edge.channel.route
        assert route is not None
        self.assertTrue(route.is_direct)
        self.assertGreater(route.direct, 1)

    def test_restarted(self) -> None:
        """Updates that bypassed Python are not sent again when the stream is restarted."""
        edge = DirectEdge(is_compiled=True)
        edge.introduce(0, FieldType.DOUBLE)
        edge.take(0, self.readings(1, 2, 3, 4))
        edge.links[0].start()
        edge.numbers[0] = 0
        edge.channel.restarted(edge.links[0])
        edge.introduce(0, FieldType.DOUBLE)
        edge.take(0, self.readings(4, 5, 6, 7, 8))
        self.assertEqual(self.values(edge), list(range(1, 9)))
        route = edge.channel.route
        assert route is not None
        self.assertTrue(route.is_direct)

    def test_other_type(self) -> None:
        """A PV that reconnects with another type is sent with that type."""
        edge = DirectEdge(is_compiled=True)
        edge.introduce(0, FieldType.DOUBLE)
        edge.take(0, self.readings(1, 2, 3))
        edge.take(0, [other(7, RecordKind.CONNECTION, False)])
        edge.introduce(0, FieldType.LONG)
        whole = [reading_record(7, Reading(0, 0, 10**9 + at, 0, at)) for at in range(4, 8)]
        edge.take(0, whole)
        self.assertEqual(self.values(edge), list(range(1, 8)))
        self.assertTrue(edge.writer.data.count(b'"value":7,') == 1)

    def test_bad_bursts(self) -> None:
        """Invalid positions in a burst are refused."""
        edge = DirectEdge(is_compiled=True)
        intake = cast(Any, edge.intake)
        for start, end in ((-1, 24), (0, 25), (24, 0), (0, 48)):
            with self.assertRaises(ValueError):
                intake.send_scalars(bytes(24), start, end, {}, print)
