"""All PVs that a client is subscribed to, and what the gateway says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pycawamp.client import messages
from pycawamp.client.listening import IListener
from pycawamp.client.messages import Message
from pycawamp.client.subscriptions import Options, Subscription, strongest
from pycawamp.client.values import GatewayError, Update
from pycawamp.pv.values import Metadata

MOST_NAMES = 1000
"""In one request: it stays well below what a gateway takes."""


class Feed:
    """One PV: its present state, and who listens."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.requested: Options | None = None
        """What the gateway was asked for on this connection; None: nothing."""
        # Rebuilt on change, so that a round of calls is not disturbed by it.
        self.subscriptions: tuple[Subscription, ...] = ()
        self._connected: bool | None = None
        self._metadata: Metadata | None = None
        self._latest: Update | None = None
        self._expects_snapshot = False

    @property
    def wanted(self) -> Options | None:
        """What the gateway is to be asked for; None if nobody listens."""
        return strongest(each.options for each in self.subscriptions) if self.subscriptions else None

    def ask(self, options: Options | None) -> None:
        """Take note that the gateway is being asked: it will tell the present state again."""
        self._expects_snapshot = self.requested is not None
        self.requested = options

    def join(self, subscription: Subscription) -> None:
        """Have one more listen; it is told what is known."""
        self.subscriptions = (*self.subscriptions, subscription)
        if self._connected is not None:
            subscription.connection(self._connected)
        if self._metadata is not None:
            subscription.metadata(self._metadata)
        # If more has to be asked for, the answer brings the value, with all that was asked for.
        if self._latest is not None and self.wanted == self.requested:
            subscription.update(self._latest, False, self._is_paced(subscription))

    def leave(self, subscription: Subscription) -> None:
        """Have one listen no more."""
        self.subscriptions = tuple(each for each in self.subscriptions if each is not subscription)

    def connection(self, message: Message) -> None:
        """Take note that the PV was connected, or lost, or not found."""
        self._turn(bool(message["conn"]))

    def lose(self) -> None:
        """Take note that the gateway is gone."""
        self.requested = None
        if self._connected is not None:
            self._turn(False)
            self._connected = None

    def metadata(self, message: Message) -> None:
        """Take what the PV says of itself."""
        self._metadata = metadata = messages.metadata(message)
        for subscription in self.subscriptions:
            subscription.metadata(metadata)

    def update(self, message: Message) -> None:
        """Take an update."""
        if not self._connected:
            return  # It answers a request that was taken back since.
        self._latest = update = messages.update(message)
        is_snapshot, self._expects_snapshot = self._expects_snapshot, False
        for subscription in self.subscriptions:
            subscription.update(update, is_snapshot, self._is_paced(subscription))

    def error(self, message: Message) -> None:
        """Take note that the gateway refuses the PV."""
        error = messages.error(message)
        for subscription in self.subscriptions:
            subscription.error(error)

    def _turn(self, connected: bool) -> None:
        if not connected:
            self._latest = self._metadata = None
        self._connected = connected
        for subscription in self.subscriptions:
            subscription.connection(connected)

    def _is_paced(self, subscription: Subscription) -> bool:
        return self.requested is not None and (
            self.requested.max_rate == subscription.options.max_rate
        )


class Feeds:
    """All PVs that a client is subscribed to.

    What changes within one turn of the reactor goes to the gateway in few requests.
    """

    def __init__(self, clock: IReactorTime, send: Callable[[dict[str, Any]], None]) -> None:
        self._clock = clock
        self._send = send
        self._feeds: dict[str, Feed] = {}
        self._changed: dict[str, Feed] = {}
        self._flushing: IDelayedCall | None = None
        self._is_open = False

    def subscribe(self, name: str, listener: IListener, options: Options) -> Subscription:
        """Have a listener hear of a PV; it is told at once what is known."""
        feed = self._feeds.setdefault(name, Feed(name))
        subscription = Subscription(name, listener, options, self._clock, self._leave)
        feed.join(subscription)
        self._change(feed)
        return subscription

    def opened(self) -> None:
        """Ask for everything: the gateway knows nothing of this client."""
        self._is_open = True
        self._changed.update(self._feeds)
        self._flush()

    def lost(self) -> None:
        """Take note that the gateway is gone."""
        self._is_open = False
        for feed in list(self._feeds.values()):
            feed.lose()

    def close(self) -> None:
        """End all subscriptions."""
        self._is_open = False
        for feed in list(self._feeds.values()):
            for subscription in feed.subscriptions:
                subscription.close()
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None

    def take(self, message: Message) -> bool:
        """Hand a message to those whom it concerns; whether there is anybody."""
        feed = self._feeds.get(message.get("pvname", ""))
        handler = _HANDLERS.get(message.get("msg_type", ""))
        if handler is None:
            return False
        if feed is not None:
            handler(feed, message)
        return feed is not None or handler is not Feed.error

    def _leave(self, subscription: Subscription) -> None:
        feed = self._feeds[subscription.name]
        feed.leave(subscription)
        self._change(feed)

    def _change(self, feed: Feed) -> None:
        if feed.wanted == feed.requested and not feed.name in self._changed:
            return
        self._changed[feed.name] = feed
        if self._is_open and self._flushing is None:
            self._flushing = self._clock.callLater(0, self._flush)

    def _flush(self) -> None:
        if self._flushing is not None and self._flushing.active():
            self._flushing.cancel()
        self._flushing = None
        groups: dict[Options | None, list[str]] = {}
        for feed in self._changed.values():
            ...

_HANDLERS: dict[str, Callable[[Feed, Message], None]] = {
    "connection": Feed.connection,
    "monitor": Feed.update,
    "metadata": Feed.metadata,
    "error": Feed.error,
}
