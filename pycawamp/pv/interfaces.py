"""The seams of the EPICS side: where values come from, and who hears of them."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred
from zope.interface import Interface

from pycawamp.pv.values import Metadata, Reading


class PVState(Protocol):
    """A PV as its subscribers see it: what was last heard of it."""

    @property
    def name(self) -> str:
        """The name of its channel."""

    @property
    def connected(self) -> bool | None:
        """None while it was never found; False once it was lost, made unreadable or refused."""

    @property
    def refusal(self) -> str | None:
        """Why the IOC does not send the value, if it is there but refuses to."""

    @property
    def described(self) -> Metadata | None:
        """What the channel last said of itself."""

    @property
    def latest(self) -> Reading | None:
        """The newest update of this connection; None while not connected."""

    @property
    def is_overloaded(self) -> bool:
        """Whether there was no memory for its values."""


class ISink(Interface):
    """Where a backend reports one channel. Called on the reactor only."""

    def metadata(metadata: Metadata) -> None:
        """Take what the channel says of itself: before it connects, and on each change."""

    def connection(connected: bool) -> None:
        """Take note that values can come (True) or cannot any more (False)."""

    def refused(reason: str) -> None:
        """Take note that the IOC is there but does not send the value, and why.

        As after `connection(False)`, no value comes until `connection(True)`.
        """

    def reading(reading: Reading) -> None:
        """Take one update; only while connected."""

    def overloaded() -> None:
        """Take note that there is no memory for the channel's values: none will come."""


class IHandle(Interface):
    """One open channel of a backend."""

    def close() -> None:
        """Free the channel; the sink hears nothing after this."""

    def get() -> Deferred[Reading]:
        """Ask for the present value.

        Fails with NotConnectedError, AccessError or RefusedError if it does not come.
        """

    def put(value: Any, wait: bool) -> Deferred[None]:
        """Write a value at once, or with `wait` after earlier writes with `wait`, in their order.

        `value` is what JSON has: a number, a string, a bool, or a list of them; it is not
        kept after the call. Fires when the record has finished processing (`wait`), or when
        the value was sent. Fails with BadValueError if the channel cannot take the value
        (nothing was written), or with PutFailedError.
        """


class IBackend(Interface):
    """A source of PVs. Nothing here blocks."""

    def start() -> None:
        """Begin; channels may be opened after this."""

    def stop() -> Deferred[None]:
        """Free everything; fires when it is gone."""

    def open(name: str, sink: ISink) -> IHandle:
        """Search for a channel for as long as the handle is open."""


class ISubscriber(Interface):
    """Who listens to a PV. Each call carries the PV, so that one object can hear many.

    The calls come on the reactor, in the IOC's order. On subscribing, the present
    state comes first, by the same calls.
    """

    def metadata(pv: PVState, metadata: Metadata) -> None:
        """Hear what the channel says of itself: before it connects, and on each change."""

    def connection(pv: PVState, connected: bool) -> None:
        """Hear that the PV is connected (True), or was lost (False).

        `pv.refusal` says why, if the IOC is there but does not send the value.
        """

    def reading(pv: PVState, reading: Reading) -> None:
        """Hear one update."""


class IChannelObserver(Interface):
    """Who keeps count of the hub's channels."""

    def found(name: str) -> None:
        """Hear that an IOC has answered for a name, for the first time since it was opened."""

    def closed(name: str) -> None:
        """Hear that a name's channel was closed."""
