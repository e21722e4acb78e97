"""The subscription of a channel."""

from __future__ import annotations

from typing import Any, Protocol

import attrs

from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.delay import DelayLine
from pycawamp.pv.interfaces import ISink
from pycawamp.pv.pva import messages
from pycawamp.pv.pva.circuit import Circuit
from pycawamp.pv.pva.describe import (
    Description,
    bytes_of,
    capacity_for,
    description_of,
    same_metadata,
)
from pycawamp.pv.pva.direct import DirectMonitor
from pycawamp.pv.pva.layout import Plan
from pycawamp.pv.pva.messages import DESTROY, INIT, PIPELINE, START, Command
from pycawamp.pv.pva.types import Structure
from pycawamp.pv.pva.wire import DecodeError, Order, Reader
from pycawamp.pv.values import LARGE, Metadata, Reading, is_same

QUEUE = 8
"""Number of updates that a server may send ahead."""
ACKNOWLEDGED = QUEUE // 2
"""Number of updates after which an acknowledgement is sent."""
SILENCE = 1.0
"""Seconds after which a server that may be waiting is asked to continue."""
BURST = 0.1
"""Seconds between two acknowledgements of a burst: less than most PVs take for as many updates."""
SILENCE_AFTER_BURST = 0.25
"""The same after a burst, when it is likely that the server is waiting."""
COMPARED = QUEUE + 4
"""Number of updates after that which are ignored if nothing has changed."""
FEWEST = QUEUE - ACKNOWLEDGED + 1
"""Number of updates after which a server may wait again: up to three earlier ones may not have been
acknowledged."""
ACKNOWLEDGED_TO_QSRV_1 = 2
"""The same for servers that number their types, as pvAccessCPP does: QSRV 1 sends two ahead,
whatever it is asked for."""


class IMonitored(Protocol):
    """The channel of a monitor."""

    def monitor_failed(self, text: str) -> None:
        """Handle that the server sends no updates, with the reason."""

    def monitor_works(self) -> None:
        """Handle that the first update has arrived."""


class IMonitorOwner(Protocol):
    """The part of the backend that a monitor needs."""

    budget: MemoryBudget
    overruns: int
    watched: DelayLine[tuple[Monitor, tuple[int, int]]]
    bursts: DelayLine[tuple[Monitor, tuple[int, int]]]

    def seconds(self) -> float:
        """Return the reactor's time."""


class Monitor:
    """A channel's subscription: passes updates on in the order that a sink expects.

    The server may send some updates before they are acknowledged: if the gateway cannot keep up,
    the server leaves updates out, and neither of them stores an increasing number.
    """

    __slots__ = (
        "_acknowledged",
        "_acknowledged_at",
        "_acknowledgement",
        "_acknowledgements",
        "_backend",
        "_channel",
        "_circuit",
        "_compared",
        "_direct",
        "_is_burst",
        "_is_watched",
        "_reserved",
        "_server_id",
        "_sink",
        "_state",
        "_unacknowledged",
        "_write_access",
        "description",
        "is_reported",
        "metadata",
        "number",
    )

    def __init__(
        self,
        channel: IMonitored,
        circuit: Circuit,
        server_id: int,
        sink: ISink,
        backend: IMonitorOwner,
    ) -> None:
        self._channel = channel
        self._circuit = circuit
        self._server_id = server_id
        self._sink = sink
        self._backend = backend
        self._state: list[Any] = []
        self._unacknowledged = 0
        self._acknowledged = ACKNOWLEDGED
        self._acknowledgements = 0
        self._acknowledged_at = 0.0
        self._is_watched = False
        self._is_burst = False
        self._compared = 0
        self._acknowledgement = b""
        self._direct: DirectMonitor | None = None
        self._reserved = 0
        self._write_access: bool | None = None
        self.number = circuit.begin(self)
        self.description: Description | None = None
        """How the type is shown; None until the server has sent it."""
        self.metadata: Metadata | None = None
        """The last metadata that was passed to the sink."""
        self.is_reported = False
        """Whether the channel was reported as connected."""

    def begin(self, write_access: bool | None) -> None:
        """Request the type."""
        self._write_access = write_access
        order = self._circuit.order
        options = messages.options({"queueSize": str(QUEUE), "pipeline": "true"}, order)
        self._send(INIT | PIPELINE, options + order.u32.pack(QUEUE))

    def close(self) -> None:
        """Release reserved memory, and stop passing on updates."""
        if self._direct is not None:
            self._direct.close()
        self._backend.budget.structured -= self._reserved
        self._reserved = 0

    def set_access(self, write: bool) -> None:
        """Report whether the server allows this client to write."""
        self._write_access = write
        if self.metadata is not None:
            self._report_metadata(self.metadata.capacity)

    def received(self, subcommand: int, reader: Reader) -> None:
        """Handle a message."""
        direct = self._direct
        if direct is None:
            self._take(subcommand, reader)
            return
        self._unacknowledged += direct.take(self._state)
        try:
            self._take(subcommand, reader)
        finally:
            is_ready = self.is_reported and not self._compared
            direct.release(self._unacknowledged, self._state if is_ready else None)
            self._unacknowledged = 0

    def _take(self, subcommand: int, reader: Reader) -> None:
        if subcommand & INIT:
            self._begun(reader)
            return
        status = reader.status() if subcommand & DESTROY else None
        if self.description is not None and (status is None or reader.left):
            self._update(self.description, reader)
        if status is not None:
            reason = "" if status.is_success else status.text
            self._channel.monitor_failed(reason or "the server has ended the subscription")

    def _begun(self, reader: Reader) -> None:
        status = reader.status()
        if not status.is_success:
            self._channel.monitor_failed(status.text or "the server refused the subscription")
            return
        if self.description is not None:
            raise DecodeError("the subscription was created twice")
        structure = self._circuit.types.rest(reader)
        if not isinstance(structure, Structure):
            raise DecodeError("the channel is not a structure")
        self.description = description_of(structure)
        self._state = self.description.layout.state()
        if self._circuit.types.has_numbers:
            self._acknowledged = ACKNOWLEDGED_TO_QSRV_1
        order = self._circuit.order
        rest = bytes((PIPELINE,)) + order.u32.pack(self._acknowledged)
        self._acknowledgement = messages.operation(
            Command.MONITOR, self._server_id, self.number, rest, order
        )
        if self._circuit.direct is not None and self.description.value_code:
            self._direct = DirectMonitor(
                self._circuit.direct, self.number, self.description, self._acknowledged, self._sink
            )
        self._send(START, b"")

    def update(self, order: Order, buffer: bytes, position: int, end: int) -> bool:
        """Handle an update of the value, the most common kind; return False if it is another."""
        if not self.absorb(order, buffer, position, end):
            return False
        description = self.description
        assert description is not None
        reading = description.reading(self._state)
        if description.may_be_large:
            self._report_reading(reading)
        else:
            self._sink.reading(reading)
        return True

    def absorb(self, order: Order, buffer: bytes, position: int, end: int) -> bool:
        """Store an update of the value without passing it on; return False if it is another."""
        description = self.description
        assert description is not None
        start = position + 1 + buffer[position]
        plan = description.quick_plans(order).get(buffer[position:start])
        # The last byte: that no updates were left out.
        if plan is None or buffer[end - 1] or not plan.quick(buffer, start, end, self._state):
            return False
        self._unacknowledged += 1
        if self._unacknowledged >= self._acknowledged:
            self._unacknowledged = 0
            self.acknowledge()
        return True

    def report_newest(self) -> None:
        """Pass on the last stored update."""
        if self.description is not None:
            self._report_reading(self.description.reading(self._state))

    def _update(self, description: Description, reader: Reader) -> None:
        layout = description.layout
        bits = reader.bits()
        order = reader.order
        plan = layout.plans(order).get(bits) or layout.plan(bits, order)
        is_value = plan.slots <= description.reading_slots
        if is_value and self._direct is not None:
            self._direct.add(bits, plan)
        elif is_value and plan.is_quick:
            description.add_quick_plan(bits, order, plan)
        reports_all = not self.is_reported or not is_value
        is_compared = self.is_reported and (reports_all or self._compared > 0)
        before = description.reading(self._state) if is_compared else None
        plan.apply(reader, self._state, self._circuit.types)
        if reader.left and any(reader.bits()):
            self._backend.overruns += 1
        self._unacknowledged += 1
        if self._unacknowledged >= self._acknowledged:
            self._unacknowledged = 0
            self.acknowledge()
        reading = description.reading(self._state)
        if self._compared:
            self._compared -= 1
            if not self._compared:
                self._go_quickly()
        if reports_all:
            self._report_all(description, reading, before, plan)
        # QSRV 2 sends the value again when a subscription is started again.
        elif before is None or not is_same(before, reading):
            self._report_reading(reading)

    def _go_quickly(self) -> None:
        """Handle the next updates by `update`, unless the compiled part handles them."""
        if self._direct is None:
            self._circuit.backlog.updates[self.number] = self.update

    def acknowledge(self) -> None:
        """Acknowledge a number of updates to the server."""
        # Always the same message: it is made once.
        self._acknowledgements += 1
        self._circuit.send(self._acknowledgement)
        before, self._acknowledged_at = self._acknowledged_at, self._backend.seconds()
        is_quick = self._acknowledged_at - before < SILENCE
        # Of a busy gateway acknowledgements are as rare as those of a quiet PV.
        if (is_quick or self._circuit.backlog.behind_at >= before) and not self._is_watched:
            self._is_watched = True
            self._backend.watched.put((self, self._mark))
        if self._acknowledged_at - before < BURST and not self._is_burst:
            self._is_burst = True
            self._backend.bursts.put((self, self._mark))

    @property
    def _mark(self) -> tuple[int, int]:
        """Return what changes with every update."""
        direct = self._direct
        return self._acknowledgements, self._unacknowledged + (direct.count if direct else 0)

    def look(self, mark: tuple[int, int]) -> None:
        """Make the server continue if it may be waiting and nothing has arrived since a mark."""
        if not self._circuit.is_under_way(self.number):
            return
        if mark != self._mark:
            self._backend.watched.put((self, self._mark))
        else:
            self._is_watched = False
            self._restart()

    def look_after_burst(self, mark: tuple[int, int]) -> None:
        """Do the same sooner."""
        self._is_burst = False
        if not self._circuit.is_under_way(self.number):
            return
        if mark == self._mark:
            self._restart()
        elif mark[0] != self._acknowledgements:
            self._is_burst = True
            self._backend.bursts.put((self, self._mark))

    def _restart(self) -> None:
        """Start the subscription again.

        A pvxs server that has waited sends a held update only with the next posted value, not when
        it receives the acknowledgement: otherwise the newest value could be held back forever.
        """
        if self._compared > COMPARED - FEWEST:
            # Since the last time the server has sent too few updates to have to wait.
            return
        self._compared = COMPARED
        # The next updates are handled by `received`.
        self._circuit.backlog.updates.pop(self.number, None)
        if self._direct is not None:
            self._direct.disarm()
        self._send(START, b"")

    def _report_all(
        self, description: Description, reading: Reading, before: Reading | None, plan: Plan
    ) -> None:
        """Pass on an update that is the first (`before` is None) or changes more than the value."""
        size = bytes_of(reading.value)
        capacity = self.metadata.capacity if self.metadata is not None else 0
        self._report_metadata(max(capacity, capacity_for(size)))
        if before is None:
            self.is_reported = True
            self._go_quickly()
            if self._direct is not None:
                self._direct.open()
            self._channel.monitor_works()
            self._report_reading(reading)
        # QSRV 1 sends the value again with all else that changes.
        elif plan.slots & description.reading_slots and not is_same(before, reading):
            self._report_reading(reading)

    def _report_metadata(self, capacity: int) -> None:
        assert self.description is not None
        metadata = self.description.metadata(self._state, self._circuit.name, self._write_access)
        metadata = same_metadata(attrs.evolve(metadata, capacity=capacity))
        if metadata != self.metadata:
            self.metadata = metadata
            self._sink.metadata(metadata)

    def _report_reading(self, reading: Reading) -> None:
        if self.description is not None and self.description.may_be_large:
            size = bytes_of(reading.value)
            if size > LARGE and not self._make_room(size):
                return
        if self._direct is not None:
            # The newest reading of the route is older.
            self._direct.route.forget_newest()
        self._sink.reading(reading)

    def _make_room(self, size: int) -> bool:
        """Reserve memory for a large value; end the subscription if there is none."""
        capacity = capacity_for(size)
        if capacity <= self._reserved:
            return True
        budget = self._backend.budget
        assert self.metadata is not None
        if capacity > self.metadata.capacity:
            self._report_metadata(capacity)
        if not budget.has_room_for_values(capacity - self._reserved):
            self._circuit.forget(self.number)
            self._circuit.send(
                messages.destroy_request(self._server_id, self.number, self._circuit.order)
            )
            self._sink.overloaded()
            return False
        budget.structured += capacity - self._reserved
        self._reserved = capacity
        return True

    def _send(self, subcommand: int, rest: bytes) -> None:
        rest = bytes((subcommand,)) + rest
        self._circuit.request(Command.MONITOR, self._server_id, self.number, rest)
