"""Reads and writes that are under way on one channel."""

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
    """One ca_array_get_callback: what its callback needs, as a Monitor has it."""

    route = None
    """Its answer is for one only."""

    def __init__(self, key: int, native: Metadata) -> None:
        layout = dbr.TIME_LAYOUTS[native.type]
        self.key = key
        self.type, self.count, self.most = libca.value_request(
            dbr.DBR_TYPES[native.type], native.count
        )
        self.header = layout.offset
        self.width = layout.width
        self.answer: Deferred[Reading] = Deferred(lambda _: None)
        self.refusal: libca.Refusal | None = None
        """Why there was no value, if the IOC answered so."""
        self._decode = dbr.decoder(native.type, native.count)

    def receive(self, raw: bytes) -> None:
        """Take the DBR bytes of the answer."""
        if not self.answer.called:
            self.answer.callback(self._decode(raw))

    def failed(self, refusal: libca.Refusal) -> None:
        """Take an answer without a value."""
        self.refusal = refusal
        if refusal.status == libca.ECA_DISCONN:
            self.fail(NotConnectedError("no IOC serves it now"))
        elif refusal.status == libca.ECA_NORDACCESS:
            self.fail(AccessError("the IOC grants no read access"))
        else:
            self.fail(RefusedError(f"the IOC does not send the value: {refusal.reason}"))

    def fail(self, error: PVError) -> None:
        """End it with an error, unless it has ended."""
        if not self.answer.called:
            self.answer.errback(Failure(error))


class PendingPut:
    """One write with completion: waits for earlier ones, then for the record."""

    def __init__(self, key: int, write: Write, puts: Puts) -> None:
        self.key = key
        self.write = write
        self.answer: Deferred[None] = Deferred(lambda _: puts.abandon(self))
        self._puts = puts

    def done(self, status: int) -> None:
        """Take libca's word that the record has finished, or why not."""
        _answer(self.answer, status)
        self._puts.finished(self, status)

    def fail(self, error: PVError) -> None:
        """End it with an error, unless it has ended."""
        if not self.answer.called:
            self.answer.errback(Failure(error))


class PlainPut:
    """One write without completion: done when libca has taken it."""

    def __init__(self, write: Write) -> None:
        self.write = write
        self.answer: Deferred[None] = Deferred(lambda _: None)

    def done(self, status: int) -> None:
        """Take libca's word that it was sent, or why not."""
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
        """A number for something that libca will call back about."""

    def put(self, at_libca: AtLibca, pending: PlainPut) -> None:
        """Write; whether it was sent goes to the pending put."""

    def put_callback(self, at_libca: AtLibca, pending: PendingPut) -> None:
        """Write with completion; what becomes of it goes to the pending put."""

    def forget(self, key: int) -> None:
        """Stop reporting the outcome of a get or put."""


class Puts(PutQueue[PendingPut]):
    """The writes to one channel, in the order in which they were asked for.

    Of those with completion, one is under way at a time: an IOC's server stops serving the
    whole gateway when a second one comes on a channel before the first has finished. The
    others wait, unless one without completion comes, which never waits: then they are
    written before it, and have finished when the one under way has. The same holds once
    nobody waits for the one under way any more: it may never finish.
    """

    def __init__(self, calls: PutCalls, at_libca: AtLibca) -> None:
        super().__init__()
        self._calls = calls
        self._at_libca = at_libca
        # Written while another was under way; they finish together with it.
        self._written: list[PendingPut] = []

    def send(self, write: Write) -> Deferred[None]:
        """Write at once; fires when the write was sent."""
        self.write_waiting()
        put = PlainPut(write)
        self._calls.put(self._at_libca, put)
        return put.answer

    def complete(self, write: Write) -> Deferred[None]:
        """Write when it is its turn; fires when the record has finished.

        A cancelled one is not written any more, if it still waits.
        """
        put = PendingPut(self._calls.next_key(), write, self)
        self.add(put)
        return put.answer

    def finished(self, put: PendingPut, status: int) -> None:
        """End those that were written meanwhile, and send the next."""
        if put is not self.under_way:
            return
        self.under_way = None
        written, self._written = self._written, []
        for each in written:
            _answer(each.answer, status)
        self.go_on()

    def lose(self) -> None:
        """Fail all that wait: the channel was lost."""
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
