"""The subscription of a channel."""

from __future__ import annotations

from typing import Any, Protocol

import attrs

from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.interfaces import ISink
from pycawamp.pv.pva import messages
from pycawamp.pv.pva.circuit import Circuit
from pycawamp.pv.pva.description import (
    Description,
    bytes_of,
    capacity_for,
    description_of,
    same_metadata,
)
from pycawamp.pv.pva.direct import DirectMonitor
from pycawamp.pv.pva.layout import Plan
from pycawamp.pv.pva.messages import DESTROY, INIT, PIPELINE, Command
from pycawamp.pv.pva.pipeline import QUEUE, IPipelineOwner, Pipeline
from pycawamp.pv.pva.types import Structure
from pycawamp.pv.pva.wire import DecodeError, Order, Reader
from pycawamp.pv.values import LARGE, Metadata, Reading, is_same


class IMonitored(Protocol):
    """The channel of a monitor."""

    def monitor_failed(self, text: str) -> None:
        """Handle that the server sends no updates, with the reason."""

    def monitor_works(self) -> None:
        """Handle that the first update has arrived."""


class IMonitorOwner(IPipelineOwner, Protocol):
    """The part of the backend that a monitor needs."""

    budget: MemoryBudget
    overruns: int


class Monitor:
    """A channel's subscription: passes updates on in the order that a sink expects.

    The server may send some updates before they are acknowledged: if the gateway cannot keep up,
    the server leaves updates out, and neither of them stores an increasing number.
    """

    __slots__ = (
        "_backend",
        "_channel",
        "_circuit",
        "_direct",
        "_pipeline",
        "_reserved",
        "_server_id",
        "_sink",
        "_state",
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
        self._direct: DirectMonitor | None = None
        self._reserved = 0
        self._write_access: bool | None = None
        self.number = circuit.begin(self)
        self._pipeline = Pipeline(circuit, server_id, self.number, backend)
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
        rest = bytes((INIT | PIPELINE,)) + options + order.u32.pack(QUEUE)
        self._circuit.request(Command.MONITOR, self._server_id, self.number, rest)

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
        direct, pipeline = self._direct, self._pipeline
        if direct is None:
            self._take(subcommand, reader)
            return
        pipeline.unacknowledged += direct.take(self._state)
        try:
            self._take(subcommand, reader)
        finally:
            is_ready = self.is_reported and not pipeline.compared
            direct.release(pipeline.unacknowledged, self._state if is_ready else None)
            pipeline.unacknowledged = 0

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
        pipeline = self._pipeline
        pipeline.open()
        if self._circuit.direct is not None and self.description.value_code:
            self._direct = pipeline.direct = DirectMonitor(
                self._circuit.direct, self.number, self.description, pipeline.most, self._sink
            )
        pipeline.start()

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
        # The last byte is the empty overrun bit set: no updates were left out.
        if plan is None or buffer[end - 1] or not plan.quick(buffer, start, end, self._state):
            return False
        self._pipeline.arrived()
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
        is_compared = self.is_reported and (reports_all or self._pipeline.compared > 0)
        before = description.reading(self._state) if is_compared else None
        plan.apply(reader, self._state, self._circuit.types)
        if reader.left and any(reader.bits()):
            self._backend.overruns += 1
        self._pipeline.arrived()
        reading = description.reading(self._state)
        if self._pipeline.compared:
            self._pipeline.compared -= 1
            if not self._pipeline.compared:
                self._enable_quick_updates()
        if reports_all:
            self._report_all(description, reading, before, plan)
        # QSRV 2 sends the value again when a subscription is restarted.
        elif before is None or not is_same(before, reading):
            self._report_reading(reading)

    def _enable_quick_updates(self) -> None:
        """Handle the next updates by `update`, unless the compiled part handles them."""
        if self._direct is None:
            self._circuit.backlog.updates[self.number] = self.update

    def acknowledge(self) -> None:
        """Acknowledge a number of updates to the server."""
        self._pipeline.acknowledge()

    def _report_all(
        self, description: Description, reading: Reading, before: Reading | None, plan: Plan
    ) -> None:
        """Pass on an update that is the first (`before` is None) or changes more than the value."""
        size = bytes_of(reading.value)
        capacity = self.metadata.capacity if self.metadata is not None else 0
        self._report_metadata(max(capacity, capacity_for(size)))
        if before is None:
            self.is_reported = True
            self._enable_quick_updates()
            if self._direct is not None:
                self._direct.open()
            self._channel.monitor_works()
            self._report_reading(reading)
        # QSRV 1 sends the value again with every other change.
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
