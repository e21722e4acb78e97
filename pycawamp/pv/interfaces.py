"""The seams of the EPICS side: where values come from, and who hears of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from zope.interface import Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from pycawamp.pv.hub import PV
    from pycawamp.pv.values import Metadata, Reading


class DirectStream(NamedTuple):
    """How a stream's updates are made without Python: the order is that of the C code.

    An update is `before_value`, the value, `before_time`, the time stamp, `after_time`, the
    alarm if it `has_alarm`, and `after_alarm`: as a WebSocket text frame if it `is_framed`.
    """

    cohort: Any
    buffer: Any
    """The cohort's compiled FrameBuffer."""
    stream: Any
    touch: Any
    """Called with the cohort when an update is the first in its buffer."""
    is_framed: bool
    before_value: bytes
    before_time: bytes
    after_time: bytes
    after_alarm: bytes
    has_alarm: bool


class Route(Protocol):
    """The way that a subscription's updates take: to the sink, or past it to streams.

    An update goes to the sink first. If the sink then tells streams, the next ones go to
    these, and the sink hears of none, until the route is cleared.
    """

    @property
    def is_direct(self) -> bool:
        """Whether updates go past the sink."""

    def clear(self) -> None:
        """Have the next update go to the sink, as who wants it, or how, has changed."""

    def take_newest(self) -> Reading | None:
        """Return the newest update that went past the sink, if none went to it since; once."""

    def forget_newest(self) -> None:
        """Have nothing to take."""


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


class IRoutedSink(ISink):
    """A sink past which updates may go."""

    def routed(route: Route) -> None:
        """Take note of what may carry updates past it from now on."""

    def direct_streams() -> list[DirectStream] | None:
        """Return the streams that are all who hear updates; None if others do too."""


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

    def metadata(pv: PV, metadata: Metadata) -> None:
        """Hear what the channel says of itself: before it connects, and on each change."""

    def connection(pv: PV, connected: bool) -> None:
        """Hear that the PV is connected (True), or was lost (False).

        `pv.refusal` says why, if the IOC is there but does not send the value.
        """

    def reading(pv: PV, reading: Reading) -> None:
        """Hear one update."""


class IStreaming(ISubscriber):
    """A subscriber whose updates may be made without Python."""

    def direct_streams() -> list[DirectStream] | None:
        """Return how to make them; None if it has to hear each update itself."""


class IChannelObserver(Interface):
    """Who keeps count of the hub's channels."""

    def found(name: str) -> None:
        """Hear that an IOC has answered for a name, for the first time since it was opened."""

    def closed(name: str) -> None:
        """Hear that a name's channel was closed."""
