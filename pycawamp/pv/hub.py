"""PVs by name: one channel for each, shared by all subscribers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from pycawamp.pv.delay import DelayLine
from pycawamp.pv.history import Histories
from pycawamp.pv.interfaces import IBackend, IChannelObserver, IHandle, ILimitedHandle, ISubscriber
from pycawamp.pv.pv import PV


@attrs.define(eq=False)
class Subscription:
    """A subscriber's subscription to a PV."""

    pv: PV
    _hub: PVHub
    _subscriber: ISubscriber | None

    def close(self) -> None:
        """Unsubscribe; the subscriber is no longer called."""
        # Dropped too, to break a reference cycle.
        subscriber, self._subscriber = self._subscriber, None
        if subscriber is not None:
            self._hub._leave(self.pv, subscriber)


@attrs.define(eq=False)
class _Channel:
    pv: PV
    handle: IHandle
    left: int = 0
    """Number of times that the last subscriber has left; identifies the newest linger time."""


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
        # One bound method for all PVs.
        self._seconds = clock.seconds
        self._on_found = self._found
        self._channels: dict[str, _Channel] = {}
        # Channels without subscribers that were not found; at a limit, they are closed first.
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
            pv = PV(name, self._on_found, self._seconds, history)
            handle = self._backend.open(name, pv)
            if ILimitedHandle.providedBy(handle):
                pv.limit_by(handle.limit)
            channel = self._channels[name] = _Channel(pv, handle)
        pv = channel.pv
        self._idle_searches.pop(name, None)
        pv.subscribers = (*pv.subscribers, subscriber)
        pv.reroute()
        try:
            pv.send_state(subscriber)
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
