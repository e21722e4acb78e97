"""Recorded bytes of QSRV 2, QSRV 1, p4p and a big-endian server, unchanged and mutated."""

from __future__ import annotations

import contextlib
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.pva.description import description_of
from pycawamp.pv.pva.messages import INIT, Command, Message, Receiver
from pycawamp.pv.pva.types import Structure, TypeReader
from pycawamp.pv.pva.wire import BIG, LITTLE, MALFORMED, Reader
from pycawamp.pv.values import Image
from tests.pv.pva.recordings import SERVERS, Connection, Recording, Replay, Step, recording
from tests.support.compiled import NOT_COMPILED
from tests.support.examples import examples

RECORDINGS = {server: recording(server) for server in SERVERS}
SIDES = (False,) if NOT_COMPILED else (False, True)
"""Without the compiled part, and with it."""
SEEDS = examples(15)
"""Of each recording, for each side."""
MAX_BYTES = 150
"""Of a message, that are changed one by one."""
LAST_VALUES: dict[str, dict[str, Any]] = {
    "qsrv2": {
        **{"number": 3.0, "whole": 5, "long": 2**53 + 1, "text": "off", "mode": 0},
        "array": [1.25] * 3000,
    },
    "p4p": {
        "table": {"labels": ["n", "s", "x"], "columns": {"n": [3], "s": ["c"], "x": [3.5]}},
        "image": [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]],
        **{"mode": 2, "texts": ["c"], "number": 2.5},
        "odd": {
            "inner": {"x": 6.0, "y": [1.0, 2.0]},
            **{"choice": "w", "any": [1, 2, 3]},
            "rows": [{"a": 5, "b": "eins"}, {"a": 2, "b": ""}],
        },
    },
    "big_endian": {"number": 4.5, "numbers": [3.5] * 3, "label": 1},
}
LAST_VALUES["qsrv1"] = LAST_VALUES["qsrv2"]


def plain(value: Any) -> Any:
    """Return a value without arrays, for comparisons."""
    if isinstance(value, Image):
        value = value.pixels
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value


def replay(recorded: Recording, is_compiled: bool) -> Connection:
    """Replay a recording to a client, and close the client."""
    client = Replay(is_compiled)
    connection = client.connect("192.0.2.1", recorded.names)
    for step in recorded.steps:
        connection.take(step)
    client.end()
    return connection


def messages_of(recorded: Recording) -> Iterator[bytes]:
    """Return the messages of a recording, each with its header."""
    stream = b"".join(step.data for step in recorded.steps)
    while stream:
        order = BIG if stream[2] & 0x80 else LITTLE
        is_control = stream[2] & 1
        size = 8 if is_control else 8 + order.u32.unpack_from(stream, 4)[0]
        yield stream[:size]
        stream = stream[size:]


class RecordedTests(SynchronousTestCase):
    """Unchanged recordings."""

    def test_values(self) -> None:
        """All messages are decoded: types by number, either byte order, large arrays."""
        for server, recorded in RECORDINGS.items():
            for is_compiled in SIDES:
                connection = replay(recorded, is_compiled)
                values = {
                    name: plain(sink.readings[-1].value) for name, sink in connection.sinks.items()
                }
                self.assertEqual(values, LAST_VALUES[server])
                kinds = [step.kind for step in recorded.steps]
                self.assertEqual(
                    connection.answers[: kinds.count("put")], [None] * kinds.count("put")
                )
                read = [reading.value for reading in connection.answers[kinds.count("put") :]]
                names = [step.name for step in recorded.steps if step.kind == "get"]
                self.assertEqual([*map(plain, read)], [values[name] for name in names])

    def test_kinds(self) -> None:
        """The recordings contain the intended cases."""
        cached = [each for each in messages_of(RECORDINGS["qsrv1"]) if b"\xfd\x01\x00\x80" in each]
        by_number = [each for each in messages_of(RECORDINGS["qsrv1"]) if b"\xfe\x01\x00" in each]
        self.assertTrue(cached)
        self.assertTrue(by_number)
        self.assertTrue(all(each[2] & 0x80 for each in messages_of(RECORDINGS["big_endian"])))

    def test_segments(self) -> None:
        """Each message in segments, with control messages between them, is the same message."""
        for server, recorded in RECORDINGS.items():
            for is_compiled in SIDES:
                whole = replay(recorded, is_compiled)
                steps = [step._replace(data=_segmented(step.data)) for step in _aligned(recorded)]
                segmented = replay(Recording(recorded.names, tuple(steps)), is_compiled)
                self.assertEqual(segmented.received, whole.received, server)


def _aligned(recorded: Recording) -> Iterator[Step]:
    """Return the steps, divided at the ends of messages."""
    data = b""
    for step in recorded.steps:
        if step.kind != "data":
            yield step
            continue
        data += step.data
        if not data or _ends_with_message(data):
            yield Step("data", data)
            data = b""


def _ends_with_message(data: bytes) -> bool:
    position = 0
    while position + 8 <= len(data):
        order = BIG if data[position + 2] & 0x80 else LITTLE
        is_control = data[position + 2] & 1
        position += 8 + (0 if is_control else order.u32.unpack_from(data, position + 4)[0])
    return position == len(data)


def _segmented(data: bytes) -> bytes:
    parts = []
    for message in messages_of(Recording((), (Step("data", data),))):
        payload = message[8:]
        sign = ">" if message[2] & 0x80 else "<"
        if message[2] & 1 or len(payload) < 3:
            parts.append(message)
            continue
        third = len(payload) // 3
        bounds = (0, third, 2 * third, len(payload))
        for (start, end), flag in zip(pairwise(bounds), (0x10, 0x30, 0x20), strict=True):
            head = (0xCA, message[1], message[2] | flag, message[3], end - start)
            parts.append(struct.pack(f"{sign}BBBBI", *head) + payload[start:end])
            parts.append(struct.pack("<BBBBI", 0xCA, 2, 0x41, 1, 99))
    return b"".join(parts)


Mutation = tuple[str, float, int]
"""Its kind, where (0 to 1), and a number from 0 to 255."""


def mutated(steps: Sequence[Step], mutations: Sequence[Mutation]) -> list[Step]:
    """Return the steps with errors in their data."""
    found = list(steps)
    data_steps = [n for n, step in enumerate(found) if step.kind == "data"]
    for kind, where, number in mutations:
        n = data_steps[int(where * len(data_steps)) % len(data_steps)]
        data = found[n].data
        at = int(where * 7919 * len(data_steps)) % (len(data) + 1)
        found[n] = found[n]._replace(data=MUTATIONS[kind](data, at, number))
    return found


MUTATIONS: dict[str, Callable[[bytes, int, int], bytes]] = {
    "change": lambda data, at, number: data[:at] + bytes([number]) + data[at + 1 :],
    "bit": lambda data, at, number: (
        data[:at] + bytes(each ^ 1 << number % 8 for each in data[at : at + 1]) + data[at + 1 :]
    ),
    "insert": lambda data, at, number: data[:at] + bytes([number]) * (number % 5 + 1) + data[at:],
    "delete": lambda data, at, number: data[:at] + data[at + number % 9 + 1 :],
    "repeat": lambda data, at, number: data + data[at:],
    "huge": lambda data, at, number: data[:at] + b"\xfe\xff\xff\xff\x7f" + data[at + 5 :],
    "end": lambda data, at, number: data[:at],
}


class MutatedTests(SynchronousTestCase):
    """Recordings with errors in them; unexpected exceptions are logged, which fails a test."""

    def setUp(self) -> None:
        """Record the calls of the sinks without errors."""
        self.received = {
            (server, is_compiled): replay(recorded, is_compiled).received
            for server, recorded in RECORDINGS.items()
            for is_compiled in SIDES
        }

    def check(self, server: str, is_compiled: bool, steps: Sequence[Step]) -> bool:
        """Replay errors on one connection, none on another; return whether the first has ended."""
        recorded = RECORDINGS[server]
        client = Replay(is_compiled)
        bad = client.connect("192.0.2.1", recorded.names)
        good = client.connect("192.0.2.2", recorded.names)
        for wrong, right in zip(steps, recorded.steps, strict=True):
            bad.take(wrong)
            good.take(right)
        has_ended = not bad.is_open
        self.assertTrue(good.is_open)
        # They differ only in the name of the server.
        received = [each.replace("192.0.2.2", "192.0.2.1") for each in good.received]
        self.assertEqual(received, self.received[server, is_compiled])
        if has_ended:
            last = [sink.calls[-1] for sink in bad.sinks.values() if sink.calls]
            self.assertTrue(all(call in ("connection", "refused") for call, _ in last), last)
        client.end()
        self.assertEqual(self.flushLoggedErrors(), [])
        return has_ended

    def test_seeds(self) -> None:
        """One to three errors: some end their own connection, none another one."""
        for server, recorded in RECORDINGS.items():
            for is_compiled in SIDES:
                ended = 0
                for seed in range(SEEDS):
                    dice = random.Random(f"{server} {seed}")
                    mutations = [
                        (dice.choice([*MUTATIONS]), dice.random(), dice.randrange(256))
                        for _ in range(dice.randrange(1, 4))
                    ]
                    ended += self.check(server, is_compiled, mutated(recorded.steps, mutations))
                self.assertGreater(ended, 0)

    def test_any(self) -> None:
        """Any errors (Hypothesis)."""
        mutation = st.tuples(
            st.sampled_from([*MUTATIONS]), st.floats(0, 1, exclude_max=True), st.integers(0, 255)
        )

        @settings(max_examples=examples(60), deadline=None)
        @given(
            st.sampled_from(SERVERS),
            st.sampled_from(SIDES),
            st.lists(mutation, min_size=1, max_size=5),
        )
        def run(server: str, is_compiled: bool, mutations: list[Mutation]) -> None:
            self.check(server, is_compiled, mutated(RECORDINGS[server].steps, mutations))

        run()

    def test_each_byte(self) -> None:
        """A change of each single byte of type descriptions and updates."""
        for recorded in RECORDINGS.values():
            types, structures = TypeReader(), {}
            stream = b"".join(step.data for step in recorded.steps)
            for message in Receiver().feed(stream):
                if message.command != Command.MONITOR:
                    continue
                reader = message.reader
                number, subcommand = reader.u32(), reader.byte()
                if subcommand & INIT:
                    reader.status()
                    _for_each_byte(message, reader.position, _take_type)
                    structures[number] = types.rest(reader)
                else:
                    structure = structures[number]
                    assert isinstance(structure, Structure)
                    take = partial(_take_update, structure, types)
                    _for_each_byte(message, reader.position, take)


def _for_each_byte(message: Message, start: int, take: Callable[[Reader], None]) -> None:
    """Decode a message with each of its first bytes changed."""
    rest = message.buffer[start : message.end]
    for at in range(min(len(rest), MAX_BYTES)):
        for number in {0, 0x7F, 0xFF, rest[at] ^ 1}:
            changed = rest[:at] + bytes([number]) + rest[at + 1 :]
            with contextlib.suppress(*MALFORMED):
                take(Reader(changed, 0, len(changed), message.order))


def _take_type(reader: Reader) -> None:
    described = TypeReader().rest(reader)
    if isinstance(described, Structure):
        description = description_of(described)
        state = description.layout.state()
        description.reading(state)
        description.metadata(state, "server:5075", None)


def _take_update(structure: Structure, types: TypeReader, reader: Reader) -> None:
    description = description_of(structure)
    state = description.layout.state()
    description.layout.plan(reader.bits(), reader.order).apply(reader, state, types)
    description.reading(state)
    description.metadata(state, "server:5075", None)
