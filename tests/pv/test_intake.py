"""The compiled intake behaves like the inbox and the callbacks in Python (Hypothesis)."""

from __future__ import annotations

import gc
from collections.abc import Callable
from threading import Thread
from types import SimpleNamespace
from typing import Any
from weakref import ref

import attrs
import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase, TestCase

from pycawamp.pv.ca import _fast, libca
from pycawamp.pv.ca.callbacks import Callbacks, Registry
from pycawamp.pv.ca.refusals import RefusalLog
from pycawamp.pv.event_queue import InboxLimits
from pycawamp.pv.inbox import Inbox
from tests.support.compiled import NOT_COMPILED, SLICE, compiled
from tests.support.examples import examples
from tests.support.libca_events import (
    DBR_TIME_DOUBLE,
    HEADER,
    MAX_COUNT,
    WIDTH,
    PollingReactor,
    event_args,
)
from tests.support.memory_gateway import SteppingReactor
from tests.support.process_state import set_environment

LISTENERS = 4
FEW_BYTES = 60


@attrs.define(eq=False)
class Listener:
    """A subscription, as far as a callback needs it."""

    name: int
    received: list[Any]
    clock: SteppingReactor
    key: int = 0
    type: int = DBR_TIME_DOUBLE
    max_count: int = MAX_COUNT
    header: int = HEADER
    width: int = WIDTH
    route: None = None

    def receive(self, raw: bytes) -> None:
        """Handle an event; sometimes that takes long."""
        self.received.append((self.name, raw))
        self.clock.pass_time(SLICE / 7)

    def receive_update(self, raw: bytes) -> None:
        """Handle an event posted by Python, which replaces none of libca's."""
        self.received.append((self.name, "posted", raw))

    def failed(self, refusal: libca.Refusal) -> None:
        """Handle an invalid event."""
        self.received.append((self.name, refusal))


@attrs.frozen
class Hearing:
    """A listener that only passes events on."""

    receive: Callable[[bytes], None]


class Side:
    """An inbox, and callbacks that fill it."""

    def __init__(self, is_compiled: bool, max_bytes: int) -> None:
        self.clock = PollingReactor()
        self.received: list[Any] = []
        limits = InboxLimits(events=5, bytes=max_bytes, slice=SLICE)
        intake = compiled(limits) if is_compiled else None
        self.inbox = Inbox(self.clock, lambda: None, limits, intake)
        self.inbox.open()
        self.registry = Registry(intake)
        self.callbacks = Callbacks(
            libca.load(), self.inbox, self.registry, RefusalLog(self.clock), lambda *_: None
        )
        self.listeners = [Listener(name, self.received, self.clock) for name in range(LISTENERS)]
        for listener in self.listeners:
            listener.key = self.registry.next_key()
            self.registry.listen(listener)  # type: ignore[arg-type]

    def event(self, name: int, raw: bytes, dbr_type: int, count: int, status: int) -> None:
        """Call libca's callback with an event."""
        key = self.listeners[name].key
        self.callbacks.event(event_args(key, raw, dbr_type, count, status))
        if not self.clock.getDelayedCalls():
            self.clock.poll()

    def replace(self, name: int) -> None:
        """End a subscription, and start another."""
        self.registry.forget(self.listeners[name].key)
        self.listeners[name] = Listener(name, self.received, self.clock)
        self.listeners[name].key = self.registry.next_key()
        self.registry.listen(self.listeners[name])  # type: ignore[arg-type]

    def news(self, text: str) -> None:
        """Post something that must not be dropped."""
        self.inbox.post(self.received.append, text)

    def update(self, name: int, raw: bytes) -> None:
        """Post an update from Python."""
        self.inbox.post_update(self.listeners[name].receive_update, raw)

    def work(self) -> None:
        """Run a slice."""
        due = [call for call in self.clock.getDelayedCalls() if call.active()]
        if due:
            self.clock.advance(max(0.0, due[0].getTime() - self.clock.seconds()))

    def end(self) -> None:
        """Close everything."""
        while self.clock.getDelayedCalls():
            self.work()
        self.inbox.close()
        self.registry.clear()


class IntakeMachine(RuleBasedStateMachine):
    """The same events to both inboxes."""

    names = st.integers(0, LISTENERS - 1)

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    @initialize(max_bytes=st.sampled_from([InboxLimits().bytes, FEW_BYTES]))
    def start(self, max_bytes: int) -> None:
        """Either limit may be the one that is reached."""
        self.max_bytes = max_bytes
        self.sides = [Side(False, max_bytes), Side(True, max_bytes)]

    def raw(self) -> bytes:
        """Return bytes that no other event has."""
        self.number += 1
        return b"%024d" % self.number

    @rule(name=names, times=st.integers(1, 9))
    def burst(self, name: int, times: int) -> None:
        """Send updates."""
        for _ in range(times):
            raw = self.raw()
            for side in self.sides:
                side.event(name, raw, DBR_TIME_DOUBLE, 1, 1)

    @rule(
        name=names,
        dbr_type=st.sampled_from([DBR_TIME_DOUBLE, 0, -1, 2**40]),
        count=st.sampled_from([0, 1, 2, MAX_COUNT, MAX_COUNT + 1, 2**31, 2**63, 2**64 - 1]),
        status=st.sampled_from([1, 1, 1, 0, 152, 368, -5]),
    )
    # A refusal has other bytes in C, though as few.
    @precondition(lambda self: self.max_bytes != FEW_BYTES)
    def odd_event(self, name: int, dbr_type: int, count: int, status: int) -> None:
        """Send another type than requested, or fewer or more elements."""
        raw = self.raw()
        for side in self.sides:
            side.event(name, raw, dbr_type, count, status)

    @rule(number=st.integers(1, 2**64 - 1))
    def unknown(self, number: int) -> None:
        """Send an event with an invalid number."""
        if number not in (listener.key for side in self.sides for listener in side.listeners):
            for side in self.sides:
                side.callbacks.event(event_args(number, b"x" * 24))

    @rule(name=names)
    def replace(self, name: int) -> None:
        """A subscription ends and another takes its place, while events of both wait."""
        old = [side.listeners[name].key for side in self.sides]
        for side, key in zip(self.sides, old, strict=True):
            side.replace(name)
            side.callbacks.event(event_args(key, b"late" * 6))

    @rule()
    def news(self) -> None:
        """Post something from Python."""
        text = self.raw().decode()
        for side in self.sides:
            side.news(text)

    @rule(name=names)
    def update(self, name: int) -> None:
        """Post an update from Python."""
        raw = self.raw()
        for side in self.sides:
            side.update(name, raw)

    @rule()
    def work(self) -> None:
        """Run a slice on each side."""
        for side in self.sides:
            side.work()

    @rule()
    def settle(self) -> None:
        """Both have handled the same, in the same order, and conflated the same number."""
        for side in self.sides:
            while side.clock.getDelayedCalls():
                side.work()
        python, in_c = self.sides
        assert in_c.received == python.received
        assert in_c.inbox.conflated == python.inbox.conflated
        assert in_c.clock.wakes == python.clock.wakes

    def teardown(self) -> None:
        """Nothing remains."""
        self.settle()
        for side in self.sides:
            side.end()


class IntakeStateTests(SynchronousTestCase):
    """IntakeMachine."""

    skip = NOT_COMPILED

    def test_states(self) -> None:
        """Events, posts and subscriptions in any order: handled as in Python."""
        steps = settings(max_examples=examples(200), stateful_step_count=40, deadline=None)
        run_state_machine_as_test(IntakeMachine, settings=steps)


class IntakeTests(SynchronousTestCase):
    """The intake by itself."""

    skip = NOT_COMPILED

    def setUp(self) -> None:
        """Make an intake with a listener."""
        self.clock = SteppingReactor()
        self.intake = compiled(InboxLimits())
        self.inbox = Inbox(self.clock, lambda: None, intake=self.intake)
        self.addCleanup(self.inbox.close)
        self.received: list[Any] = []

    def listen(self) -> int:
        """Add a subscription."""
        return self.intake.listen(
            DBR_TIME_DOUBLE,
            MAX_COUNT,
            HEADER,
            WIDTH,
            Hearing(self.received.append),
            lambda *_: None,
            None,
        )

    def event(self, number: int, raw: bytes = b"v" * 24) -> None:
        """Call libca's callback with an event."""
        libca.EventCallback(self.intake.callback)(event_args(number, raw))

    def test_two_intakes(self) -> None:
        """Each number belongs to one intake; it is invalid once that is closed."""
        other = compiled(InboxLimits())
        Inbox(self.clock, lambda: None, intake=other)
        received: list[Any] = []
        numbers = [
            self.listen(),
            other.listen(
                DBR_TIME_DOUBLE, 1, HEADER, WIDTH, Hearing(received.append), lambda *_: None, None
            ),
        ]
        for number in numbers:
            self.event(number)
        self.intake.work(self.clock.seconds, 1.0)
        self.assertEqual((len(self.received), len(received)), (1, 0))
        other.close()
        self.event(numbers[1])
        other.work(self.clock.seconds, 1.0)
        self.assertEqual(received, [])

    def test_large(self) -> None:
        """A large array is passed on completely."""
        max_count = 100_000
        number = self.intake.listen(
            DBR_TIME_DOUBLE,
            max_count,
            HEADER,
            WIDTH,
            Hearing(self.received.append),
            lambda *_: None,
            None,
        )
        raw = bytes(range(256)) * ((HEADER + max_count * WIDTH) // 256 + 1)
        raw = raw[: HEADER + max_count * WIDTH]
        args = event_args(number, raw, count=max_count)
        libca.EventCallback(self.intake.callback)(args)
        self.intake.work(self.clock.seconds, 1.0)
        self.assertEqual(self.received, [raw])

    def test_nothing_is_kept(self) -> None:
        """Objects of a handler are freed when its subscription ends, and with the intake."""

        class Held:
            def receive(self, _raw: bytes) -> None:
                pass

        kept = []
        for ends in (True, False):
            held = Held()
            kept.append(ref(held))
            number = self.intake.listen(
                DBR_TIME_DOUBLE, 1, HEADER, WIDTH, held, lambda *_: None, None
            )
            self.event(number)
            if ends:
                self.intake.forget(number)
                self.assertIsNotNone(kept[-1]())
                del held
                self.intake.work(self.clock.seconds, 1.0)
        del held
        self.assertEqual([each() is None for each in kept], [True, False])
        self.intake.close()
        self.assertIsNone(kept[-1]())

    def test_cycle_is_collected(self) -> None:
        """An unreferenced intake that was not closed is freed, with everything in it."""

        class Owner:
            def __init__(self) -> None:
                self.intake = compiled(InboxLimits())
                self.intake.attach(self.nothing, lambda _error: None)
                self.intake.listen(DBR_TIME_DOUBLE, 1, 1, 1, self, self.nothing, None)
                self.intake.post(self.nothing, None)

            def nothing(self, *_news: Any) -> None:
                pass

            receive = nothing

        owner = ref(Owner())
        gc.collect()
        self.assertIsNone(owner())

    def test_base_exception(self) -> None:
        """Other exceptions than Exception, such as KeyboardInterrupt, are raised."""

        def interrupt(_news: Any) -> None:
            raise KeyboardInterrupt

        self.inbox.post(interrupt, None)
        self.inbox.post(self.received.append, "after")
        with self.assertRaises(KeyboardInterrupt):
            self.clock.flush_cycle()
        self.intake.work(self.clock.seconds, 1.0)
        self.assertEqual(self.received, ["after"])


class WakeTests(TestCase):
    """The intake with threads and the real reactor."""

    skip = NOT_COMPILED

    @inlineCallbacks
    def test_wake(self) -> Any:
        """Events of threads unknown to Python wake the reactor; none is lost."""
        rounds, threads = 3000, 3
        limits = InboxLimits()
        intake = compiled(limits)
        inbox = Inbox(reactor, lambda: None, limits, intake)
        inbox.open()
        self.addCleanup(inbox.close)
        done: Deferred[None] = Deferred()
        received: dict[int, list[bytes]] = {number: [] for number in range(threads)}

        def handler(thread: int) -> Any:
            def handle(raw: bytes) -> None:
                received[thread].append(raw)
                if sum(map(len, received.values())) == rounds * threads:
                    done.callback(None)

            return handle

        callback = libca.EventCallback(intake.callback)
        expected = [b"%024d" % number for number in range(rounds)]

        def post(number: int) -> None:
            for raw in expected:
                callback(event_args(number, raw))

        posting = [
            Thread(
                target=post,
                args=(
                    intake.listen(
                        DBR_TIME_DOUBLE,
                        1,
                        HEADER,
                        WIDTH,
                        Hearing(handler(thread)),
                        lambda *_: None,
                        None,
                    ),
                ),
            )
            for thread in range(threads)
        ]
        for thread in posting:
            thread.start()
        yield done
        for thread in posting:
            thread.join()
        self.assertEqual(inbox.conflated, 0)
        self.assertEqual(list(received.values()), [expected] * threads)


class LoadTests(SynchronousTestCase):
    """When the compiled part is not used, and the reason."""

    def test_forced(self) -> None:
        """With PYCASERVER_FAST=0, everything is done in Python."""
        set_environment(self, {"PYCASERVER_FAST": "0"})
        fast = _fast.load()
        self.assertEqual(str(fast), "in Python (PYCASERVER_FAST is 0)")
        made = fast.intake(reactor, InboxLimits()), fast.frame_buffer, fast.history
        self.assertEqual(made, (None, None, None))

    def test_other_numbers(self) -> None:
        """It is not used with an orjson that formats numbers differently."""

        def dumps(number: Any, option: int) -> bytes:
            return orjson.dumps(number, option=option).replace(b"e+", b"e")

        other = SimpleNamespace(__version__="9.0", dumps=dumps)
        other.OPT_SERIALIZE_NUMPY = orjson.OPT_SERIALIZE_NUMPY
        self.patch(_fast, "orjson", other)
        self.assertEqual(str(_fast.load()), "in Python (orjson 9.0 formats 1e+16 differently)")

    test_other_numbers.skip = NOT_COMPILED  # type: ignore[attr-defined]

    def test_other_version(self) -> None:
        """One of another version than the package is not used, and the reason says what to do."""
        self.patch(_fast, "INTERFACE", _fast.INTERFACE + 1)
        self.assertIn("install the package again", str(_fast.load()))
