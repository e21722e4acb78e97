"""Messages for libca's events, compiled and in Python: the same bytes (Hypothesis)."""

from __future__ import annotations

import json
import struct
from typing import Any

import attrs
import numpy as np
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access import Policy
from pycawamp.fanout.flush import FlushCycle
from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.ca import dbr
from pycawamp.pv.history import Histories
from pycawamp.pv.hub import PVHub
from pycawamp.pv.pv import PV
from pycawamp.pv.router import Router
from pycawamp.pv.routes import Field
from pycawamp.pv.values import FieldType, Metadata
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.putlog import PutLog
from pycawamp.sessions.registry import Sessions
from pycawamp.sessions.session import Session
from pycawamp.web import deflate
from pycawamp.web.deflate import Deflate
from pycawamp.wire import epics2web, pvws
from pycawamp.wire.dialect import Encoding
from pycawamp.wire.v2.dialect import VERSION_1, VERSION_2
from tests.support.compiled import NATIVE, NOT_COMPILED
from tests.support.dbr_bytes import control_bytes
from tests.support.examples import examples
from tests.support.libca_events import PollingReactor
from tests.support.memory_gateway import Listener, Page, send_request
from tests.support.offline_ca import OfflineCA
from tests.support.random_events import (
    events,
    time_bytes,
)

NAMES = ("a", "b", "ca://a")
"""The last is the first, by another name."""
OPTIONS: tuple[dict[str, Any], ...] = (
    *({}, {}, {"metadata": True}, {"batch": True}, {"metadata": True, "batch": True}),
    *({"text": True}, {"max_rate": 5}),
)
EPICS_DAY = 86400
KEEP = 600.0
PAUSE = 0.2
"""Seconds between two updates to a throttled client."""


def now() -> float:
    """The time of day."""
    return 1_700_000_000.25


PVWS, THROTTLED_PVWS = pvws.encoding(0, 0, now=now), pvws.encoding(PAUSE, 0, now=now)
DIALECTS = (Encoding(VERSION_2), PVWS, THROTTLED_PVWS, epics2web.encoding())


class ScalarTests(SynchronousTestCase):
    """Single events."""

    skip = NOT_COMPILED

    def check(self, field_type: FieldType, raw: bytes, encoding: Encoding) -> bool:
        """Compare the results of C and Python for an event; return whether C had one."""
        assert NATIVE is not None
        renderer = encoding.dialect.renderer('a"b', encoding)
        renderer.describe(Metadata(field_type, 1, units='mm\u00b5"'))
        reading = dbr.decoder(field_type, 1)(raw)
        # The first message may contain more than those that C writes.
        renderer.update(reading)
        made_in_python = renderer.update(reading)
        form = renderer.template()
        assert form is not None
        self.assertIn(form.severity, (None, reading.severity))
        has_alarm = Field.ALARM in form.parts
        fields = NATIVE.render(dbr.DBR_TYPES[field_type], raw, has_alarm)
        if fields is None:
            return False
        made = (fields[part] if isinstance(part, Field) else part for part in form.parts)
        self.assertEqual(b"".join(made), made_in_python)
        return True

    def test_all_types(self) -> None:
        """Any value of any type is the same JSON; C leaves only unusual ones to Python."""
        encodings = (Encoding(VERSION_2, metadata=True), *DIALECTS)

        @settings(max_examples=examples(1000), deadline=None)
        @given(st.data(), st.sampled_from(list(dbr.DBR_TYPES)), st.sampled_from(encodings))
        def run(data: Any, field_type: FieldType, encoding: Encoding) -> None:
            raw, count = data.draw(events(field_type))
            if self.check(field_type, raw, encoding):
                return
            status, severity, _, nanoseconds = struct.unpack_from("=hhII", raw)
            odd_alarm = encoding is encodings[0] and not (0 <= status < 22 and 0 <= severity < 4)
            is_odd = not count or odd_alarm or nanoseconds >= 10**9
            if field_type is FieldType.STRING and not is_odd:
                with self.assertRaises(UnicodeDecodeError):
                    raw[12:52].split(b"\0")[0].decode()
            else:
                self.assertTrue(is_odd)

        run()

    def test_many_numbers(self) -> None:
        """Doubles and floats of random bits are written as by the installed orjson."""
        assert NATIVE is not None
        generator = np.random.default_rng(1)
        bits = generator.integers(0, 2**64, 5_000, np.uint64)
        head = struct.pack("=hhII", 0, 0, 0, 0)
        for number in [*bits.view(np.float64).tolist(), *(10.0**n for n in range(-30, 30))]:
            parts = NATIVE.render(
                dbr.DBR_TYPES[FieldType.DOUBLE], head + struct.pack("=4xd", number), False
            )
            self.assertEqual(parts and parts[0], orjson.dumps(number))
        tens = np.array([10.0**n for n in range(-30, 30)], np.float32)
        for single in (*bits.view(np.float32), *tens):
            parts = NATIVE.render(dbr.DBR_TYPES[FieldType.FLOAT], head + single.tobytes(), False)
            self.assertEqual(
                parts and parts[0], orjson.dumps(single, option=orjson.OPT_SERIALIZE_NUMPY)
            )

    def test_all_characters(self) -> None:
        """Each character is escaped as by orjson."""
        assert NATIVE is not None
        for code in (*range(1, 0x800), 0xFFFF, 0x10000, 0x10FFFF, 0xD7FF, 0xE000):
            raw = struct.pack("=hhII40s", 0, 0, 0, 0, f"x{chr(code)}y".encode())
            parts = NATIVE.render(dbr.DBR_TYPES[FieldType.STRING], raw, False)
            self.assertEqual(parts and parts[0], orjson.dumps(f"x{chr(code)}y"))


@attrs.define(eq=False)
class Client:
    """A client, and its page."""

    session: Session
    page: Page

    def send_request(self, action: str, name: str, **options: Any) -> None:
        """Connect to a PV or disconnect from it; only the gateway's own protocol has options."""
        if self.session.outgoing.dialect is VERSION_2:
            send_request(self.session, action, name, **options)
        else:
            kind = {"connect": "monitor", "disconnect": "clear"}[action]
            self.session.receive(json.dumps({"type": kind, "pvs": [name]}).encode())


class Gateway(OfflineCA):
    """Sessions with Channel Access without a network: the test calls libca's callbacks."""

    def __init__(self, is_compiled: bool) -> None:
        assert NATIVE is not None
        clock = PollingReactor()
        flush_cycle = FlushCycle(clock, NATIVE.FrameBuffer) if is_compiled else FlushCycle(clock)
        super().__init__(clock, flush_cycle.flush, is_compiled)
        router = Router({"ca": self.backend}, default="ca")
        store = NATIVE.History if is_compiled else None
        histories = Histories(MemoryBudget(), KEEP, store)
        self.hub = PVHub(self.clock, router, 10.0, histories)
        self.sessions = Sessions(
            self.clock, self.hub, router, flush_cycle, policy=Policy(), put_log=PutLog(None)
        )
        self.peers: list[Client] = []

    def come(self, encoding: Encoding = VERSION_1) -> None:
        """Add a client; every other one uses compression."""
        page = Page()
        if len(self.peers) % 2:
            page.framing = Deflate().framing
        session = self.sessions.open(page, Peer("test"), encoding, lambda *_: None)
        self.peers.append(Client(session, page))

    def end(self) -> None:
        """Close everything."""
        for peer in self.peers:
            peer.session.close()
        super().end()


class UpdatesMachine(RuleBasedStateMachine):
    """The same record and the same clients with both."""

    pvs = st.sampled_from(["a", "b"])
    clients = st.integers(0, 3)
    types = st.sampled_from(list(dbr.DBR_TYPES))

    def __init__(self) -> None:
        super().__init__()
        self.both = (Gateway(False), Gateway(True))
        self.up: dict[str, FieldType] = {}
        self.direct = 0
        self.come(VERSION_1)
        for name in ("a", "b"):
            self.join(0, name, {})
            self.connect(name, FieldType.DOUBLE, readable=True, same=False)

    @property
    def peers(self) -> int:
        """Return the number of clients."""
        return len(self.both[0].peers)

    @rule(encoding=st.sampled_from((VERSION_1, *DIALECTS)))
    @precondition(lambda self: self.peers < 4)
    def come(self, encoding: Encoding) -> None:
        """Add a client."""
        for each in self.both:
            each.come(encoding)

    @rule(client=clients)
    @precondition(lambda self: self.peers)
    def go(self, client: int) -> None:
        """Remove a client."""
        self.iterate()
        client %= self.peers
        for each in self.both:
            each.peers.pop(client).session.close()
        self.iterate()

    @rule(client=clients, name=st.sampled_from(NAMES), options=st.sampled_from(OPTIONS))
    @precondition(lambda self: self.peers)
    def join(self, client: int, name: str, options: dict[str, Any]) -> None:
        """A client connects to a PV, possibly again."""
        for each in self.both:
            each.peers[client % self.peers].send_request("connect", name, **options)

    @rule(client=clients, name=st.sampled_from(NAMES))
    @precondition(lambda self: self.peers)
    def leave(self, client: int, name: str) -> None:
        """A client disconnects from a PV."""
        for each in self.both:
            each.peers[client % self.peers].send_request("disconnect", name)

    @rule(client=clients, paused=st.booleans())
    @precondition(lambda self: self.peers)
    def pause(self, client: int, paused: bool) -> None:
        """Fill a client's socket, or empty it."""
        for each in self.both:
            outbox = each.peers[client % self.peers].session.outbox
            if paused:
                outbox.pause()
            elif outbox.paused:
                outbox.resume()

    def has(self, name: str) -> bool:
        """Return whether the channel is open."""
        return name in self.both[0].channels

    @rule(
        name=pvs,
        field_type=types,
        readable=st.sampled_from([True, True, False]),
        same=st.booleans(),
    )
    def connect(self, name: str, field_type: FieldType, readable: bool, same: bool) -> None:
        """Connect an IOC, possibly with another type."""
        if not self.has(name):
            return
        if name in self.up:
            self.lose(name)
        shape = self.both[0].channels[name].at_libca.shape
        if same and shape:
            field_type = shape[0]
        self.up[name] = field_type
        native = Metadata(field_type, 1, "ioc:5064", read_access=readable)
        for each in self.both:
            each.connect(name, native)
        if readable:
            self.describe(name, "mm")

    @rule(name=pvs)
    def lose(self, name: str) -> None:
        """The IOC dies."""
        if self.has(name) and name in self.up:
            del self.up[name]
            for each in self.both:
                each.post(name, "lose", None)

    @rule(name=pvs, readable=st.booleans())
    def access(self, name: str, readable: bool) -> None:
        """Read access is given or revoked."""
        if self.has(name) and name in self.up:
            for each in self.both:
                each.post(name, "set_access", (readable, True))
            if readable:
                self.describe(name, "mm")

    @rule(name=pvs, units=st.sampled_from(["mm", "V", ""]))
    def describe(self, name: str, units: str) -> None:
        """Change units or labels."""
        if not self.has(name) or name not in self.up:
            return
        field_type = self.up[name]
        if field_type is FieldType.STRING:
            return
        layout = {
            FieldType.SHORT: (b"", "h"),
            FieldType.CHAR: (b"", "B"),
            FieldType.LONG: (b"", "i"),
            FieldType.FLOAT: (b"\1\0\0\0", "f"),
            FieldType.DOUBLE: (b"\1\0\0\0", "d"),
        }.get(field_type)
        if layout is None:
            raw = struct.pack("=hhh", 0, 0, 2) + b"".join(
                (units + label).encode().ljust(26, b"\0") for label in ("off", "on")
            )
            raw = raw.ljust(6 + 16 * 26 + 2, b"\0")
        else:
            raw = control_bytes(layout[0], units.encode(), layout[1])
        for each in self.both:
            each.event(name, raw, 1, 0)

    @rule(name=pvs, data=st.data(), times=st.integers(1, 4), soon=st.booleans())
    def update(self, name: str, data: Any, times: int, soon: bool) -> None:
        """Process the record."""
        if not self.has(name) or name not in self.up:
            return
        for _ in range(times):
            raw, count = data.draw(events(self.up[name]))
            route = self.both[1].channels[name].at_libca.monitors[-1].route
            self.direct += route is not None and route.is_direct
            for each in self.both:
                each.event(name, raw, count, -1)
            if soon:
                self.iterate()

    @rule(name=pvs, status=st.sampled_from([152, 368]))
    def refuse(self, name: str, status: int) -> None:
        """The IOC refuses to send the value."""
        if self.has(name) and name in self.up:
            for each in self.both:
                each.event(name, b"", 0, -1, status)

    @rule()
    def iterate(self) -> None:
        """Do what is due in the reactor."""
        for each in self.both:
            each.clock.advance(0.001)

    @rule(seconds=st.sampled_from([0.1, 0.3, 20.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass: pauses end, unused channels are closed."""
        for each in self.both:
            each.clock.advance(seconds)
        for name in list(self.up):
            if not self.has(name):
                del self.up[name]
        self.compare()

    def compare(self) -> None:
        """Both have sent the same bytes, and replaced the same number of updates."""
        python, in_c = self.both
        for one, other in zip(python.peers, in_c.peers, strict=True):
            assert b"".join(other.page.writes) == b"".join(one.page.writes)
            assert other.session.outbox.conflated == one.session.outbox.conflated
        assert in_c.inbox.conflated == python.inbox.conflated
        for name in in_c.channels:
            mine, other_pv = in_c.hub.find(name), python.hub.find(name)
            assert mine and other_pv
            assert str(mine.latest) == str(other_pv.latest)
            assert kept(mine) == kept(other_pv)

    def teardown(self) -> None:
        """All clients catch up."""
        self.iterate()
        self.wait(0.3)
        for each in self.both:
            each.end()
        SEEN.append(self.direct)


def kept(pv: PV) -> list[Any]:
    """Return the history of a PV; without a number, without the time, which may be the clock's."""
    samples = pv.kept()
    is_number = ~np.isnan(samples.values)
    parts = (samples.seconds, samples.nanoseconds, samples.values)
    return [*(part[is_number].tolist() for part in parts), samples.severities.tolist()]


SEEN: list[int] = []
"""The number of updates of each machine that bypassed Python, where that was possible."""


class UpdatesStateTests(SynchronousTestCase):
    """UpdatesMachine."""

    skip = NOT_COMPILED

    def test_states(self) -> None:
        """Every client gets the same bytes, whatever happens in which order."""
        SEEN.clear()
        self.patch(deflate, "LEAST", 1)
        steps = settings(max_examples=examples(80), stateful_step_count=40, deadline=None)
        run_state_machine_as_test(UpdatesMachine, settings=steps)
        self.assertGreater(sum(map(bool, SEEN)), len(SEEN) // 20)


class EncodingTests(SynchronousTestCase):
    """One PV, in several encodings at the same time."""

    skip = NOT_COMPILED

    def setUp(self) -> None:
        """Start both gateways."""
        self.both = (Gateway(False), Gateway(True))
        for each in self.both:
            self.addCleanup(each.end)

    def join(self, *options: dict[str, Any], name: str = "a") -> None:
        """Add a client for each of these options."""
        for each in self.both:
            for option in options:
                each.come()
                send_request(each.peers[-1].session, "connect", name, **option)

    def start(self) -> None:
        """Connect the IOC, with the PV."""
        for each in self.both:
            each.connect("a", Metadata(FieldType.DOUBLE, 1, "ioc:5064"))
            each.event("a", control_bytes(b"\1\0\0\0", b"mm", "d"), 1, 0)

    def come(self, *encodings: Encoding) -> None:
        """Add a client for each of these."""
        for each in self.both:
            for encoding in encodings:
                each.come(encoding)
                each.peers[-1].send_request("connect", "a")

    def update(self, *numbers: float, severity: int = 0) -> None:
        """Send values, each in its own reactor iteration."""
        for number in numbers:
            raw = time_bytes(FieldType.DOUBLE, [number], (3, severity), (EPICS_DAY, 5))
            for each in self.both:
                each.event("a", raw, 1, -1)
                each.clock.advance(0.001)

    def check(self, direct: bool) -> None:
        """All clients of both got the same; return whether the last updates bypassed Python."""
        python, in_c = self.both
        for one, other in zip(python.peers, in_c.peers, strict=True):
            self.assertEqual(b"".join(other.page.writes), b"".join(one.page.writes))
        route = in_c.channels["a"].monitors[-1].route
        self.assertIs(route is not None and route.is_direct, direct)

    def test_encodings(self) -> None:
        """Updates bypass Python, by any name; with another encoding, they do not."""
        plain: tuple[dict[str, Any], ...] = (
            {},
            {"metadata": True},
            {"batch": True},
            {"metadata": True, "batch": True},
        )
        self.join(*plain)
        self.join(*plain, name="ca://a")
        self.start()
        self.update(1, 2, 3)
        self.check(direct=True)
        self.join({"text": True})
        self.update(4, 5, 6)
        self.check(direct=False)
        for each in self.both:
            each.peers[-1].send_request("disconnect", "a")
        self.update(7, 8, 9)
        self.check(direct=True)

    def test_dialects(self) -> None:
        """Clients of other dialects are written to in C too, until an alarm changes."""
        self.come(*DIALECTS, *DIALECTS)
        self.start()
        self.update(1, 2, float("nan"), float("-inf"), 0.1)
        self.check(direct=True)
        for severity in (2, 1, 0):
            self.update(3, severity=severity)
            self.check(direct=True)
            self.update(4, 5, severity=severity)
            self.check(direct=True)
        values = [message.get("value") for message in self.both[1].peers[1].page.messages]
        self.assertEqual(values, [1, 2, "NaN", "-Infinity", 0.1, *[3, 4, 5] * 3])

    def test_throttled(self) -> None:
        """In a pause, updates bypass Python, and the newest is sent at its end."""
        self.join({}, {"max_rate": 1 / PAUSE})
        self.come(THROTTLED_PVWS)
        self.start()
        self.update(1, 2, 3)
        self.check(direct=True)
        self.wait(PAUSE)
        self.check(direct=True)
        self.assertEqual(self.values(), [[1, 2, 3], [1, 3], [1, 3]])
        self.wait(2 * PAUSE)
        self.check(direct=False)
        self.update(4, 5)
        self.check(direct=True)
        self.assertEqual(self.values(), [[4, 5], [4], [4]])
        # The last value of a connection is sent before its end is reported.
        for each in self.both:
            each.post("a", "lose", None)
        self.wait(0.001)
        self.assertEqual(self.values(), [[None], [5, None], [5, "NaN"]])
        self.start()
        self.update(6, 7)
        self.check(direct=True)
        self.assertEqual(self.values(), [[6, 7], [6], [6]])

    def test_joins_within_a_pause(self) -> None:
        """A client that joins in a pause does not affect the route of updates."""
        self.come(THROTTLED_PVWS, THROTTLED_PVWS)
        self.start()
        self.update(1, 2)
        self.come(THROTTLED_PVWS)
        self.check(direct=True)
        self.update(3)
        self.wait(PAUSE)
        self.check(direct=True)
        self.assertEqual(self.values(), [[1, 3], [1, 3], [2, 3]])

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        for each in self.both:
            each.clock.advance(seconds)

    def values(self) -> list[list[Any]]:
        """Return the values that clients got since the last call; None: without a value."""
        python, in_c = ([peer.page.take() for peer in each.peers] for each in self.both)
        self.assertEqual(in_c, python)
        return [
            [each.get("value") for each in messages if each.get("conn") is not True]
            for messages in in_c
        ]

    def test_leaves(self) -> None:
        """When a client leaves, updates still bypass Python, and reach those that stay."""
        self.join({}, {})
        self.start()
        self.update(1, 2)
        for each in self.both:
            each.peers[1].send_request("disconnect", "a")
        self.update(3, 4)
        self.check(direct=True)
        first, _ = self.values()
        self.assertEqual(first, [1, 2, 3, 4])

    def test_unusual(self) -> None:
        """Updates that Python handles are newer than those before them that bypassed it."""
        self.join({})
        self.start()
        self.update(1, 2)
        for each in self.both:
            raw = time_bytes(FieldType.DOUBLE, [3], (3, 0), (EPICS_DAY, 2 * 10**9))
            each.event("a", raw, 1, -1)
            each.clock.advance(0.001)
            pv = each.hub.find("a")
            assert pv is not None and pv.latest is not None
            self.assertEqual(pv.latest.value, 3)
        self.update(4)
        self.check(direct=True)
        self.assertEqual(self.values(), [[1, 2, 3, 4]])

    def test_newcomer(self) -> None:
        """A client that joins gets the newest value, though it has bypassed Python."""
        self.join({})
        self.start()
        self.update(1, 2, 3)
        self.join({}, {"text": True})
        for each in self.both:
            each.clock.advance(0.001)
        self.check(direct=False)
        pages = [peer.page.messages for peer in self.both[1].peers]
        self.assertEqual([messages[-1]["value"] for messages in pages], [3, 3, 3])

    def test_slow_client(self) -> None:
        """A slow client gets the newest value when it reads again; missed ones are counted."""
        self.join({}, {})
        self.start()
        self.update(1)
        for each in self.both:
            each.peers[0].session.outbox.pause()
        self.update(2, 3, 4)
        for each in self.both:
            each.peers[0].session.outbox.resume()
            each.clock.advance(0.001)
            outbox = each.peers[0].session.outbox
            self.assertEqual(outbox.conflated, 2)
            values = [message.get("value") for message in each.peers[0].page.messages]
            self.assertEqual(values, [None, 1, 4])
        self.check(direct=True)

    def test_long_frames(self) -> None:
        """Frames of more than 125 bytes, and of more than 65,535, have longer headers."""
        self.join({}, name="a")
        for each in self.both:
            each.come()
            # The gateway refuses such names from clients; its parts do not know that.
            each.sessions.shared.publishers.join(
                "n" * 70_000, "a", VERSION_1, each.peers[-1].session.outbox
            )
        self.start()
        self.update(1, 2, 3)
        self.check(direct=True)

    def test_lone_subscriber(self) -> None:
        """A subscriber in the gateway gets each update, also beside clients."""
        self.join({})
        self.start()
        self.update(1, 2)
        listeners = [Listener() for _ in self.both]
        for each, listener in zip(self.both, listeners, strict=True):
            each.hub.subscribe("a", listener)
        self.update(3, 4)
        self.check(direct=False)
        for listener in listeners:
            self.assertEqual([value for _, _, value in listener.take()], [True, 2, 3, 4])
