"""Requests that an IOC or archiver must answer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import attrs
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.python.failure import Failure

from pycawamp.access.interfaces import Verdict
from pycawamp.fanout.pictures import compressed
from pycawamp.pv.errors import BadValueError, OverloadedError, PVError
from pycawamp.pv.interfaces import Requester
from pycawamp.pv.oneshot import OneShotChannel
from pycawamp.pv.values import Metadata
from pycawamp.sessions.authorizer import Authorizer, needs
from pycawamp.sessions.outgoing import Outgoing
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.put_order import PutOrder
from pycawamp.sessions.putlog import PutRecord
from pycawamp.sessions.quota import UnderWay
from pycawamp.sessions.shared import Shared
from pycawamp.sessions.subscriptions import GAVE_WAY
from pycawamp.sessions.token_bucket import TokenBucket
from pycawamp.wire import requests
from pycawamp.wire.dialect import Encoding
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.v2.codec import dumps

Work: TypeAlias = Coroutine[Deferred[Any], Any, None]

MAX_LARGE_GETS = 4
"""Simultaneous gets per client of arrays that the memory budget counts."""
MAX_GETS = 32
"""Simultaneous gets per client: each may return a large array."""
MAX_HISTORIES = 2
"""Simultaneous reads of histories per client, because an archiver is slow."""
UNDER_WAY = 1000
"""Unanswered requests per client: each takes some kilobytes."""
ANSWER = 4
"""Memory for a get of an array, as a multiple of its size: the value and its message."""
PUTS = 1000
"""Unfinished puts per client."""
PUT_BYTES = 2**26
"""Bytes of the values of unfinished puts per client."""
GET_TIMEOUT = 10.0
"""Seconds within which an IOC must answer a get."""
OLD_VALUE_TIMEOUT = 0.5
"""Seconds that a put waits for the old value, which is only for the log."""


NUMBER = 32
"""Bytes of a number in a list, including the pointer."""
DOUBLE = 8
"""Bytes of the largest numeric type of Channel Access."""
OBJECT = 24
"""Maximum bytes of an object per byte of its JSON."""


class Operations:
    """The pending gets, puts and infos of a client."""

    def __init__(
        self,
        shared: Shared,
        outgoing: Outgoing,
        authorizer: Authorizer,
        peer: Peer,
        put_rate: TokenBucket,
    ) -> None:
        self._shared = shared
        self._outgoing = outgoing
        self._authorizer = authorizer
        self._peer = peer
        self._put_rate = put_rate
        self._under_way: set[Deferred[None]] = set()
        self._searching: dict[OneShotChannel, None] = {}
        self._gets = DeferredSemaphore(MAX_GETS)
        self._large_gets = DeferredSemaphore(MAX_LARGE_GETS)
        self._histories = DeferredSemaphore(MAX_HISTORIES)
        self._puts = UnderWay(PUTS, PUT_BYTES)
        self._put_order = PutOrder(shared.soon)
        self._idle: Callable[[], None] | None = None

    def get(self, request: requests.Get) -> None:
        """Read a PV once."""
        self._check_room(request)
        self._attend(request, self._read(request))

    def info(self, request: requests.Info) -> None:
        """Send a PV's metadata."""
        self._check_room(request)
        self._attend(request, self._describe(request))

    def history(self, request: requests.ReadHistory) -> None:
        """Read a PV's history from the gateway and the archiver."""
        self._check_room(request)
        self._attend(request, self._send_history(request))

    def put(self, request: requests.Put) -> None:
        """Write a PV."""
        # Without the value, so that it is stored once, and only as long as it is needed.
        self._attend(attrs.evolve(request, value=None), self._write(request, request.value))

    def log_refused(self, mistake: BadMessageError, value: Any) -> None:
        """Log a put that was refused before it was parsed, or because of a rate limit."""
        peer = self._peer
        bare = self._shared.router.bare
        record = PutRecord.of(peer.user, peer.address, bare(mistake.pvname or ""), value)
        self._shared.put_log.write(record, _outcome(mistake))

    def when_idle(self, function: Callable[[], None]) -> None:
        """Call a function when no request is pending, unless the client disconnects first."""
        self._idle = function
        self._check_idle()

    def close(self) -> Iterator[None]:
        """Cancel all pending operations, one at each step. Puts already sent are not undone."""
        self._idle = None
        # Queued ones first: they would start when active ones end.
        for semaphore in (self._gets, self._large_gets, self._histories):
            for turn in list(semaphore.waiting):
                turn.cancel()
                yield
        for work in list(self._under_way):
            work.cancel()
            yield

    def give_up(self, real_names: Collection[str]) -> None:
        """Fail requests that wait for these PVs, none of which was found, to free channels."""
        for one_shot in list(self._searching):
            if needs(one_shot.pv, real_names):
                one_shot.give_up(GAVE_WAY)

    async def _reach(self, one_shot: OneShotChannel, timeout: float) -> Metadata:
        self._searching[one_shot] = None
        try:
            return await one_shot.reach(timeout)
        finally:
            del self._searching[one_shot]

    async def _read(self, request: requests.Get) -> None:
        encoding = attrs.evolve(self._outgoing.encoding, **request.options)
        one_shot = self._one_shot(self._authorizer.authorize(request.name))
        try:
            patience = self._outgoing.dialect.search_timeout
            await self._reach(one_shot, patience or self._shared.connect_timeout)
            semaphore = self._large_gets if one_shot.described.is_large else self._gets
            await semaphore.acquire()
            try:
                await self._answer(request, encoding, one_shot)
            finally:
                # Later, because within this call all gets of a lost PV would fail recursively.
                self._shared.soon(semaphore.release)
        finally:
            one_shot.close()

    async def _answer(
        self, request: requests.Get, encoding: Encoding, one_shot: OneShotChannel
    ) -> None:
        metadata = one_shot.described
        with self._reserved(ANSWER * metadata.size if metadata.is_large else 0):
            reading = await one_shot.get(GET_TIMEOUT)
            if encoding.image is not None:
                reading = await compressed(self._shared.clock, reading, encoding.image)
            if self._outgoing.outbox.is_overfull:
                raise BadMessageError("rate_limited", "too many unread replies")
            if self._outgoing.is_closed:
                raise CancelledError
            # The current metadata, because the PV may have reconnected with another type in the
            # meantime, or its units may have changed.
            metadata = one_shot.described
            message = self._outgoing.dialect.value(request, metadata, reading, encoding)
            if message is not None:
                self._outgoing.send(*message)

    @contextmanager
    def _reserved(self, size: int) -> Iterator[None]:
        budget = self._shared.budget
        if size and not budget.has_room(size):
            raise OverloadedError()
        budget.requests += size
        try:
            yield
        finally:
            budget.requests -= size

    async def _describe(self, request: requests.Info) -> None:
        verdict = self._authorizer.authorize(request.name)
        one_shot = self._one_shot(verdict)
        try:
            metadata = await self._reach(one_shot, self._shared.connect_timeout)
        finally:
            one_shot.close()
        self._outgoing.send(self._outgoing.dialect.metadata(request, metadata, verdict.write))

    async def _send_history(self, request: requests.ReadHistory) -> None:
        verdict = self._authorizer.authorize(request.name)
        await self._histories.acquire()
        try:
            samples = await self._shared.past.samples(verdict.real_name, request)
        finally:
            self._shared.soon(self._histories.release)
        if self._outgoing.outbox.is_overfull:
            raise BadMessageError("rate_limited", "too many unread replies")
        pv = self._shared.hub.find(verdict.real_name)
        described = pv.described if pv is not None else None
        self._outgoing.send(self._outgoing.dialect.history(request, samples, described))

    async def _write(self, request: requests.Put, value: Any) -> None:
        peer = self._peer
        bare_name = self._shared.router.bare(request.name)
        record = PutRecord.of(peer.user, peer.address, bare_name, value)
        try:
            if not self._put_rate.take():
                raise BadMessageError("rate_limited", "too many puts per second")
            verdict = self._authorizer.authorize_put(request.name)
            one_shot = self._one_shot(verdict)
            try:
                with self._counted(_held_bytes(value)) as recount:
                    timeout = min(request.timeout, self._shared.connect_timeout)
                    await self._reach(one_shot, timeout)
                    with self._put_order.join(verdict.real_name) as turn:
                        old = await one_shot.newest(OLD_VALUE_TIMEOUT)
                        record = attrs.evolve(record, old=old)
                        await turn
                        value = self._outgoing.dialect.value_to_put(value, one_shot.described)
                        by = Requester(peer.user, peer.host, peer.host_name, bare_name)
                        done = one_shot.put(value, request.wait, request.timeout, by)
                    recount(_written_bytes(value))
                    del value
                    await done
                    self._outgoing.send(self._outgoing.dialect.written(request, request.name))
                    record = await self._read_back(one_shot, record)
            finally:
                one_shot.close()
        except BaseException as error:
            self._shared.put_log.write(record, _outcome(error))
            raise
        self._shared.put_log.write(record, "ok" if request.wait else "sent")

    def _check_room(self, request: requests.PVRequest) -> None:
        if len(self._under_way) >= UNDER_WAY:
            mistake = BadMessageError("overloaded", "too many unanswered requests")
            raise requests.about(request, mistake)

    async def _read_back(self, one_shot: OneShotChannel, record: PutRecord) -> PutRecord:
        """Return the record with the PV's current value, for scalars only."""
        if not one_shot.pv.connected or one_shot.described.is_array:
            return record
        try:
            return attrs.evolve(record, after=await one_shot.get(GET_TIMEOUT))
        except (PVError, CancelledError):
            # The value was written nevertheless.
            return record

    @contextmanager
    def _counted(self, size: int) -> Iterator[Callable[[int], None]]:
        """Count an unfinished put, or refuse it if there are too many.

        Yields a function that reduces the counted size.
        """
        budget, everyone = self._shared.budget, self._shared.puts
        if not self._puts.has_room(size):
            raise BadMessageError("rate_limited", "too many unfinished puts")
        if not everyone.has_room(size) or not budget.has_room(size):
            raise OverloadedError("too many unfinished puts of all clients")

        def recount(now: int) -> None:
            nonlocal size
            size, change = now, now - size
            for count in (self._puts, everyone):
                count.bytes += change
            budget.requests += change

        self._puts.begin(size)
        everyone.begin(size)
        budget.requests += size
        try:
            yield recount
        finally:
            self._puts.end(size)
            everyone.end(size)
            budget.requests -= size

    def _one_shot(self, verdict: Verdict) -> OneShotChannel:
        self._authorizer.reserve_channels(verdict)
        return self._shared.one_shot(verdict.real_name)

    def _attend(self, request: requests.PVRequest, work: Work) -> None:
        done = Deferred.fromCoroutine(work)
        self._under_way.add(done)

        def failed(failure: Failure) -> None:
            mistake = _mistake(failure.value)
            if mistake is not None:
                self._outgoing.refuse(requests.about(request, mistake))
            elif not failure.check(CancelledError):
                self._outgoing.fail(failure)
            _drop_tracebacks(failure)

        def ended(_: Any) -> None:
            self._under_way.discard(done)
            self._check_idle()

        done.addErrback(failed).addBoth(ended)

    def _check_idle(self) -> None:
        if self._idle is not None and not self._under_way:
            idle, self._idle = self._idle, None
            idle()


def _drop_tracebacks(failure: Failure) -> None:
    """Remove tracebacks, whose frames would keep objects in cycles for the garbage collector."""
    failure.tb = None
    error: BaseException | None = failure.value
    while error is not None:
        error.__traceback__ = None
        error = error.__context__


def _held_bytes(value: Any) -> int:
    """Return an upper bound of the memory that a value takes, in bytes.

    Raises:
        BadMessageError: The value is nested too deeply to be written as JSON.
    """
    if not isinstance(value, list | dict):
        return sys.getsizeof(value)
    if isinstance(value, list) and set(map(type, value)) <= {int, float, bool}:
        return NUMBER * len(value)
    try:
        return OBJECT * len(dumps(value))
    except TypeError:
        raise BadValueError(
            "expected a number, a string or a list of them, got one that is nested too deeply"
        ) from None


def _written_bytes(value: Any) -> int:
    """Return the approximate number of bytes of a value as DBR data."""
    return DOUBLE * len(value) if isinstance(value, list) else sys.getsizeof(value)


def _mistake(error: BaseException | None) -> BadMessageError | None:
    """Return the error for the client, or None if the client does not get one."""
    if isinstance(error, PVError):
        return BadMessageError(error.code, str(error))
    return error if isinstance(error, BadMessageError) else None


def _outcome(error: BaseException) -> str:
    mistake = _mistake(error)
    if mistake is not None:
        return f"{mistake.code}: {mistake.message}"
    return "the client left" if isinstance(error, CancelledError) else f"internal: {error!r}"
