"""All PVs that a client is subscribed to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pycawamp.client.feed import MESSAGE_TYPES, Feed
from pycawamp.client.listening import IListener
from pycawamp.client.messages import Message
from pycawamp.client.subscriptions import Options, Subscription

MOST_NAMES = 1000
"""In one request: so it stays well below what a gateway takes."""


class Feeds:
    """All PVs that a client is subscribed to.

    What changes within one turn of the reactor goes to the gateway in few requests.
    """

    def __init__(
        self, reactor: IReactorTime, clock: IReactorTime, send: Callable[[Message], None]
    ) -> None:
        self._reactor = reactor
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
        self._change(feed)
        feed.join(subscription)
        return subscription

    def opened(self) -> None:
        """Ask for everything: the gateway knows nothing of this client."""
        self._is_open = True
        self._changed.update(self._feeds)
        self._flush()

    def lost(self) -> None:
        """Take note that the gateway is gone, or not reached."""
        self._stop()
        for feed in list(self._feeds.values()):
            feed.lose()

    def close(self) -> None:
        """End all subscriptions."""
        self._stop()
        for feed in list(self._feeds.values()):
            for subscription in feed.subscriptions:
                subscription.close()
        self._feeds.clear()

    def take(self, message: Message) -> bool:
        """Hand a message to the PV that it concerns; whether there is one."""
        feed = self._feeds.get(message.get("pvname", ""))
        if feed is None or not _is_of_subscription(message):
            return False
        feed.take(message)
        return True

    def _stop(self) -> None:
        """Ask for nothing more: it would be lost, and taken for asked."""
        self._is_open = False
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None

    def _leave(self, subscription: Subscription) -> None:
        feed = self._feeds[subscription.name]
        feed.leave(subscription)
        self._change(feed)

    def _change(self, feed: Feed) -> None:
        self._changed[feed.name] = feed
        if self._is_open and self._flushing is None:
            self._flushing = self._reactor.callLater(0, self._flush)

    def _flush(self) -> None:
        self._flushing = None
        changed, self._changed = self._changed, {}
        groups: dict[Options | None, list[str]] = {}
        for feed in changed.values():
            wanted = feed.wanted
            if wanted != feed.requested:
                feed.requested = wanted
                groups.setdefault(wanted, []).append(feed.name)
            if wanted is None:
                self._feeds.pop(feed.name, None)
        for options, names in groups.items():
            for message in _requests(options, names):
                self._send(message)


def _is_of_subscription(message: Message) -> bool:
    """Whether it belongs to no request; only a request of ours that was given up has an id here."""
    is_for_connect = message.get("action", "connect") == "connect"
    return message.get("msg_type") in MESSAGE_TYPES and "id" not in message and is_for_connect


def _requests(options: Options | None, names: list[str]) -> Iterator[dict[str, Any]]:
    asked = {"action": "disconnect"} if options is None else _connect(options)
    for start in range(0, len(names), MOST_NAMES):
        some = names[start : start + MOST_NAMES]
        # One name goes as in Version 1, so that a gateway of that version understands it.
        yield {**asked, "pv": some[0]} if len(some) == 1 else {**asked, "pvs": some}


def _connect(options: Options) -> dict[str, Any]:
    chosen = {key: value for key, value in attrs.asdict(options).items() if value}
    return {"action": "connect", **chosen}
