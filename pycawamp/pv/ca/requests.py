"""Reads and writes that are under way on one channel."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from pycawamp.pv.ca import dbr, libca
from pycawamp.pv.ca.encode import Write
from pycawamp.pv.errors import (
    AccessError,
    NotConnectedError,
    PutFailedError,
    PVError,
    RefusedError,
)
from pycawamp.pv.values import Metadata, Reading

if TYPE_CHECKING:
    from pycawamp.pv.ca.backend import CABackend
    from pycawamp.pv.ca.channel import AtLibca


class PendingGet:
    """One ca_array_get_callback: what its callback needs, as a Monitor has it."""

    def __init__(self, key: int, native: Metadata) -> None:
        layout = dbr.TIME_LAYOUTS[native.type]
        self.key = key
        self.type, self.count, self.most = libca.value_request(native.type.value, native.count)
        self.header = layout.offset
        self.width = layout.width
        self.handler = self.receive
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
    """One write: waits for its turn, then for the record."""

    def __init__(self, key: int, write: Write, wait: bool, puts: Puts) -> None:
        self.key = key
        self.write = write
        self.wait = wait
        self.answer: Deferred[None] = Deferred(lambda _: puts.abandon(self))
        self._puts = puts

    def done(self, status: int) -> None:
        """Take libca's word that the record has finished, or why not."""
        if not self.answer.called:
            if status == libca.ECA_NORMAL:
                self.answer.callback(None)
            else:
                self.fail(PutFailedError(f"the write failed: {libca.message(status)}"))
        self._puts.finished(self)

    def fail(self, error: PVError) -> None:
        """End it with an error, unless it has ended."""
        if not self.answer.called:
            self.answer.errback(Failure(error))


class Puts:
    """The writes to one channel, one after another.

    They keep their order so. And an IOC's server waits, with all else that its client
    asks of it, when a second write with completion comes before the first has finished.
    """

    def __init__(self, backend: CABackend, at_libca: AtLibca) -> None:
        self._backend = backend
        self._at_libca = at_libca
        self._waiting: deque[PendingPut] = deque()
        self._under_way: PendingPut | None = None

    def add(self, write: Write, wait: bool) -> Deferred[None]:
        """Write when all earlier writes have finished; a cancelled one is not sent."""
        put = PendingPut(self._backend.next_key(), write, wait, self)
        self._waiting.append(put)
        self._next()
        return put.answer

    def abandon(self, put: PendingPut) -> None:
        """Forget a write that nobody waits for, unless it was sent."""
        if put in self._waiting:
            self._waiting.remove(put)

    def finished(self, put: PendingPut) -> None:
        """Send the next."""
        if put is self._under_way:
            self._under_way = None
            self._next()

    def lose(self) -> None:
        """Fail all: the channel was lost."""
        under_way, self._under_way = self._under_way, None
        waiting, self._waiting = self._waiting, deque()
        if under_way is not None:
            self._backend.forget(under_way.key)
            under_way.fail(PutFailedError("the IOC was lost before the record had finished"))
        for put in waiting:
            put.fail(PutFailedError("the IOC was lost; nothing was written"))

    def _next(self) -> None:
        if self._under_way is None and self._waiting:
            self._under_way = self._waiting.popleft()
            self._backend.put(self._at_libca, self._under_way)
