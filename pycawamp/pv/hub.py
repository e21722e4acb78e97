"""PVs by name: one channel each, however many listen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pycawamp.pv.delay import DelayLine
from pycawamp.pv.interfaces import (
    DirectStream,
    IBackend,
    IChannelObserver,
    IHandle,
    IRoutedSink,
    IStreaming,
    ISubscriber,
    Route,
)
from pycawamp.pv.values import Metadata, Reading


@implementer(IRoutedSink)
class PV:
    """One PV: its present state, and who listens. Made by PVHub.subscribe only.

    A subscriber that fails is logged, and keeps nothing from the others.
    """

    _log = Logger()

    __slots__ = (
        "_latest",
        "_route",
        "connected",
        "described",
        "found",
        "is_overloaded",
        "name",
        "refusal",
        "subscribers",
    )

    def __init__(self, name: str, found: Callable[[str], None]) -> None:
        self.name = name
        self.found = found
        """Hears the name when an IOC has answered for it for the first time."""
        self.connected: bool | None = None
        """None while it was never found; False once it was lost, made unreadable or refused."""
        self.refusal: str | None = None
        """Why the IOC does not send the value, if it is there but refuses to."""
        self.described: Metadata | None = None
        """What the channel last said of itself."""
        self._latest: Reading | None = None
        self._route: Route | None = None
        self.is_overloaded = False
        """Whether there was no memory for its values."""
        # Rebuilt on change, so that a round of calls is not disturbed by it.
        self.subscribers: tuple[ISubscriber, ...] = ()

    @property
    def latest(self) -> Reading | None:
        """The newest update of this connection; None while not connected."""
        newest = self._route.take_newest() if self._route is not None else None
        if newest is not None:
            self._latest = newest
        return self._latest

    def routed(self, route: Route) -> None:
        """Take note of what may carry updates to streams without this."""
        self._route = route

    def reroute(self) -> None:
        """Take note that others want updates, or want them otherwise."""
        if self._route is not None:
            self._route.clear()

    def direct_streams(self) -> list[DirectStream] | None:
        """Return the streams that are all who hear updates; None if others do too."""
        direct: list[DirectStream] = []
        for subscriber in self.subscribers:
            streams = subscriber.direct_streams() if IStreaming.providedBy(subscriber) else None
            if streams is None:
                return None
            direct += streams
        return direct

    def metadata(self, metadata: Metadata) -> None:
        """Take what the channel says of itself."""
        self.described = metadata
        for subscriber in self.subscribers:
            try:
                subscriber.metadata(self, metadata)
            except Exception:
                self._failed()

    def connection(self, connected: bool) -> None:
        """Take note that the channel connected or was lost."""
        self.refusal = None
        self._turn(connected)

    def refused(self, reason: str) -> None:
        """Take note that the IOC does not send the value, and why."""
        self.refusal = reason
        self._turn(False)

    def _turn(self, connected: bool) -> None:
        if self.connected is None:
            self.found(self.name)
        self.connected = connected
        self._latest = None
        if self._route is not None:
            self._route.forget_newest()
        for subscriber in self.subscribers:
            try:
                subscriber.connection(self, connected)
            except Exception:
                self._failed()

    def reading(self, reading: Reading) -> None:
        """Take one update."""
        self._latest = reading
        for subscriber in self.subscribers:
            try:
                subscriber.reading(self, reading)
            except Exception:
                self._failed()

    def overloaded(self) -> None:
        """Take note that there is no memory for its values; told with the metadata, once more."""
        self.is_overloaded = True
        if self.described is not None:
            self.metadata(self.described)

    def _failed(self) -> None:
        self._log.failure("A subscriber of {pv} failed", pv=self.name)

    def tell(self, subscriber: ISubscriber) -> None:
        """Tell one subscriber the present state, in the calls that changes come by."""
        if self.described is not None:
            subscriber.metadata(self, self.described)
        if self.connected is not None:
            subscriber.connection(self, self.connected)
        latest = self.latest
        if latest is not None:
            subscriber.reading(self, latest)


@attrs.define(eq=False)
class Subscription:
    """One subscriber's hold on one PV."""

    pv: PV
    _hub: PVHub
    _subscriber: ISubscriber | None

    def close(self) -> None:
        """End it; the subscriber hears no more of the PV."""
        # Let go of too: it holds this in its turn, and both would wait for the collector.
        subscriber, self._subscriber = self._subscriber, None
        if subscriber is not None:
            self._hub._leave(self.pv, subscriber)


@attrs.define(eq=False)
class _Channel:
    pv: PV
    handle: IHandle
    left: int = 0
    """How often the last subscriber has left: tells whether a linger is still the newest."""


class PVHub(Service):
    """Opens a channel for the first subscriber of a name and shares it with all others.

    When the last one has left, the channel lingers for `linger` seconds, so that a
    reloaded page finds it open, and is then freed, subscription and channel.
    """

    def __init__(self, clock: IReactorTime, backend: IBackend, linger: float = 10.0) -> None:
        self._backend = backend
        self._channels: dict[str, _Channel] = {}
        # Not found yet, and nobody waits for them: the first to go where room is needed.
        self._idle_searches: dict[str, None] = {}
        self.observers: list[IChannelObserver] = []
        self._lingering: DelayLine[tuple[_Channel, int]] = DelayLine(clock, linger, self._expire)

    def startService(self) -> None:
        """Start the backend: after twistd's fork, as Channel Access demands."""
        super().startService()  # type: ignore[no-untyped-call]
        self._backend.start()

    def stopService(self) -> Deferred[None]:
        """Free every channel; fires when the backend is gone."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._lingering.clear()
        self._idle_searches.clear()
        self._channels.clear()
        return self._backend.stop()

    def subscribe(self, name: str, subscriber: ISubscriber) -> Subscription:
        """Have a subscriber hear of a PV, its present state first; searches if need be."""
        channel = self._channels.get(name)
        if channel is None:
            pv = PV(name, self._found)
            channel = self._channels[name] = _Channel(pv, self._backend.open(name, pv))
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
        """The backend's handle on a PV that has a subscriber."""
        return self._channels[name].handle

    def find(self, name: str) -> PV | None:
        """The PV of an open channel."""
        channel = self._channels.get(name)
        return channel.pv if channel is not None else None

    def close_unused(self, name: str) -> None:
        """Free a channel that nobody listens to, without linger."""
        channel = self._channels.get(name)
        if channel is not None:
            self._close_unused(channel)

    @property
    def names(self) -> list[str]:
        """The names of all open channels, the lingering ones included."""
        return list(self._channels)

    def __contains__(self, name: object) -> bool:
        return name in self._channels

    def __len__(self) -> int:
        return len(self._channels)

    def has_found(self, name: str) -> bool:
        """Whether the name's channel is open and an IOC has answered for it once."""
        channel = self._channels.get(name)
        return channel is not None and channel.pv.connected is not None

    def close_idle(self, names: Iterable[str]) -> None:
        """Close the channels of these names that only linger."""
        for name in names:
            channel = self._channels.get(name)
            if channel is not None and not channel.pv.subscribers:
                self._close(channel)

    def close_idle_searches(self, number: int) -> int:
        """Close up to so many channels that only linger and were never found; how many."""
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
        for observer in self.observers:
            observer.closed(name)
