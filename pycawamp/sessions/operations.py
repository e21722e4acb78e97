"""Requests that an IOC must answer: each takes its time, and the client may leave meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.python.failure import Failure

from pycawamp.access.interfaces import Verdict
from pycawamp.pv.errors import PVError
from pycawamp.pv.oneshot import OneShotChannel
from pycawamp.pv.values import Metadata, Reading
from pycawamp.sessions.putlog import PutRecord
from pycawamp.sessions.subscriptions import GAVE_WAY
from pycawamp.wire import requests
from pycawamp.wire.errors import BadMessageError

if TYPE_CHECKING:
    from pycawamp.sessions.registry import Sessions
    from pycawamp.sessions.session import Session

Work: TypeAlias = Coroutine[Deferred[Any], Any, None]

GETS_AT_ONCE = 32
"""Gets of one client that IOCs are asked at the same time: each may bring a large array."""
UNDER_WAY = 5000
"""Requests of one client that have not been answered: each takes some kilobytes."""
GET_TIMEOUT = 10.0
"""Seconds within which an IOC is to answer a get."""
OLD_VALUE_TIMEOUT = 0.5
"""Seconds that a put waits for the value before it, which only the log wants."""


class Operations:
    """One client's gets, puts and infos that are under way."""

    def __init__(self, session: Session, sessions: Sessions) -> None:
        self._session = session
        self._sessions = sessions
        self._under_way: set[Deferred[None]] = set()
        self._searching: dict[OneShotChannel, None] = {}
        self._gets = DeferredSemaphore(GETS_AT_ONCE)

    def get(self, request: requests.Get) -> None:
        """Read a PV once."""
        self._check_room(request)
        self._attend(request, self._read(request))

    def info(self, request: requests.Info) -> None:
        """Tell a PV's metadata."""
        self._check_room(request)
        self._attend(request, self._describe(request))

    def put(self, request: requests.Put) -> None:
        """Write a PV."""
        self._attend(request, self._write(request))

    def log_refused(self, mistake: BadMessageError, value: Any) -> None:
        """Log a put that was refused before it was looked at: malformed, or one of too many."""
        client = self._session.client
        bare = self._sessions.router.bare
        record = PutRecord(client.user, client.address, bare(mistake.pvname or ""), value)
        self._sessions.put_log.write(record, _outcome(mistake))

    def close(self) -> Iterator[None]:
        """Let all go, one at each step: the client has left. What was sent to an IOC stays sent."""
        # Those that wait for their turn first: it would come with the end of the others.
        for flush_cycle in list(self._gets.waiting):
            flush_cycle.cancel()
            yield
        for work in list(self._under_way):
            work.cancel()
            yield

    def give_up(self, real_names: Collection[str]) -> None:
        """Fail what waits for these PVs, none of which was found: others need the room."""
        for one_shot in list(self._searching):
            if one_shot.pv.name in real_names:
                one_shot.give_up(GAVE_WAY)

    async def _reach(self, one_shot: OneShotChannel, timeout: float) -> Metadata:
        self._searching[one_shot] = None
        try:
            return await one_shot.reach(timeout)
        finally:
            del self._searching[one_shot]

    async def _read(self, request: requests.Get) -> None:
        encoding = attrs.evolve(self._session.encoding, **request.options)
        one_shot = self._one_shot(self._session.authorize(request.name))
        try:
            await self._reach(one_shot, self._sessions.connect_timeout)
            metadata, reading = await self._ask(one_shot)
        finally:
            one_shot.close()
        if self._session.outbox.is_overfull:
            raise BadMessageError("rate_limited", "too much waits for you to read it")
        if self._session.is_ended:
            raise CancelledError
        message = self._session.dialect.value(request, metadata, reading, encoding)
        if message is not None:
            self._session.send(*message)

    async def _ask(self, one_shot: OneShotChannel) -> tuple[Metadata, Reading]:
        await self._gets.acquire()
        try:
            reading = await one_shot.get(GET_TIMEOUT)
            # Not before: while it waited the PV may have come back as another, or its units
            # may have changed.
            return one_shot.described, reading
        finally:
            # Not within this call: of a lost PV one get after the other would fail in it.
            self._sessions.soon(self._gets.release)

    async def _describe(self, request: requests.Info) -> None:
        verdict = self._session.authorize(request.name)
        one_shot = self._one_shot(verdict)
        try:
            metadata = await self._reach(one_shot, self._sessions.connect_timeout)
        finally:
            one_shot.close()
        self._session.send(self._session.dialect.metadata(request, metadata, verdict.write))

    async def _write(self, request: requests.Put) -> None:
        client = self._session.client
        bare_name = self._sessions.router.bare(request.name)
        record = PutRecord(client.user, client.address, bare_name, request.value)
        try:
            if not self._session.quota.puts.take():
                raise BadMessageError("rate_limited", "too many puts a second")
            verdict = self._session.authorize(request.name)
            if not verdict.write:
                raise BadMessageError("forbidden", "this gateway does not let you write it")
            one_shot = self._one_shot(verdict)
            try:
                await self._reach(one_shot, min(request.timeout, self._sessions.connect_timeout))
                record = attrs.evolve(record, old=await one_shot.newest(OLD_VALUE_TIMEOUT))
                await one_shot.put(request.value, request.wait, request.timeout)
            finally:
                one_shot.close()
        except BaseException as error:
            self._sessions.put_log.write(record, _outcome(error))
            raise
        self._sessions.put_log.write(record, "ok" if request.wait else "sent")
        self._session.send(self._session.dialect.written(request, request.name))

    def _check_room(self, request: requests.PVRequest) -> None:
        if len(self._under_way) >= UNDER_WAY:
            mistake = BadMessageError("rate_limited", "too many requests wait for their answers")
            raise requests.about(request, mistake)

    def _one_shot(self, verdict: Verdict) -> OneShotChannel:
        self._session.reserve_channel(verdict.real_name)
        return self._sessions.one_shot(verdict.real_name)

    def _attend(self, request: requests.PVRequest, work: Work) -> None:
        done = Deferred.fromCoroutine(work)
        self._under_way.add(done)

        def failed(failure: Failure) -> None:
            mistake = _mistake(failure.value)
            if mistake is not None:
                self._session.refuse(requests.about(request, mistake))
            elif not failure.check(CancelledError):
                self._session.fail(failure)

        done.addErrback(failed).addBoth(lambda _: self._under_way.discard(done))


def _mistake(error: BaseException | None) -> BadMessageError | None:
    """What to tell the client; None if it is no matter of the client's."""
    if isinstance(error, PVError):
        return BadMessageError(error.code, str(error))
    return error if isinstance(error, BadMessageError) else None


def _outcome(error: BaseException) -> str:
    mistake = _mistake(error)
    if mistake is not None:
        return f"{mistake.code}: {mistake.message}"
    return "the client left" if isinstance(error, CancelledError) else f"internal: {error!r}"
