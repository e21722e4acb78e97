"""The interfaces of backends and subscribers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import attrs
from twisted.internet.defer import Deferred
from zope.interface import Interface

from pycawamp.pv.history import Samples
from pycawamp.pv.routes import DirectStream, Route
from pycawamp.pv.values import Metadata, Reading


class PVState(Protocol):
    """The state of a PV, as passed to its subscribers."""

    @property
    def name(self) -> str:
        """The name of its channel."""

    @property
    def connected(self) -> bool | None:
        """None until it was found; False if it is disconnected, unreadable or refused."""

    @property
    def changed(self) -> float:
        """UNIX seconds of the last change of `connected` or `refusal`."""

    @property
    def refusal(self) -> str | None:
        """Why the IOC refuses to send the value; None if it does not."""

    @property
    def described(self) -> Metadata | None:
        """The last known metadata; None until it was found."""

    @property
    def latest(self) -> Reading | None:
        """The newest update of this connection; None while disconnected."""

    @property
    def last(self) -> Reading | None:
        """During notifications of a change of `connected`: the newest update before it."""

    @property
    def updates(self) -> int:
        """Number of updates since it was opened."""

    @property
    def updates_of_connection(self) -> int:
        """Number of updates since it was connected."""

    @property
    def is_overloaded(self) -> bool:
        """Whether it gets no values because the memory limit is reached."""

    @property
    def inputs(self) -> Sequence[PVState]:
        """The PVs that it is computed from; empty unless it is a formula."""

    def past(self, start: float) -> Samples:
        """Return its history from a time (UNIX seconds) on, without the newest update."""

    def reroute(self) -> None:
        """Handle that its subscribers, or their use of updates, have changed."""

    def redirect(self, stream: Any, cohort: Any) -> None:
        """Handle that a stream's updates go to another cohort."""


class ISink(Interface):
    """The callbacks of a channel, which its backend calls in the reactor thread."""

    def metadata(metadata: Metadata) -> None:
        """Called with metadata before `connection`, and on each change."""

    def connection(connected: bool) -> None:
        """Called when the channel becomes connected and readable (True), or not (False)."""

    def refused(reason: str) -> None:
        """Called with a reason when the IOC refuses to send the value.

        As after `connection(False)`, there are no updates until `connection(True)`.
        """

    def reading(reading: Reading) -> None:
        """Called with each update, only while connected."""

    def overloaded() -> None:
        """Called if there will be no updates because the memory limit is reached."""


class IRoutedSink(ISink):
    """A sink that updates can bypass."""

    def routed(route: Route) -> None:
        """Called with the route of the following updates, before `connection`."""

    def direct_streams() -> list[DirectStream] | None:
        """Return the streams that get all updates; None if there are other subscribers too."""


class IComputedSink(ISink):
    """A sink of a channel that may be computed from others."""

    def computed_from(inputs: Sequence[PVState]) -> None:
        """Called with the PVs that the channel is computed from, before anything else."""


class IHandle(Interface):
    """An open channel of a backend."""

    def close() -> None:
        """Close the channel; its sink is no longer called."""

    def get() -> Deferred[Reading]:
        """Read the current value.

        Returns:
            A Deferred of the reading. It fails with NotConnectedError, AccessError or
            RefusedError.
        """

    def put(value: Any, wait: bool) -> Deferred[None]:
        """Write a value.

        Writes with `wait` are executed one after another, others immediately.

        Args:
            value: A number, a string, a bool, or a list of them. It is not kept after the call.
            wait: Whether to wait until the record has finished processing.

        Returns:
            A Deferred that fires when the record has finished, or without `wait` when the value
            was sent. It fails with BadValueError (nothing was written) or PutFailedError.
        """


@attrs.frozen
class Requester:
    """The client that requests a write, and the name it used."""

    user: str | None
    """The user; None for an anonymous client."""
    host: str
    """The IP address; "" for a UNIX socket."""
    host_name: str | None
    pv: str
    """The PV's name in access rules: without the scheme, before aliases."""


class IAuthorizingHandle(IHandle):
    """A handle whose source decides about writes by the client that requests them."""

    def put_for(requester: Requester, value: Any, wait: bool) -> Deferred[None]:
        """Write a value for a client, like `IHandle.put`."""


class ILimitedHandle(IHandle):
    """A channel whose source can leave updates out."""

    def limit(rate: float | None) -> None:
        """Request at most this many updates per second, the newest ones; None: all."""


class IBackend(Interface):
    """A source of PVs. Its methods do not block."""

    def start() -> None:
        """Start; called before channels are opened."""

    def stop() -> Deferred[None]:
        """Close all channels; return a Deferred that fires when the backend has stopped."""

    def open(name: str, sink: ISink) -> IHandle:
        """Open a channel, which is searched for until it is closed.

        Args:
            name: The name of the channel, without the scheme of the backend.
            sink: Receives the events of the channel.
        """


class IHealthCheck(Interface):
    """A backend that may stop working without an error."""

    def check() -> Deferred[None]:
        """Return a Deferred that fires when the backend has shown that it works."""


class ISubscriber(Interface):
    """A subscriber to one or several PVs.

    The methods are called in the reactor thread, in the order of the IOC. On subscribing, they are
    first called with the current state.
    """

    def metadata(pv: PVState, metadata: Metadata) -> None:
        """Called with metadata before the PV connects, and on each change."""

    def connection(pv: PVState, connected: bool) -> None:
        """Called when the PV connects (True) or disconnects (False).

        `pv.refusal` is the reason if the IOC refuses to send the value.
        """

    def reading(pv: PVState, reading: Reading) -> None:
        """Called with each update."""


class IStreaming(ISubscriber):
    """A subscriber whose updates can be written without Python."""

    def direct_streams() -> list[DirectStream] | None:
        """Return how to write the updates; None if `reading` must be called for each."""

    def highest_rate() -> float | None:
        """Return how many updates per second are needed; None: all."""


class IChannelObserver(Interface):
    """An observer of the hub's channels."""

    def found(name: str) -> None:
        """Called when an IOC has answered for a name for the first time since it was opened."""

    def closed(name: str) -> None:
        """Called when a channel was closed."""
