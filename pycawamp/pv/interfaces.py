"""The seams of the EPICS side: where values come from, and who hears of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from pycawamp.pv.ca.encode import Write
    from pycawamp.pv.hub import PV
    from pycawamp.pv.values import Metadata, Reading


class ISink(Interface):
    """Where a backend reports one channel. Called on the reactor only."""

    def metadata(metadata: Metadata) -> None:
        """Take what the channel says of itself: before it connects, and on each change."""

    def connection(connected: bool) -> None:
        """Take note that values can come (True) or cannot any more (False)."""

    def reading(reading: Reading) -> None:
        """Take one update; only while connected."""

    def refuse() -> None:
        """Take note that there is no memory for the channel's values: none will come."""


class IHandle(Interface):
    """One open channel of a backend."""

    def close() -> None:
        """Free the channel; the sink hears nothing after this."""

    def get() -> Deferred[Reading]:
        """Ask for the present value; fails with NotConnectedError if it cannot come."""

    def put(write: Write, wait: bool) -> Deferred[None]:
        """Write at once, or with `wait` after earlier writes with `wait`, in their order.

        Fires when the record has finished processing (wait), or when the write was sent;
        fails with PutFailedError.
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

    def metadata(pv: PV, metadata: Metadata) -> None:
        """Hear what the channel says of itself: before it connects, and on each change."""

    def connection(pv: PV, connected: bool) -> None:
        """Hear that the PV is connected (True), or was lost (False)."""

    def reading(pv: PV, reading: Reading) -> None:
        """Hear one update."""
