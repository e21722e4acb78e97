"""Random events of a record, and the calls of a channel's sink (Hypothesis)."""

from __future__ import annotations

from typing import cast

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from pycawamp.pv.ca import libca
from pycawamp.pv.ca.backend import CABackend
from pycawamp.pv.ca.channel import Channel
from pycawamp.pv.ca.monitors import ControlMonitor, Monitor, ValueMonitor
from pycawamp.pv.event_queue import InboxLimits
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.interfaces import ISink
from pycawamp.pv.values import FieldType, Metadata, Reading
from tests.support.dbr_bytes import control_bytes, time_bytes
from tests.support.examples import examples
from tests.support.memory_gateway import SteppingReactor

SLICE = 0.010
TYPES = (FieldType.DOUBLE, FieldType.LONG, FieldType.STRING)
"""Of the last there is no DBR_CTRL."""
NO_ACCESS = libca.Refusal(libca.ECA_NORDACCESS, "Read access denied")
REFUSALS = (libca.Refusal(152, "Channel read request failed"), NO_ACCESS)


@implementer(ISink)
@attrs.define
class Sink:
    """A sink that checks that what it gets is consistent."""

    clock: SteppingReactor
    described: Metadata | None = None
    connected: bool = False
    newest: int = 0
    has_value: bool = False
    """Since the connection."""
    refusal: str | None = None
    mistakes: list[str] = attrs.Factory(list)
    """Inconsistencies: an exception would only be logged."""

    def expect(self, condition: object, what: str) -> None:
        """Record an inconsistency."""
        if not condition:
            self.mistakes.append(what)

    def metadata(self, metadata: Metadata) -> None:
        """Check a connection."""
        self.described = metadata

    def overloaded(self) -> None:
        """Record an inconsistency: there is memory."""
        self.expect(False, "overloaded")

    def connection(self, connected: bool) -> None:
        """Check a refusal."""
        described = self.described
        may_be = described is not None and described.read_access and not self.connected
        self.expect(may_be or not connected, f"connected, {described}")
        self.connected, self.has_value, self.refusal = connected, False, None

    def refused(self, reason: str) -> None:
        """Check metadata."""
        self.expect(self.described, f"refused before it was described: {reason}")
        self.connected, self.has_value, self.refusal = False, False, reason

    def reading(self, reading: Reading) -> None:
        """Check an update, which takes some time."""
        value = int(cast(float, reading.value))
        self.expect(self.connected, f"{value} while there is no connection")
        self.expect(value >= self.newest, f"{value} after {self.newest}")
        described = self.described
        has_units = described is not None and (described.units or described.type is TYPES[-1])
        self.expect(has_units, f"{value} without units")
        self.newest, self.has_value = value, True
        self.clock.pass_time(SLICE / 3)


class ChannelMachine(RuleBasedStateMachine):
    """One record of an IOC, and a channel behind an inbox with a low limit."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = SteppingReactor()
        limits = InboxLimits(events=2, slice=SLICE)
        self.inbox = Inbox(self.clock, lambda: None, limits)
        self.sink = Sink(self.clock)
        # Never started, so libca is not called.
        backend = CABackend(self.clock, self.inbox)
        self.channel = Channel("X", 1, self.sink, backend)
        self.refusal: libca.Refusal | None = None
        self.type = FieldType.DOUBLE
        self.monitors: tuple[Monitor, ...] = ()
        self.is_up = False
        self.readable = True
        self.writable = True
        self.value = 100
        self.units = 0

    @property
    def native(self) -> Metadata:
        """Return the state of a connection."""
        return Metadata(
            self.type, 1, "ioc:5064", read_access=self.readable, write_access=self.writable
        )

    @rule(field_type=st.sampled_from(TYPES), stays=st.booleans())
    @precondition(lambda self: not self.is_up)
    def start(self, field_type: FieldType, stays: bool) -> None:
        """Start the IOC, possibly with a record of another type."""
        self.is_up = True
        self.value += 1
        before, type_before = self.monitors, self.type
        if not self.monitors or (field_type is not self.type and not stays):
            self.type = field_type
            has_control = field_type is not FieldType.STRING
            control = (ControlMonitor(self.channel, 2, self.native),) if has_control else ()
            self.monitors = (*control, ValueMonitor(self.channel, 3, self.native))
        self.inbox.post(self.channel.connect, (self.native, self.monitors))
        self.send_access()
        if before and before is not self.monitors:
            # libca renews the subscriptions of the old type, until they are replaced.
            self.post_value(before, type_before, 0)

    @rule()
    @precondition(lambda self: self.is_up)
    def die(self) -> None:
        """Kill the IOC."""
        self.is_up = False
        self.inbox.post(self.channel.lose, None)

    @rule()
    def update(self) -> None:
        """Process the record."""
        self.value += 1
        if self.is_up and self.readable:
            self.send_value()

    @rule(refusal=st.sampled_from([None, *REFUSALS]))
    def refuse(self, refusal: libca.Refusal | None) -> None:
        """The IOC refuses to send the value, or stops refusing."""
        self.refusal = refusal
        self.update()

    @rule()
    def rename_units(self) -> None:
        """Change the record's EGU."""
        self.units += 1
        if self.is_up and self.readable:
            self.send_units()

    @rule(readable=st.booleans(), writable=st.booleans(), refused_first=st.booleans())
    def change_access(self, readable: bool, writable: bool, refused_first: bool) -> None:
        """Change the access rights; an IOC sends the rights and events in either order."""
        self.readable, self.writable = readable, writable
        if self.is_up:
            self.send_access(refused_first)

    def send_access(self, refused_first: bool = False) -> None:
        """Send the rights; with read access, the server sends everything again."""
        if not self.readable and refused_first:
            self.refuse_events()
        self.inbox.post(self.channel.set_access, (self.readable, self.writable))
        if self.readable:
            self.send_units()
            self.send_value()
        elif not refused_first:
            self.refuse_events()

    def refuse_events(self) -> None:
        """Send the events for lost read access."""
        for monitor in self.monitors:
            self.inbox.post_update(monitor.failed, NO_ACCESS)

    def send_value(self) -> None:
        """Send an event of the value."""
        if self.refusal is None:
            self.post_value(self.monitors, self.type, self.value)
        else:
            self.inbox.post_update(self.monitors[-1].failed, self.refusal)

    def post_value(self, monitors: tuple[Monitor, ...], field_type: FieldType, value: int) -> None:
        """Send an event to the subscription to the value."""
        element = str(value).encode() if field_type is FieldType.STRING else value
        self.inbox.post_update(monitors[-1].receive, time_bytes(field_type, element))

    def send_units(self) -> None:
        """Send an event of the properties, if there are any."""
        if self.type is FieldType.STRING:
            return
        head, limits = (b"\0" * 4, "d") if self.type is FieldType.DOUBLE else (b"", "i")
        raw = control_bytes(head, b"u%d" % self.units, limits)
        self.inbox.post_update(self.monitors[0].receive, raw)

    @rule()
    def work(self) -> None:
        """Run a slice of the reactor's work."""
        due = [call for call in self.clock.getDelayedCalls() if call.active()]
        if due:
            self.clock.advance(max(0.0, due[0].getTime() - self.clock.seconds()))

    @rule()
    def settle(self) -> None:
        """Do all of the reactor's work; the sink has the current state."""
        while self.clock.getDelayedCalls():
            self.work()
        readable = self.is_up and self.readable and self.refusal is None
        assert self.sink.connected == readable
        if self.is_up:
            described = self.sink.described
            assert described is not None
            assert (described.type, described.read_access) == (self.type, self.readable)
            assert described.write_access == self.writable
            if self.readable:
                assert self.sink.refusal == (self.refusal and self.refusal.reason)
        if readable:
            assert self.sink.has_value
            assert self.sink.newest == self.value
            units = "" if self.type is FieldType.STRING else f"u{self.units}"
            assert self.sink.described is not None
            assert self.sink.described.units == units

    @invariant()
    def no_mistakes(self) -> None:
        """The sink got nothing inconsistent."""
        assert not self.sink.mistakes, self.sink.mistakes

    def teardown(self) -> None:
        """Everything is handled."""
        self.settle()


class ChannelStateTests(SynchronousTestCase):
    """ChannelMachine."""

    def test_states(self) -> None:
        """A sink gets metadata, connection and values in order, and the last state at the end."""
        steps = settings(max_examples=examples(150), stateful_step_count=40, deadline=None)
        run_state_machine_as_test(ChannelMachine, settings=steps)
