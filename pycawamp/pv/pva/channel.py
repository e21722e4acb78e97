"""A pvAccess channel: its search, its monitor, and its events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import attrs
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.delay import DelayLine
from pycawamp.pv.errors import BadValueError, NotConnectedError
from pycawamp.pv.interfaces import IHandle, ISink
from pycawamp.pv.pva import messages
from pycawamp.pv.pva.circuit import Circuit
from pycawamp.pv.pva.describe import (
    Description,
    bytes_of,
    capacity_for,
    description_of,
    is_same,
    same_metadata,
)
from pycawamp.pv.pva.direct import DirectMonitor
from pycawamp.pv.pva.encode import encode
from pycawamp.pv.pva.environment import Address
from pycawamp.pv.pva.layout import Plan
from pycawamp.pv.pva.messages import DESTROY, INIT, PIPELINE, START, Command
from pycawamp.pv.pva.requests import PendingGet, Puts
from pycawamp.pv.pva.search import Search, Searcher
from pycawamp.pv.pva.types import Structure
from pycawamp.pv.pva.wire import DecodeError, Order, Reader, RequestStatus
from pycawamp.pv.values import LARGE, Metadata, Reading

QUEUE = 8
"""Number of updates that a server may send ahead."""
ACKNOWLEDGED = QUEUE // 2
"""Number of updates after which an acknowledgement is sent."""
STEADY = 5.0
"""Seconds after which a lost connection is made again immediately."""
SILENCE = 1.0
"""Seconds after which a server that may be waiting is asked to continue."""
COMPARED = QUEUE + 4
"""Number of updates after that which are ignored if nothing has changed."""
ACKNOWLEDGED_TO_QSRV_1 = 2
"""The same for servers that number their types, as pvAccessCPP does: QSRV 1 sends two ahead,
whatever it is asked for."""
QUIET = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds until a refused channel or monitor is requested again."""


class IClient(Protocol):
    """The part of the backend that a channel needs."""

    searcher: Searcher
    budget: MemoryBudget
    overruns: int
    watched: DelayLine[tuple[Monitor, tuple[int, int]]]

    def seconds(self) -> float:
        """Return the reactor's time."""

    def circuit(self, address: Address) -> Circuit:
        """Return the connection to a server; connects if necessary."""

    def forget(self, channel: Channel) -> None:
        """Remove a closed channel."""

    def call_later(self, seconds: float, function: Callable[[], None]) -> IDelayedCall:
        """Call a function later."""


@implementer(IHandle)
class Channel:
    """A channel: searched for, opened and monitored until the handle is closed."""

    __slots__ = (
        "_attempts",
        "_backend",
        "_circuit",
        "_connected_at",
        "_gets",
        "_is_closed",
        "_monitor",
        "_number",
        "_puts",
        "_retry",
        "_search",
        "_server_id",
        "_sink",
        "_told",
        "_write_access",
        "name",
    )

    def __init__(self, name: str, sink: ISink, backend: IClient) -> None:
        self.name = name.encode()
        self._sink = sink
        self._backend = backend
        self._circuit: Circuit | None = None
        self._number = 0
        self._server_id: int | None = None
        self._search: Search | None = None
        self._monitor: Monitor | None = None
        self._retry: IDelayedCall | None = None
        self._attempts = 0
        self._connected_at = 0.0
        self._is_closed = False
        self._told: bool | str | None = None
        self._write_access: bool | None = None
        # Most channels are never written, nor read but by their monitor.
        self._puts: Puts | None = None
        self._gets: tuple[PendingGet, ...] = ()

    # The handle

    def open(self, delay: int = 0) -> None:
        """Search for a server; `delay` is the number of delays to skip."""
        # The sink may close it within a call.
        if not self._is_closed:
            self._search = self._backend.searcher.open(self.name, self._found, delay)

    def close(self) -> None:
        """Close the channel; the sink is not called any more."""
        self._backend.forget(self)
        if self._search is not None:
            self._backend.searcher.close(self._search)
            self._search = None
        circuit, server_id = self._circuit, self._server_id
        self.drop()
        if circuit is not None:
            circuit.close_channel(self._number, server_id)

    def drop(self) -> None:
        """Release everything because the gateway stops."""
        self._is_closed = True
        self._cancel_retry()
        self._leave()

    def get(self) -> Deferred[Reading]:
        """Read the current value from the server."""
        if self._circuit is None or self._server_id is None:
            return fail(NotConnectedError("no IOC serves it now"))
        pending = PendingGet(self._circuit, self._server_id)
        self._gets = (*self._gets, pending)
        pending.begin()

        def got(answer: Any) -> Any:
            self._gets = tuple(other for other in self._gets if other is not pending)
            return answer

        return pending.answer.addBoth(got)

    def put(self, value: Any, wait: bool) -> Deferred[None]:
        """Write a value, see `IHandle.put`."""
        monitor = self._monitor
        if self._circuit is None or self._server_id is None or monitor is None:
            return fail(NotConnectedError("no IOC serves it now"))
        if monitor.description is None or monitor.metadata is None:
            return fail(NotConnectedError("the server has not sent the type yet"))
        try:
            write = encode(monitor.description, monitor.metadata, value)
        except BadValueError as error:
            return fail(error)
        if self._puts is None:
            self._puts = Puts(self._circuit, self._server_id)
        return self._puts.complete(write) if wait else self._puts.send(write)

    # What the circuit tells

    def _found(self, address: Address) -> None:
        self._search = None
        self._circuit = self._backend.circuit(address)
        self._number = self._circuit.open_channel(self)

    def created(self, server_id: int) -> None:
        """Subscribe."""
        if self._server_id is not None:
            raise DecodeError("the channel was created twice")
        self._server_id = server_id
        self._subscribe()

    def not_created(self, status: RequestStatus) -> None:
        """Report the reason, and search again later."""
        circuit = self._circuit
        self._leave()
        if circuit is not None:
            circuit.close_channel(self._number, None)
        self.tell(status.text or "the server refused the channel")
        self._try_again(self.open)

    def destroyed(self) -> None:
        """Search again."""
        self.lost()

    def set_access(self, write: bool) -> None:
        """Report whether the server allows this client to write."""
        self._write_access = write
        if self._monitor is not None:
            self._monitor.set_access(write)

    def lost(self) -> None:
        """Report that the channel was lost, and search again."""
        was_steady = self._told is True and self._backend.seconds() - self._connected_at > STEADY
        self._leave()
        self._cancel_retry()
        if self._told is not None:
            self.tell(False)
        # Again and again later, if its server cannot be reached, or each connection soon ends.
        self._attempts = 0 if was_steady else self._attempts + 1
        self.open(self._attempts + 1 if self._attempts > 1 else 0)

    def tell(self, state: bool | str) -> None:
        """Report once to the sink that the channel is connected, lost, or refused."""
        if state == self._told:
            return
        self._told = state
        if isinstance(state, str):
            self._sink.refused(state)
        else:
            self._sink.connection(state)

    def _leave(self) -> None:
        """Release the server and all pending requests."""
        circuit, self._circuit = self._circuit, None
        monitor, self._monitor = self._monitor, None
        self._server_id = None
        self._write_access = None
        if circuit is not None and monitor is not None:
            circuit.forget(monitor.number)
        if monitor is not None:
            monitor.close()
        puts, self._puts = self._puts, None
        if puts is not None:
            puts.lose()
        for pending in self._gets:
            pending.fail(NotConnectedError("the IOC was lost"))

    # The monitor

    def _subscribe(self) -> None:
        assert self._circuit is not None and self._server_id is not None
        self._monitor = Monitor(self, self._circuit, self._server_id, self._sink, self._backend)
        self._monitor.begin(self._write_access)

    def monitor_failed(self, text: str) -> None:
        """Report why the server sends no updates, and subscribe again later."""
        if self._monitor is not None and self._circuit is not None:
            self._circuit.forget(self._monitor.number)
            self._monitor.close()
        self._monitor = None
        self.tell(text)
        self._try_again(self._subscribe)

    def monitor_works(self) -> None:
        """Report that the channel is connected: the first update has arrived."""
        self._connected_at = self._backend.seconds()
        self.tell(True)

    def _try_again(self, function: Any) -> None:
        self._cancel_retry()
        if self._is_closed:
            return
        delay = QUIET[min(self._attempts, len(QUIET) - 1)]
        self._attempts += 1

        def retry() -> None:
            self._retry = None
            function()

        self._retry = self._backend.call_later(delay, retry)

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None


class Monitor:
    """A channel's subscription: takes updates, and tells them in the order that a sink expects.

    The server may send some updates ahead, until it hears that they were handled: a gateway that
    cannot keep up has the server leave updates out, and neither holds more and more of them.
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
        "_is_watched",
        "_reserved",
        "_server_id",
        "_sink",
        "_state",
        "_unacknowledged",
        "_write_access",
        "description",
        "is_told",
        "metadata",
        "number",
    )

    def __init__(
        self, channel: Channel, circuit: Circuit, server_id: int, sink: ISink, backend: IClient
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
        self._compared = 0
        self._acknowledgement = b""
        self._direct: DirectMonitor | None = None
        self._reserved = 0
        self._write_access: bool | None = None
        self.number = circuit.begin(self)
        self.description: Description | None = None
        """How the type is shown; None until the server has told it."""
        self.metadata: Metadata | None = None
        """The last metadata that was passed to the sink."""
        self.is_told = False
        """Whether the sink knows that the channel is connected."""

    def begin(self, write_access: bool | None) -> None:
        """Request the type."""
        self._write_access = write_access
        order = self._circuit.order
        options = messages.options({"queueSize": str(QUEUE), "pipeline": "true"}, order)
        self._send(INIT | PIPELINE, options + order.u32.pack(QUEUE))

    def close(self) -> None:
        """Release reserved memory, and pass on no more updates."""
        if self._direct is not None:
            self._direct.close()
        self._backend.budget.structured -= self._reserved
        self._reserved = 0

    def set_access(self, write: bool) -> None:
        """Report whether the server allows this client to write."""
        self._write_access = write
        if self.metadata is not None:
            self._tell_metadata(self.metadata.capacity)

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
            is_ready = self.is_told and not self._compared
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
            reason = (
                status.text if not status.is_success else "the server has ended the subscription"
            )
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
            self._tell_reading(reading)
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

    def tell_newest(self) -> None:
        """Pass on the last stored update."""
        if self.description is not None:
            self._tell_reading(self.description.reading(self._state))

    def _update(self, description: Description, reader: Reader) -> None:
        layout = description.layout
        bits = reader.bits()
        order = reader.order
        plan = layout.plans(order).get(bits) or layout.plan(bits, order)
        is_value = plan.slots <= description.telling
        if is_value and self._direct is not None:
            self._direct.add(bits, plan)
        elif is_value and plan.is_quick:
            description.add_quick_plan(bits, order, plan)
        tells_all = not self.is_told or not is_value
        is_compared = self.is_told and (tells_all or self._compared > 0)
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
        if tells_all:
            self._tell_all(description, reading, before, plan)
        # QSRV 2 sends the value again when a subscription is started again.
        elif before is None or not is_same(before, reading):
            self._tell_reading(reading)

    def _go_quickly(self) -> None:
        """Take the next updates the quick way; where there is a better one, they take that."""
        if self._direct is None:
            self._circuit.updates[self.number] = self.update

    def acknowledge(self) -> None:
        """Acknowledge a number of updates to the server."""
        # Always the same message: it is made once.
        self._acknowledgements += 1
        self._circuit.send(self._acknowledgement)
        before, self._acknowledged_at = self._acknowledged_at, self._backend.seconds()
        if self._acknowledged_at - before < SILENCE and not self._is_watched:
            self._is_watched = True
            self._backend.watched.put((self, self._mark))

    @property
    def _mark(self) -> tuple[int, int]:
        """Return what changes with every update."""
        direct = self._direct
        return self._acknowledgements, self._unacknowledged + (direct.count if direct else 0)

    def look(self, mark: tuple[int, int]) -> None:
        """Make the server continue if it may be waiting and nothing has arrived.

        A pvxs server that has waited sends a held update only with the next posted value, not when
        it receives the acknowledgement: otherwise the newest value could be held back forever.
        """
        if not self._circuit.is_under_way(self.number):
            return
        if mark != self._mark:
            self._backend.watched.put((self, self._mark))
        else:
            self._is_watched = False
            self._compared = COMPARED
            # The next updates go the slow way.
            self._circuit.updates.pop(self.number, None)
            if self._direct is not None:
                self._direct.disarm()
            self._send(START, b"")

    def _tell_all(
        self, description: Description, reading: Reading, before: Reading | None, plan: Plan
    ) -> None:
        """Pass on an update that is the first (`before` is None) or changes more than the value."""
        size = bytes_of(reading.value)
        capacity = self.metadata.capacity if self.metadata is not None else 0
        self._tell_metadata(max(capacity, capacity_for(size)))
        if before is None:
            self.is_told = True
            self._go_quickly()
            if self._direct is not None:
                self._direct.open()
            self._channel.monitor_works()
            self._tell_reading(reading)
        # QSRV 1 sends the value again with all else that changes.
        elif plan.slots & description.telling and not is_same(before, reading):
            self._tell_reading(reading)

    def _tell_metadata(self, capacity: int) -> None:
        assert self.description is not None
        metadata = self.description.metadata(self._state, self._circuit.name, self._write_access)
        metadata = same_metadata(attrs.evolve(metadata, capacity=capacity))
        if metadata != self.metadata:
            self.metadata = metadata
            self._sink.metadata(metadata)

    def _tell_reading(self, reading: Reading) -> None:
        if self.description is not None and self.description.may_be_large:
            size = bytes_of(reading.value)
            if size > LARGE and not self._make_room(size):
                return
        if self._direct is not None:
            # What it would tell is older.
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
            self._tell_metadata(capacity)
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
