"""Pending gets and puts of a channel."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from pycawamp.pv.ca import dbr, libca
from pycawamp.pv.ca.encode import Write
from pycawamp.pv.ca.state import AtLibca
from pycawamp.pv.errors import (
    AccessError,
    NotConnectedError,
    PutFailedError,
    PVError,
    RefusedError,
)
from pycawamp.pv.put_queue import PutQueue
from pycawamp.pv.values import Metadata, Reading


class PendingGet:
    """A ca_array_get_callback, with the attributes of a Monitor that a callback needs."""

    route = None
    """None: the reply is passed to `handler`."""

    def __init__(self, key: int, native: Metadata) -> None:
        layout = dbr.TIME_LAYOUTS[native.type]
        self.key = key
        self.type, self.count, self.max_count = libca.value_request(
            dbr.DBR_TYPES[native.type], native.count
        )
        self.header = layout.offset
        self.width = layout.width
        self.answer: Deferred[Reading] = Deferred(lambda _: None)
        self.refusal: libca.Refusal | None = None
        """The reason of the IOC if it refused to send the value."""
        self._decode = dbr.decoder(native.type, native.count)

    def receive(self, raw: bytes) -> None:
        """Handle the DBR data of the reply."""
        if not self.answer.called:
            self.answer.callback(self._decode(raw))

    def failed(self, refusal: libca.Refusal) -> None:
        """Handle a reply without a value."""
        self.refusal = refusal
        if refusal.status == libca.ECA_DISCONN:
            self.fail(NotConnectedError("no IOC serves it now"))
        elif refusal.status == libca.ECA_NORDACCESS:
            self.fail(AccessError("the IOC grants no read access"))
        else:
            self.fail(RefusedError(f"the IOC does not send the value: {refusal.reason}"))

    def fail(self, error: PVError) -> None:
        """Fail with an error, unless it has finished."""
        if not self.answer.called:
            self.answer.errback(Failure(error))


class PendingPut:
    """A write with completion: waits for earlier ones, then for the record."""

    def __init__(self, key: int, write: Write, puts: Puts) -> None:
        self.key = key
        self.write = write
        self.answer: Deferred[None] = Deferred(lambda _: puts.abandon(self))
        self._puts = puts

    def done(self, status: int) -> None:
        """Handle the status of the completion."""
        _answer(self.answer, status)
        self._puts.finished(self, status)

    def fail(self, error: PVError) -> None:
        """Fail with an error, unless it has finished."""
        if not self.answer.called:
            self.answer.errback(Failure(error))


class PlainPut:
    """A write without completion: finished when libca has accepted it."""

    def __init__(self, write: Write) -> None:
        self.write = write
        self.answer: Deferred[None] = Deferred(lambda _: None)

    def done(self, status: int) -> None:
        """Handle the status of ca_array_put."""
        _answer(self.answer, status)


def _answer(answer: Deferred[None], status: int) -> None:
    if answer.called:
        return
    if status == libca.ECA_NORMAL:
        answer.callback(None)
    else:
        answer.errback(Failure(PutFailedError(f"the write failed: {libca.message(status)}")))


class PutCalls(Protocol):
    """The calls of libca that writes need."""

    def next_key(self) -> int:
        """Return a unique number for the callback of a put."""

    def put(self, at_libca: AtLibca, pending: PlainPut) -> None:
        """Write without completion; the outcome is passed to the pending put."""

    def put_callback(self, at_libca: AtLibca, pending: PendingPut) -> None:
        """Write with completion; the outcome is passed to the pending put."""

    def forget(self, key: int) -> None:
        """Stop reporting the outcome of a get or put."""


class Puts(PutQueue[PendingPut]):
    """The writes to a channel, in the order of the requests.

    Only one write with completion is under way at a time: if a second one arrives before the
    first has finished, an IOC's server stops serving the whole gateway. The others wait, until a
    write without completion arrives, which never waits: then they are written before it, and
    finish together with the one under way. The same happens when nobody waits for the one under way
    any more, because it may never finish.
    """

    def __init__(self, calls: PutCalls, at_libca: AtLibca) -> None:
        super().__init__()
        self._calls = calls
        self._at_libca = at_libca
        # Writes that were sent while another was under way; they finish together with it.
        self._written: list[PendingPut] = []

    def send(self, write: Write) -> Deferred[None]:
        """Write immediately; fires when the value was sent."""
        self.write_waiting()
        put = PlainPut(write)
        self._calls.put(self._at_libca, put)
        return put.answer

    def complete(self, write: Write) -> Deferred[None]:
        """Write in turn; fires when the record has finished.

        If the Deferred is cancelled before its turn, nothing is written.
        """
        put = PendingPut(self._calls.next_key(), write, self)
        self.add(put)
        return put.answer

    def finished(self, put: PendingPut, status: int) -> None:
        """Finish the writes that were sent meanwhile, and send the next one."""
        if put is not self.under_way:
            return
        self.under_way = None
        written, self._written = self._written, []
        for each in written:
            _answer(each.answer, status)
        self.send_next()

    def lose(self) -> None:
        """Fail all pending writes: the channel was lost."""
        under_way, waiting = self.take_all()
        written, self._written = self._written, []
        if under_way is not None:
            self._calls.forget(under_way.key)
            written.insert(0, under_way)
        for put in written:
            put.fail(PutFailedError("the IOC was lost before the record had finished"))
        for put in waiting:
            put.fail(PutFailedError("the IOC was lost; nothing was written"))

    def begin(self, put: PendingPut) -> None:
        """Write with completion."""
        self._calls.put_callback(self._at_libca, put)

    def write_early(self, put: PendingPut) -> None:
        """Write without completion: it finishes with the one under way."""
        self._written.append(put)
        self._calls.put(self._at_libca, PlainPut(put.write))
