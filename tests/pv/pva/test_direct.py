"""Updates of numbers, compiled and in Python: clients and servers get the same (Hypothesis)."""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access import Policy
from pycawamp.fanout.flush import FlushCycle
from pycawamp.pv.event_queue import InboxLimits
from pycawamp.pv.hub import PVHub
from pycawamp.pv.inbox import SHORT_PAUSE, Inbox
from pycawamp.pv.pva.backend import PVABackend
from pycawamp.pv.pva.messages import Command
from pycawamp.pv.pva.types import FORMATS, STRING, Scalar, ScalarArray, Structure, describe, leaves
from pycawamp.pv.pva.wire import BIG, LITTLE, Order, bit_set, size, text
from pycawamp.pv.router import Router
from pycawamp.pv.values import EPICS_EPOCH, STATUSES
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.putlog import PutLog
from pycawamp.sessions.registry import Sessions
from pycawamp.wire import epics2web, pvws
from pycawamp.wire.dialect import Encoding
from pycawamp.wire.v2.dialect import VERSION_2
from tests.pv.pva.recordings import ConnectingReactor, search_answer
from tests.support.compiled import NATIVE, NOT_COMPILED, compiled
from tests.support.examples import examples
from tests.support.memory_gateway import Page, send_request
from tests.support.pva_messages import message

ADDRESS = ("192.0.2.1", 5075)
INT, LONG, DOUBLE = Scalar(0x22), Scalar(0x23), Scalar(0x43)
TEXT = Scalar(STRING)
ALARM = Structure("alarm_t", (("severity", INT), ("status", INT), ("message", TEXT)))
TIME = Structure("time_t", (("secondsPastEpoch", LONG), ("nanoseconds", INT), ("userTag", INT)))
DISPLAY = Structure("", (("units", TEXT),))
ENUM = Structure("enum_t", (("index", INT), ("choices", ScalarArray(STRING))))
OPTIONS: tuple[dict[str, Any], ...] = (
    *({}, {"metadata": True}, {"int64": "string"}),
    *({"metadata": True, "alarm_message": True}, {"text": True}),
)
DISPLAYS = (
    pvws.encoding(0, 0, now=lambda: 1e9),
    pvws.encoding(0.5, 0, now=lambda: 1e9),
    epics2web.encoding(),
)


def scalar_type(value: Scalar) -> Structure:
    """Return a normative type with the relevant fields of QSRV."""
    fields = (("value", value), ("alarm", ALARM), ("timeStamp", TIME), ("display", DISPLAY))
    return Structure("epics:nt/NTScalar:1.0", fields)


TYPES = (
    *(scalar_type(Scalar(code)) for code in FORMATS),
    scalar_type(TEXT),
    Structure("epics:nt/NTEnum:1.0", (("value", ENUM), ("alarm", ALARM), ("timeStamp", TIME))),
    Structure("epics:nt/NTScalar:1.0", (("value", DOUBLE), ("timeStamp", TIME))),
)

NUMBERS = {code: struct.calcsize(f"<{form}") for code, form in FORMATS.items()}


def whole_numbers(code: int) -> st.SearchStrategy[int]:
    bits = 8 * NUMBERS[code]
    signed = FORMATS[code].islower()
    lowest, highest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return st.one_of(st.integers(0, min(3, highest)), st.integers(lowest, highest))


@st.composite
def leaf(draw: Any, path: str, field: Any, order: Order) -> bytes:
    """Return the bytes of a leaf, mostly typical ones of servers."""
    if isinstance(field, ScalarArray):
        return size(2, order) + text("off", order) + text("on", order)
    if field.is_string:
        known = ["", "", *STATUSES] if path == "alarm.message" else ["", "mm"]
        return text(draw(st.one_of(st.sampled_from(known), st.text(max_size=120))), order)
    if FORMATS[field.code] == "?":
        return bytes([draw(st.integers(0, 1))])
    usual = {
        "timeStamp.secondsPastEpoch": st.integers(EPICS_EPOCH, EPICS_EPOCH + 2**31),
        "timeStamp.nanoseconds": st.integers(0, 10**9 - 1),
        "alarm.severity": st.integers(0, 3),
        "alarm.status": st.just(0),
    }.get(path)
    any_number: st.SearchStrategy[Any] = (
        st.floats(width=cast(Any, 8 * NUMBERS[field.code]))
        if FORMATS[field.code] in "fd"
        else whole_numbers(field.code)
    )
    if usual is not None and draw(st.integers(0, 9)):
        any_number = usual
    return struct.pack(order.sign + FORMATS[field.code], draw(any_number))


@st.composite
def update(draw: Any, structure: Structure, number: int, everything: bool = False) -> bytes:
    """Return an update of some fields."""
    order = draw(st.sampled_from([LITTLE] * 9 + [BIG]))
    fields = list(leaves(structure))
    value = [each for each in fields if each[1].startswith(("value", "timeStamp"))]
    alarm = [each for each in fields if each[1].startswith(("value", "alarm", "timeStamp"))]
    chosen = (
        fields
        if everything
        else draw(
            st.one_of(
                st.sampled_from([value, alarm, alarm, fields]),
                st.lists(st.sampled_from(fields), unique=True),
            )
        )
    )
    chosen = sorted(chosen, key=lambda each: each[0])
    values = b"".join(draw(leaf(path, field, order)) for _, path, field in chosen)
    left_out = draw(st.sampled_from([[]] * 15 + [[1]]))
    bits = [0] if everything else [bit for bit, _, _ in chosen]
    head = order.u32.pack(number) + b"\0" + bit_set(bits, order)
    return message(Command.MONITOR, head + values + bit_set(left_out, order), order)


class Side:
    """A gateway without a network, with a connection whose bytes the test determines."""

    def __init__(self, is_compiled: bool) -> None:
        assert NATIVE is not None
        self.clock = ConnectingReactor()
        limits = InboxLimits()
        cycle = FlushCycle(self.clock, NATIVE.FrameBuffer if is_compiled else None)
        intake = compiled(limits) if is_compiled else None
        self.inbox = Inbox(self.clock, cycle.flush, limits, intake)
        self.inbox.open()
        self.backend = PVABackend(self.clock, None, self.inbox)
        router = Router({"pva": self.backend}, default="pva")
        hub = PVHub(self.clock, router, 10.0)
        sessions = Sessions(self.clock, hub, router, cycle, policy=Policy(), put_log=PutLog(None))
        self.page = Page()
        self.session = sessions.open(self.page, Peer("test"), Encoding(VERSION_2), lambda *_: None)
        self.displays = [Page() for _ in DISPLAYS]
        self.others = [
            sessions.open(page, Peer("test"), encoding, lambda *_: None)
            for page, encoding in zip(self.displays, DISPLAYS, strict=True)
        ]
        self.opened = 0

    def feed(self, data: bytes) -> None:
        """Receive bytes, when the connection is read."""
        self.iterate()
        assert self.protocol.transport.producerState == "producing"
        self.protocol.dataReceived(data)

    @property
    def protocol(self) -> Any:
        """The connection to the server."""
        return self.clock.connections[ADDRESS]

    def iterate(self) -> None:
        """Run all pending calls."""
        for _ in range(6):
            self.clock.poll()
            # After a few small slices, the inbox in Python pauses.
            self.clock.advance(SHORT_PAUSE)

    def open(
        self, name: str, structure: Structure, options: dict[str, Any], displays: bool = False
    ) -> int:
        """Subscribe to a PV; return the number of its monitor."""
        send_request(self.session, "connect", name, **options)
        for session in self.others if displays else ():
            session.receive(json.dumps({"type": "monitor", "pvs": [name]}).encode())
        self.opened += 1
        self.backend.searcher.answered(search_answer(self.opened, ADDRESS), ADDRESS[0])
        if self.opened == 1:
            self.feed(message(Command.VALIDATION, bytes(6) + size(1, LITTLE) + text("ca", LITTLE)))
            self.feed(message(Command.VALIDATED, b"\xff"))
        self.iterate()
        created = self._last(Command.CREATE_CHANNEL)[2:6] + LITTLE.u32.pack(7) + b"\xff"
        self.feed(message(Command.CREATE_CHANNEL, created))
        self.iterate()
        number = self._last(Command.MONITOR)[4:8]
        self.feed(message(Command.MONITOR, number + b"\x08\xff" + describe(structure, LITTLE)))
        return int.from_bytes(number, "little")

    def _last(self, command: int) -> bytes:
        """Return the payload of the last sent message of a kind."""
        return [sent[8:] for sent in self.sent if sent[3] == command][-1]

    @property
    def received(self) -> dict[str, list[bytes]]:
        """Return the messages to each client, by PV."""
        received: dict[str, list[bytes]] = defaultdict(list)
        for number, page in enumerate((self.page, *self.displays)):
            for payload, parsed in zip(page.payloads, page.messages, strict=True):
                received[f"{number} {parsed.get('pvname', parsed.get('pv'))}"].append(payload)
        return received

    @property
    def sent(self) -> list[bytes]:
        """Return the bytes sent to the server."""
        data, sent = self.protocol.transport.value(), []
        while data:
            end = 8 + int.from_bytes(data[4:8], "little")
            sent.append(data[:end])
            data = data[end:]
        return sent

    def end(self) -> None:
        """Close everything."""
        for session in (self.session, *self.others):
            session.close()
        self.clock.advance(100)
        self.protocol.close()
        self.inbox.close()


class DirectTests(SynchronousTestCase):
    """The same bytes of a server, with and without the compiled part."""

    skip = NOT_COMPILED

    def test_any_updates(self) -> None:
        """Clients and the server get the same bytes, however the data is divided."""

        @settings(max_examples=examples(40), deadline=None)
        @given(st.data())
        def run(data: st.DataObject) -> None:
            types = data.draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=3))
            both = Side(False), Side(True)
            options = data.draw(st.lists(st.sampled_from(OPTIONS), min_size=3, max_size=3))
            shown = data.draw(st.lists(st.booleans(), min_size=3, max_size=3))
            numbers: list[int] = []
            for n, structure in enumerate(types):
                made = [each.open(f"x{n}", structure, options[n], shown[n]) for each in both]
                self.assertEqual(made[0], made[1])
                numbers.append(made[0])
            stream = b"".join(
                data.draw(update(structure, number, everything=True))
                for structure, number in zip(types, numbers, strict=True)
            )
            for _ in range(data.draw(st.integers(1, 6))):
                for _ in range(data.draw(st.integers(0, 8))):
                    n = data.draw(st.integers(0, len(types) - 1))
                    stream += data.draw(update(types[n], numbers[n]))
                cut = data.draw(st.integers(0, len(stream)))
                passes = data.draw(st.sampled_from([0, 0, 0.1, 1.1]))
                for each in both:
                    each.feed(stream[:cut])
                    each.iterate()
                    each.clock.advance(passes)
                stream = stream[cut:]
            for each in both:
                each.feed(stream)
                each.iterate()
            in_python, compiled_ = both
            self.assertEqual(in_python.received, compiled_.received)
            self.assertEqual(sorted(in_python.sent), sorted(compiled_.sent))
            self.assertEqual(in_python.backend.overruns, compiled_.backend.overruns)
            for each in both:
                each.end()

        run()

    def test_taken(self) -> None:
        """Updates of a number are queued without Python, up to the first that needs it."""
        events: list[bytes] = []

        class Listener:
            """Records events."""

            def receive(self, raw: bytes) -> None:
                """Record an event."""
                events.append(raw)

        intake = compiled(InboxLimits())
        form = intake.form("d")
        self.assertTrue(form.add(b"\x03", b"dvqs"))
        subscription = intake.listen(form.type, 1, 0, 0, Listener(), lambda *_: None, None)
        updates = intake.updates()
        direct = updates.listen(5, form, subscription, 4)
        direct.release(0, (2, 0, "HIHI", EPICS_EPOCH, 7, 0.0))
        head = LITTLE.u32.pack(5) + b"\0"
        one, other = (
            message(Command.MONITOR, head + b"\x01" + bits + values + b"\0")
            for bits, values in (
                (b"\x03", struct.pack("<dq", 1.5, EPICS_EPOCH + 3)),
                (b"\x01", struct.pack("<d", 2.5)),
            )
        )
        stream = 6 * one + other + one
        self.assertEqual(updates.take(stream, 0), 6 * len(one))
        self.assertEqual(updates.take(stream, 6 * len(one) + len(other)), len(stream) - len(one))
        self.assertEqual((updates.take_due(), direct.count), ([5], 2))
        intake.work(lambda: 0.0, 1.0)
        received = [form.fields(raw) for raw in events]
        self.assertEqual(received, 6 * [(3, 2, EPICS_EPOCH + 3, 7, 1.5)])
        self.assertEqual(direct.take(), (2, (2, 0, "HIHI", EPICS_EPOCH + 3, 7, 1.5)))
        for _ in range(2):
            self.assertEqual(updates.take(one, 0), 0)
            direct.release(0, (0, 0, "", EPICS_EPOCH, 0, 0.0))
        self.assertEqual(updates.take(one[:-1], 0), 0)
        intake.close()
