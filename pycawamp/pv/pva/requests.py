"""Pending gets and puts of a channel."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from pycawamp.pv.errors import (
    AccessError,
    PutFailedError,
    PVError,
    RefusedError,
)
from pycawamp.pv.put_queue import PutQueue
from pycawamp.pv.pva import messages
from pycawamp.pv.pva.circuit import Circuit
from pycawamp.pv.pva.description import description_of
from pycawamp.pv.pva.encode import Write, encoded
from pycawamp.pv.pva.messages import DESTROY, INIT, Command
from pycawamp.pv.pva.types import Structure
from pycawamp.pv.pva.wire import DecodeError, Reader, RequestStatus
from pycawamp.pv.values import Reading

LOST = PutFailedError("the IOC was lost before the record had finished")
NOT_WRITTEN = PutFailedError("the IOC was lost; nothing was written")


def _structure(circuit: Circuit, reader: Reader) -> Structure:
    structure = circuit.types.rest(reader)
    if not isinstance(structure, Structure):
        raise DecodeError("the channel is not a structure")
    return structure


class PendingGet:
    """A GET: requests the type, then the value."""

    def __init__(self, circuit: Circuit, server_id: int) -> None:
        self.answer: Deferred[Reading] = Deferred(lambda _: self._end())
        self._circuit = circuit
        self._server_id = server_id
        self._number = circuit.begin(self)
        self._structure: Structure | None = None

    def begin(self) -> None:
        """Request the type."""
        self._send(INIT, messages.options({}, self._circuit.order))

    def received(self, subcommand: int, reader: Reader) -> None:
        """Handle the type, or the value."""
        status = reader.status()
        if not status.is_success:
            self.fail(RefusedError(f"the IOC does not send the value: {status.text}"))
        elif subcommand & INIT:
            self._structure = _structure(self._circuit, reader)
            self._send(DESTROY, b"")
        elif self._structure is not None:
            description = description_of(self._structure)
            state = description.layout.state()
            plan = description.layout.plan(reader.bits(), reader.order)
            plan.apply(reader, state, self._circuit.types)
            self._end()
            if not self.answer.called:
                self.answer.callback(description.reading(state))

    def fail(self, error: PVError) -> None:
        """Fail with an error, unless it has finished."""
        self._end()
        if not self.answer.called:
            self.answer.errback(Failure(error))

    def _end(self) -> None:
        self._circuit.forget(self._number)

    def _send(self, subcommand: int, rest: bytes) -> None:
        rest = bytes((subcommand,)) + rest
        self._circuit.request(Command.GET, self._server_id, self._number, rest)


class PendingPut:
    """A PUT: requests the type, then writes."""

    def __init__(self, write: Write, puts: Puts) -> None:
        self.write = write
        self.answer: Deferred[None] = Deferred(lambda _: puts.abandon(self))
        self._puts = puts
        self._number: int | None = None

    def begin(self, waits: bool) -> None:
        """Request the type.

        Args:
            waits: Whether the server replies when the record has finished.
        """
        circuit = self._puts.circuit
        self._number = circuit.begin(self)
        options = {"block": "true"} if waits else {}
        self._send(INIT, messages.options(options, circuit.order))

    def received(self, subcommand: int, reader: Reader) -> None:
        """Handle the type, or the outcome of the write."""
        status = reader.status()
        if not subcommand & INIT or not status.is_success:
            self._end()
            self._puts.finished(self, status)
            return
        circuit = self._puts.circuit
        values = encoded(self.write, _structure(circuit, reader), circuit.order)
        if values is None:
            self._end()
            self._puts.finished(self, RequestStatus(2, "its type has changed"))
        else:
            self._send(DESTROY, values)

    def done(self, status: RequestStatus) -> None:
        """Handle the outcome of the write."""
        if self.answer.called:
            return
        if status.is_success:
            self.answer.callback(None)
        elif "not permitted" in status.text.lower():
            self.answer.errback(Failure(AccessError(f"the IOC refuses the write: {status.text}")))
        else:
            text = status.text or "the server gave no reason"
            self.answer.errback(Failure(PutFailedError(f"the write failed: {text}")))

    def fail(self, error: PVError) -> None:
        """Fail with an error, unless it has finished."""
        self._end()
        if not self.answer.called:
            self.answer.errback(Failure(error))

    def _end(self) -> None:
        if self._number is not None:
            self._puts.circuit.forget(self._number)

    def _send(self, subcommand: int, rest: bytes) -> None:
        assert self._number is not None
        puts, rest = self._puts, bytes((subcommand,)) + rest
        puts.circuit.request(Command.PUT, puts.server_id, self._number, rest)


class Puts(PutQueue[PendingPut]):
    """The writes to a channel, in the order of the requests.

    Only one write with completion is under way at a time, because a busy record takes the value of
    a second one later, after others that arrived behind it. The others wait, until a write without
    completion arrives, which never waits: then they are written before it, and finish together with
    the one under way. The same happens when nobody waits for the one under way any more.
    """

    def __init__(self, circuit: Circuit, server_id: int) -> None:
        super().__init__()
        self.circuit = circuit
        self.server_id = server_id
        # Writes that were sent while another was under way; they finish together with it.
        self._written: dict[PendingPut, RequestStatus | None] = {}
        self._plain: dict[PendingPut, None] = {}

    def send(self, write: Write) -> Deferred[None]:
        """Write immediately; fires when the server has accepted the value."""
        self.write_waiting()
        put = PendingPut(write, self)
        self._plain[put] = None
        put.begin(waits=False)
        return put.answer

    def complete(self, write: Write) -> Deferred[None]:
        """Write in turn; fires when the record has finished.

        If the Deferred is cancelled before its turn, nothing is written.
        """
        put = PendingPut(write, self)
        self.add(put)
        return put.answer

    def finished(self, put: PendingPut, status: RequestStatus) -> None:
        """Finish a write, and those that were sent while it was under way; send the next one."""
        if put in self._written:
            if status.is_success and self.under_way is not None:
                self._written[put] = status
            else:
                del self._written[put]
                put.done(status)
            return
        self._plain.pop(put, None)
        put.done(status)
        if put is not self.under_way:
            return
        self.under_way = None
        for each in [each for each, answer in self._written.items() if answer is not None]:
            del self._written[each]
            each.done(status if status.is_success else RequestStatus(-1))
        self.send_next()

    def lose(self) -> None:
        """Fail all pending writes: the channel was lost."""
        under_way, waiting = self.take_all()
        sent = [*([under_way] if under_way else []), *self._written, *self._plain]
        self._written, self._plain = {}, {}
        for put in sent:
            put.fail(LOST)
        for put in waiting:
            put.fail(NOT_WRITTEN)

    def begin(self, put: PendingPut) -> None:
        """Write with completion."""
        put.begin(waits=True)

    def write_early(self, put: PendingPut) -> None:
        """Write without completion; finished when this one and the one under way have finished."""
        self._written[put] = None
        put.begin(waits=False)
