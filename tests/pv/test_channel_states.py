"""Random fates of a record, and what a channel makes of libca's news of it (Hypothesis)."""

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
    """Believes what it is told, if it can be believed."""

    clock: SteppingReactor
    described: Metadata | None = None
    connected: bool = False
    newest: int = 0
    has_value: bool = False
    """Since the connection."""
    refusal: str | None = None
    mistakes: list[str] = attrs.Factory(list)
    """What could not be believed: an exception would only be logged."""

    def expect(self, condition: object, what: str) -> None:
        """Note a mistake."""
        if not condition:
            self.mistakes.append(what)

    def metadata(self, metadata: Metadata) -> None:
        """Believe it."""
        self.described = metadata

    def overloaded(self) -> None:
        """Not believe it: there is memory."""
        self.expect(False, "overloaded")

    def connection(self, connected: bool) -> None:
        """Believe it."""
        described = self.described
        may_be = described is not None and described.read_access and not self.connected
        self.expect(may_be or not connected, f"connected, {described}")
        self.connected, self.has_value, self.refusal = connected, False, None

    def refused(self, reason: str) -> None:
        """Believe it."""
        self.expect(self.described, f"refused before it was described: {reason}")
        self.connected, self.has_value, self.refusal = False, False, reason

    def reading(self, reading: Reading) -> None:
        """Believe it, after a while."""
        value = int(cast(float, reading.value))
        self.expect(self.connected, f"{value} while there is no connection")
        self.expect(value >= self.newest, f"{value} after {self.newest}")
        described = self.described
        has_units = described is not None and (described.units or described.type is TYPES[-1])
        self.expect(has_units, f"{value} without units")
        self.newest, self.has_value = value, True
        self.clock.pass_time(SLICE / 3)


class ChannelMachine(RuleBasedStateMachine):
    """One record, as an IOC serves it, and a channel behind an inbox that overflows soon."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = SteppingReactor()
        limits = InboxLimits(events=2, slice=SLICE)
        self.inbox = Inbox(self.clock, lambda: None, limits)
        self.sink = Sink(self.clock)
        # Never started: nothing is asked of libca.
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
        """What a connection tells."""
        return Metadata(
            self.type, 1, "ioc:5064", read_access=self.readable, write_access=self.writable
        )

    @rule(field_type=st.sampled_from(TYPES), stays=st.booleans())
    @precondition(lambda self: not self.is_up)
    def start(self, field_type: FieldType, stays: bool) -> None:
        """The IOC starts, with a record of another type perhaps."""
        self.is_up = True
        self.value += 1
        before, type_before = self.monitors, self.type
        if not self.monitors or (field_type is not self.type and not stays):
            self.type = field_type
            has_control = field_type is not FieldType.STRING
            control = (ControlMonitor(self.channel, 2, self.native),) if has_control else ()
            self.monitors = (*control, ValueMonitor(self.channel, 3, self.native))
        self.inbox.post(self.channel.connect, (self.native, self.monitors))
        self.tell_access()
        if before and before is not self.monitors:
            # libca renews the subscriptions of the old type, until they are replaced.
            self.post_value(before, type_before, 0)

    @rule()
    @precondition(lambda self: self.is_up)
    def die(self) -> None:
        """The IOC dies."""
        self.is_up = False
        self.inbox.post(self.channel.lose, None)

    @rule()
    def update(self) -> None:
        """The record is processed."""
        self.value += 1
        if self.is_up and self.readable:
            self.tell_value()

    @rule(refusal=st.sampled_from([None, *REFUSALS]))
    def refuse(self, refusal: libca.Refusal | None) -> None:
        """The IOC refuses to send the value, or does not any more."""
        self.refusal = refusal
        self.update()

    @rule()
    def rename_units(self) -> None:
        """Somebody writes the record's EGU."""
        self.units += 1
        if self.is_up and self.readable:
            self.tell_units()

    @rule(readable=st.booleans(), writable=st.booleans(), refused_first=st.booleans())
    def change_access(self, readable: bool, writable: bool, refused_first: bool) -> None:
        """The access rights change; an IOC tells it by rights and events, in either order."""
        self.readable, self.writable = readable, writable
        if self.is_up:
            self.tell_access(refused_first)

    def tell_access(self, refused_first: bool = False) -> None:
        """Tell the rights; with a right to read, the server tells everything anew."""
        if not self.readable and refused_first:
            self.refuse_events()
        self.inbox.post(self.channel.set_access, (self.readable, self.writable))
        if self.readable:
            self.tell_units()
            self.tell_value()
        elif not refused_first:
            self.refuse_events()

    def refuse_events(self) -> None:
        """Send the events that tell of no read access."""
        for monitor in self.monitors:
            self.inbox.post_update(monitor.failed, NO_ACCESS)

    def tell_value(self) -> None:
        """Send an event of the value."""
        if self.refusal is None:
            self.post_value(self.monitors, self.type, self.value)
        else:
            self.inbox.post_update(self.monitors[-1].failed, self.refusal)

    def post_value(self, monitors: tuple[Monitor, ...], field_type: FieldType, value: int) -> None:
        """Have an event come to the subscription to the value."""
        element = str(value).encode() if field_type is FieldType.STRING else value
        self.inbox.post_update(monitors[-1].receive, time_bytes(field_type, element))

    def tell_units(self) -> None:
        """Send an event of the properties, where there are any."""
        if self.type is FieldType.STRING:
            return
        head, limits = (b"\0" * 4, "d") if self.type is FieldType.DOUBLE else (b"", "i")
        raw = control_bytes(head, b"u%d" % self.units, limits)
        self.inbox.post_update(self.monitors[0].receive, raw)

    @rule()
    def work(self) -> None:
        """The reactor does a slice of what waits."""
        due = [call for call in self.clock.getDelayedCalls() if call.active()]
        if due:
            self.clock.advance(max(0.0, due[0].getTime() - self.clock.seconds()))

    @rule()
    def settle(self) -> None:
        """The reactor does all that waits; the sink knows what is."""
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
        """The sink was told nothing that cannot be believed."""
        assert not self.sink.mistakes, self.sink.mistakes

    def teardown(self) -> None:
        """All settles."""
        self.settle()


class ChannelStateTests(SynchronousTestCase):
    """ChannelMachine."""

    def test_states(self) -> None:
        """A sink hears of metadata, connection and values in this order, of no value while there
        is no connection, of none older than another, none without units; and in the end of what is.
        """
        steps = settings(max_examples=examples(150), stateful_step_count=40, deadline=None)
        run_state_machine_as_test(ChannelMachine, settings=steps)
