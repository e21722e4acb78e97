"""PVs by name: one channel for each, shared by all subscribers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from time import time, time_ns
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pycawamp.pv.delay import DelayLine
from pycawamp.pv.history import NO_SAMPLES, Histories, Samples, Store
from pycawamp.pv.interfaces import (
    IBackend,
    IChannelObserver,
    IComputedSink,
    IHandle,
    ILimitedHandle,
    IRoutedSink,
    IStreaming,
    ISubscriber,
    PVState,
)
from pycawamp.pv.routes import DirectStream, Route
from pycawamp.pv.values import SEVERITIES, Metadata, Reading


@implementer(IRoutedSink, IComputedSink)
class PV:
    """A PV: its state and its subscribers. Created by `PVHub.subscribe` only.

    Exceptions of a subscriber are logged, and do not affect the others.
    """

    _log = Logger()

    __slots__ = (
        "_latest",
        "_limit",
        "_route",
        "_updates",
        "_updates_before",
        "changed",
        "connected",
        "described",
        "found",
        "history",
        "inputs",
        "is_overloaded",
        "last",
        "name",
        "refusal",
        "seconds",
        "since",
        "subscribers",
    )

    def __init__(
        self,
        name: str,
        found: Callable[[str], None],
        seconds: Callable[[], float] = lambda: 0.0,
        history: Store | None = None,
    ) -> None:
        self.name = name
        self.seconds = seconds
        """Returns the reactor's time."""
        self.since = seconds()
        """The reactor's time when it was last connected, lost, or opened."""
        self.found = found
        """Called with the name when an IOC answers for it for the first time."""
        self.connected: bool | None = None
        """None until it was found; False if it is disconnected, unreadable or refused."""
        self.changed = time()
        """UNIX seconds of the last change of `connected` or `refusal`."""
        self.refusal: str | None = None
        """Why the IOC refuses to send the value; None if it does not."""
        self.described: Metadata | None = None
        """The last known metadata."""
        self._latest: Reading | None = None
        self.last: Reading | None = None
        """While subscribers are told of a change of `connected`: the newest update before it."""
        self._route: Route | None = None
        self.history = history
        """Its recent samples; None if none are kept."""
        self._limit: Callable[[float | None], None] | None = None
        self._updates = 0
        self._updates_before = 0
        self.inputs: Sequence[PVState] = ()
        """The PVs that it is computed from; none, if it is no formula."""
        self.is_overloaded = False
        """Whether it gets no values because the memory limit is reached."""
        # Replaced on change, so that subscribers may subscribe and unsubscribe during calls.
        self.subscribers: tuple[ISubscriber, ...] = ()

    @property
    def latest(self) -> Reading | None:
        """The newest update of this connection; None while disconnected."""
        newest = self._route.take_newest() if self._route is not None else None
        if newest is not None:
            self._latest = newest
        return self._latest

    @property
    def updates(self) -> int:
        """Number of updates since it was opened."""
        return self._updates + (self._route.direct if self._route is not None else 0)

    @property
    def updates_of_connection(self) -> int:
        """Number of updates since it was connected."""
        return self.updates - self._updates_before

    def routed(self, route: Route) -> None:
        """Store the route of the following updates."""
        if route is not self._route:
            self._updates = self.updates - route.direct
            self._route = route
        if self.history is not None:
            route.keep(self.history)

    def kept(self) -> Samples:
        """Return its whole history, including the newest update."""
        return NO_SAMPLES if self.history is None else Samples.of(self.history.samples())

    def past(self, start: float) -> Samples:
        """Return its history from a time (UNIX seconds) on, without the newest update."""
        samples, latest = self.kept(), self.latest
        if latest is not None and samples.ends_with(latest):
            samples = samples[:-1]
        return samples.between(start, math.inf)

    def reroute(self) -> None:
        """Handle that its subscribers, or their use of updates, have changed."""
        if self._route is not None:
            self._route.clear()
        if self._limit is not None and self.subscribers:
            self._limit(self._highest_rate())

    def limit_by(self, limit: Callable[[float | None], None]) -> None:
        """Call a function with how many updates per second are needed, whenever that may change."""
        self._limit = limit

    def _highest_rate(self) -> float | None:
        highest = 0.0
        for subscriber in self.subscribers:
            rate = subscriber.highest_rate() if IStreaming.providedBy(subscriber) else None
            if rate is None:
                return None
            highest = max(highest, rate)
        return highest

    def redirect(self, stream: Any, cohort: Any) -> None:
        """Handle that a stream's updates go to another cohort."""
        if self._route is not None:
            self._route.redirect(stream, cohort)

    def direct_streams(self) -> list[DirectStream] | None:
        """Return the streams that get all updates; None if there are other subscribers too."""
        direct: list[DirectStream] = []
        for subscriber in self.subscribers:
            streams = subscriber.direct_streams() if IStreaming.providedBy(subscriber) else None
            if streams is None:
                return None
            direct += streams
        return direct

    def computed_from(self, inputs: Sequence[PVState]) -> None:
        """Store what it is computed from."""
        self.inputs = inputs

    def metadata(self, metadata: Metadata) -> None:
        """Store metadata, and notify subscribers."""
        self.described = metadata
        for subscriber in self.subscribers:
            try:
                subscriber.metadata(self, metadata)
            except Exception:
                self._failed()

    def connection(self, connected: bool) -> None:
        """Store that the channel is connected or disconnected, and notify subscribers."""
        self.refusal = None
        self._turn(connected)

    def refused(self, reason: str) -> None:
        """Store why the IOC refuses to send the value, and notify subscribers."""
        self.refusal = reason
        self._turn(False)

    def _turn(self, connected: bool) -> None:
        if self.connected is None:
            self.found(self.name)
        if self.history is not None and self.connected and not connected:
            self.history.append(_gap())
        self.connected = connected
        self.last, self._latest = self.latest, None
        self._updates_before = self.updates
        if self._route is not None:
            self._route.forget_newest()
        self.since = self.seconds()
        self.changed = time()
        for subscriber in self.subscribers:
            try:
                subscriber.connection(self, connected)
            except Exception:
                self._failed()
        self.last = None

    def reading(self, reading: Reading) -> None:
        """Store an update, and notify subscribers."""
        self._latest = reading
        history = self.history
        if history is not None:
            history.append(reading)
        self._updates += 1
        for subscriber in self.subscribers:
            try:
                subscriber.reading(self, reading)
            except Exception:
                self._failed()

    def overloaded(self) -> None:
        """Store that there is no memory for its values, and notify subscribers by `metadata`."""
        self.is_overloaded = True
        if self.described is not None:
            self.metadata(self.described)

    def _failed(self) -> None:
        self._log.failure("A subscriber of {pv} failed", pv=self.name)

    def close(self) -> None:
        """Delete the history: the channel is closed."""
        if self.history is not None:
            self.history.close()

    def tell(self, subscriber: ISubscriber) -> None:
        """Notify a subscriber of the current state."""
        if self.described is not None:
            subscriber.metadata(self, self.described)
        if self.connected is not None:
            subscriber.connection(self, self.connected)
        latest = self.latest
        if latest is not None:
            subscriber.reading(self, latest)


def _gap() -> Reading:
    """Return the history entry for a disconnection: no value, with the worst severity."""
    seconds, nanoseconds = divmod(time_ns(), 10**9)
    return Reading(0, len(SEVERITIES) - 1, seconds, nanoseconds, None)


@attrs.define(eq=False)
class Subscription:
    """A subscriber's subscription to a PV."""

    pv: PV
    _hub: PVHub
    _subscriber: ISubscriber | None

    def close(self) -> None:
        """Unsubscribe; the subscriber is not called any more."""
        # Dropped too, to break a reference cycle.
        subscriber, self._subscriber = self._subscriber, None
        if subscriber is not None:
            self._hub._leave(self.pv, subscriber)


@attrs.define(eq=False)
class _Channel:
    pv: PV
    handle: IHandle
    left: int = 0
    """Number of times that the last subscriber has left; tells which linger is the newest."""


class PVHub(Service):
    """Opens a channel for the first subscriber to a name, and shares it with the others.

    Without subscribers, a channel stays open for a while, so that a reloaded page finds it open.

    Args:
        clock: The reactor.
        backend: Opens channels.
        linger: Seconds for which a channel stays open after its last subscriber has left.
        histories: Creates the history of each PV; None: no history is kept.
    """

    def __init__(
        self,
        clock: IReactorTime,
        backend: IBackend,
        linger: float = 10.0,
        histories: Histories | None = None,
    ) -> None:
        self._backend = backend
        self._histories = histories
        # Bound once, for all PVs.
        self._seconds = clock.seconds
        self._tell_found = self._found
        self._channels: dict[str, _Channel] = {}
        # Channels without subscribers that were not found: the first to be closed at limits.
        self._idle_searches: dict[str, None] = {}
        self.observers: list[IChannelObserver] = []
        self._lingering: DelayLine[tuple[_Channel, int]] = DelayLine(clock, linger, self._expire)

    def startService(self) -> None:
        """Start the backend. Its threads must be created after twistd's fork."""
        super().startService()  # type: ignore[no-untyped-call]
        self._backend.start()

    def stopService(self) -> Deferred[None]:
        """Close all channels; fires when the backend has stopped."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._lingering.clear()
        self._idle_searches.clear()
        for channel in self._channels.values():
            channel.pv.close()
        self._channels.clear()
        return self._backend.stop()

    def subscribe(self, name: str, subscriber: ISubscriber) -> Subscription:
        """Subscribe to a PV. The subscriber is first called with the current state, if known.

        Args:
            name: The name of the channel, with its scheme unless that is the default.
            subscriber: An object that provides ISubscriber.

        Returns:
            A subscription; call its `close()` to unsubscribe.
        """
        channel = self._channels.get(name)
        if channel is None:
            history = self._histories.open() if self._histories is not None else None
            pv = PV(name, self._tell_found, self._seconds, history)
            handle = self._backend.open(name, pv)
            if ILimitedHandle.providedBy(handle):
                pv.limit_by(handle.limit)
            channel = self._channels[name] = _Channel(pv, handle)
        pv = channel.pv
        self._idle_searches.pop(name, None)
        pv.subscribers = (*pv.subscribers, subscriber)
        pv.reroute()
        try:
            pv.tell(subscriber)
        except Exception:
            self._leave(pv, subscriber)
            raise
        return Subscription(pv, self, subscriber)

    def handle(self, name: str) -> IHandle:
        """Return the backend's handle of a PV that has a subscriber."""
        return self._channels[name].handle

    def find(self, name: str) -> PV | None:
        """Return the PV of an open channel, or None."""
        channel = self._channels.get(name)
        return channel.pv if channel is not None else None

    def close_unused(self, name: str) -> None:
        """Close a channel without subscribers immediately."""
        channel = self._channels.get(name)
        if channel is not None:
            self._close_unused(channel)

    @property
    def pvs(self) -> list[PV]:
        """The PVs of all open channels, including those without subscribers."""
        return [channel.pv for channel in self._channels.values()]

    @property
    def names(self) -> list[str]:
        """The names of all open channels, including those without subscribers."""
        return list(self._channels)

    def __iter__(self) -> Iterator[PV]:
        """Iterate over the PVs of all open channels, including those without subscribers."""
        return (channel.pv for channel in self._channels.values())

    def __contains__(self, name: object) -> bool:
        return name in self._channels

    def __len__(self) -> int:
        return len(self._channels)

    def has_found(self, name: str) -> bool:
        """Return whether a channel is open and an IOC has answered for its name."""
        channel = self._channels.get(name)
        return channel is not None and channel.pv.connected is not None

    def close_idle(self, names: Iterable[str]) -> None:
        """Close the channels with these names that have no subscribers."""
        for name in names:
            channel = self._channels.get(name)
            if channel is not None and not channel.pv.subscribers:
                self._close(channel)

    def close_idle_searches(self, number: int) -> int:
        """Close at most this many channels that have no subscribers and were never found.

        Returns:
            The number of closed channels.
        """
        names = list(islice(self._idle_searches, number))
        self.close_idle(names)
        return len(names)

    def _found(self, name: str) -> None:
        self._idle_searches.pop(name, None)
        for observer in self.observers:
            observer.found(name)

    def _leave(self, pv: PV, subscriber: ISubscriber) -> None:
        others = list(pv.subscribers)
        if subscriber not in others:
            return
        others.remove(subscriber)
        pv.subscribers = tuple(others)
        pv.reroute()
        channel = self._channels.get(pv.name)
        if not others and channel is not None:
            channel.left += 1
            if pv.connected is None:
                self._idle_searches[pv.name] = None
            self._lingering.put((channel, channel.left))

    def _expire(self, item: tuple[_Channel, int]) -> None:
        channel, left = item
        if channel.left == left:
            self._close_unused(channel)

    def _close_unused(self, channel: _Channel) -> None:
        is_open = self._channels.get(channel.pv.name) is channel
        if is_open and not channel.pv.subscribers:
            self._close(channel)

    def _close(self, channel: _Channel) -> None:
        name = channel.pv.name
        del self._channels[name]
        self._idle_searches.pop(name, None)
        channel.handle.close()
        channel.pv.close()
        for observer in self.observers:
            observer.closed(name)
