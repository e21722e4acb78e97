"""One-off business with a PV: find it, read it, write it, leave."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from pycawamp.pv.errors import (
    AccessError,
    NotConnectedError,
    OverloadedError,
    PVError,
    PVTimeoutError,
)
from pycawamp.pv.hub import PV, PVHub
from pycawamp.pv.interfaces import ISubscriber
from pycawamp.pv.values import Metadata, Reading


@implementer(ISubscriber)
class OneShotChannel:
    """A short subscription to a PV; shares the channel with all who have it open.

    Close it when done, whatever came of it.
    """

    def __init__(self, hub: PVHub, clock: IReactorTime, name: str) -> None:
        self._clock = clock
        self._arrival: Deferred[None] = Deferred()
        self._subscription = hub.subscribe(name, self)
        self._handle = hub.handle(name)

    @property
    def pv(self) -> PV:
        """The PV, in its present state."""
        return self._subscription.pv

    def close(self) -> None:
        """Leave the PV."""
        self._subscription.close()

    async def reach(self, timeout: float) -> Metadata:
        """The PV's metadata, once an IOC has told it; NotConnectedError if none does.

        No value is waited for: there may be none, or the IOC may refuse it.
        """
        try:
            await self._arrival.addTimeout(timeout, self._clock)
        except DeferredTimeoutError:
            raise NotConnectedError(f"no IOC answered within {timeout:g} s") from None
        return self.described

    def give_up(self, error: Exception) -> None:
        """Fail what waits in reach."""
        if not self._arrival.called:
            self._arrival.errback(error)

    @property
    def described(self) -> Metadata:
        """The PV's metadata as it is now; after reach."""
        assert self.pv.described is not None
        return self.pv.described

    async def get(self, timeout: float) -> Reading:
        """The present value, asked of the IOC; after reach.

        AccessError, NotConnectedError, PVTimeoutError, RefusedError.
        """
        if not self.described.read_access:
            raise AccessError("the IOC grants no read access")
        if not self.pv.connected and self.pv.refusal is None:
            raise NotConnectedError("no IOC serves it now")
        answer = self._handle.get().addTimeout(timeout, self._clock)
        try:
            return await answer
        except DeferredTimeoutError:
            raise PVTimeoutError(f"the IOC did not answer within {timeout:g} s") from None

    async def newest(self, timeout: float) -> Reading | None:
        """The newest value that came, else asked of the IOC; None if it does not tell it in time.

        After reach.
        """
        if self.pv.latest is not None:
            return self.pv.latest
        try:
            return await self.get(timeout)
        except PVError:
            return None

    def put(self, value: Any, wait: bool, timeout: float) -> Deferred[None]:
        """Check a value and write it; after reach. The value is not kept.

        Fires when the value was sent, or with `wait` when the record has finished. Fails with
        AccessError, BadValueError (nothing was written), PutFailedError, or PVTimeoutError
        after `timeout` seconds.
        """
        metadata = self.pv.described
        if metadata is None or metadata.write_access is False:
            return fail(AccessError("the IOC grants no write access"))
        done: Deferred[None] = self._handle.put(value, wait).addTimeout(timeout, self._clock)

        def timed_out(failure: Failure) -> None:
            failure.trap(DeferredTimeoutError)
            text = f"the record, or an earlier write to it, has not finished within {timeout:g} s"
            raise PVTimeoutError(text)

        return done.addErrback(timed_out)

    def metadata(self, pv: PV, metadata: Metadata) -> None:
        """Hear what the channel says of itself."""
        self._look(pv)

    def connection(self, pv: PV, connected: bool) -> None:
        """Hear that the PV was connected or lost."""
        self._look(pv)

    def reading(self, pv: PV, reading: Reading) -> None:
        """Hear an update."""
        self._look(pv)

    def _look(self, pv: PV) -> None:
        described = pv.described
        if pv.is_overloaded and not self._arrival.called:
            self._arrival.errback(OverloadedError())
        unreadable = pv.connected is False and described is not None and not described.read_access
        answered = pv.connected or pv.refusal is not None or unreadable
        if answered and not self._arrival.called:
            self._arrival.callback(None)
