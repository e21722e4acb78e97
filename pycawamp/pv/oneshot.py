"""Subscriptions for single requests."""

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
    RefusedError,
)
from pycawamp.pv.hub import PVHub
from pycawamp.pv.interfaces import IAuthorizingHandle, ISubscriber, PVState, Requester
from pycawamp.pv.values import Metadata, Reading


@implementer(ISubscriber)
class OneShotChannel:
    """A subscription for the duration of a request; shares the channel with other subscribers.

    It must be closed in any case. `reach` has to be awaited before `get`, `newest` and `put`.
    """

    def __init__(self, hub: PVHub, clock: IReactorTime, name: str) -> None:
        self._clock = clock
        self._arrival: Deferred[None] = Deferred()
        self._subscription = hub.subscribe(name, self)
        self._handle = hub.handle(name)

    @property
    def pv(self) -> PVState:
        """The PV."""
        return self._subscription.pv

    def close(self) -> None:
        """Unsubscribe."""
        self._subscription.close()

    async def reach(self, timeout: float) -> Metadata:
        """Wait until the PV is found, but not for a value, which the IOC may not send.

        Args:
            timeout: Seconds.

        Returns:
            The PV's metadata.

        Raises:
            NotConnectedError: No IOC has answered in time.
            OverloadedError: The memory limit is reached.
            RefusedError: The PV cannot be read, and its metadata is unknown.
        """
        try:
            await self._arrival.addTimeout(timeout, self._clock)
        except DeferredTimeoutError:
            raise NotConnectedError(f"no IOC answered within {timeout:g} s") from None
        if self.pv.described is None:
            if self.pv.refusal is not None:
                raise RefusedError(self.pv.refusal)
            raise NotConnectedError("no IOC serves it now")
        return self.described

    def give_up(self, error: Exception) -> None:
        """Make a waiting `reach` fail with an error."""
        if not self._arrival.called:
            self._arrival.errback(error)

    @property
    def described(self) -> Metadata:
        """The PV's current metadata."""
        assert self.pv.described is not None
        return self.pv.described

    async def get(self, timeout: float) -> Reading:
        """Read the current value from the IOC.

        Args:
            timeout: Seconds.

        Raises:
            AccessError: The IOC grants no read access.
            NotConnectedError: The PV is disconnected.
            PVTimeoutError: The IOC has not answered in time.
            RefusedError: The IOC refuses to send the value.
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
        """Return the newest update, or read it from the IOC; None if that fails.

        Args:
            timeout: Seconds.
        """
        if self.pv.latest is not None:
            return self.pv.latest
        try:
            return await self.get(timeout)
        except PVError:
            return None

    def put(
        self, value: Any, wait: bool, timeout: float, requester: Requester | None = None
    ) -> Deferred[None]:
        """Check a value and write it.

        Args:
            value: A number, a string, a bool, or a list of them. It is not kept after the call.
            wait: Whether to wait until the record has finished processing.
            timeout: Seconds.
            requester: The client that requests the write, if known.

        Returns:
            A Deferred that fires when the record has finished, or without `wait` when the value
            was sent. It fails with AccessError, BadValueError (nothing was written),
            PutFailedError or PVTimeoutError.
        """
        metadata = self.pv.described
        if metadata is None or metadata.write_access is False:
            return fail(AccessError("the IOC grants no write access"))
        writing: Deferred[None]
        if requester is not None and IAuthorizingHandle.providedBy(self._handle):
            writing = self._handle.put_for(requester, value, wait)
        else:
            writing = self._handle.put(value, wait)
        done = writing.addTimeout(timeout, self._clock)

        def timed_out(failure: Failure) -> Failure:
            # Not `trap`, which would raise it again: its frames would form a reference cycle.
            if not failure.check(DeferredTimeoutError):
                return failure
            text = f"the record, or an earlier write to it, has not finished within {timeout:g} s"
            raise PVTimeoutError(text)

        return done.addErrback(timed_out)

    def metadata(self, pv: PVState, metadata: Metadata) -> None:
        """Called with metadata."""
        self._check(pv)

    def connection(self, pv: PVState, connected: bool) -> None:
        """Called when the PV connects or disconnects."""
        self._check(pv)

    def reading(self, pv: PVState, reading: Reading) -> None:
        """Called with an update."""
        self._check(pv)

    def _check(self, pv: PVState) -> None:
        described = pv.described
        if pv.is_overloaded and not self._arrival.called:
            self._arrival.errback(OverloadedError())
        unreadable = pv.connected is False and described is not None and not described.read_access
        answered = pv.connected or pv.refusal is not None or unreadable
        if answered and not self._arrival.called:
            self._arrival.callback(None)
