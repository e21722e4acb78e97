"""All PVs to which a client is subscribed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pycawamp.client.listener import IListener
from pycawamp.client.messages import Message
from pycawamp.client.subscribed import MESSAGE_TYPES, SubscribedPV
from pycawamp.client.subscriptions import Subscription, SubscriptionOptions

MAX_NAMES = 1000
"""Maximum names in a request, well below the limits of a gateway."""


class SubscribedPVs:
    """All PVs to which a client is subscribed.

    Changes within one reactor iteration are sent to the gateway in few requests.
    """

    def __init__(
        self, reactor: IReactorTime, clock: IReactorTime, send: Callable[[Message], None]
    ) -> None:
        self._reactor = reactor
        self._clock = clock
        self._send = send
        self._pvs: dict[str, SubscribedPV] = {}
        self._changed: dict[str, SubscribedPV] = {}
        self._flushing: IDelayedCall | None = None
        self._is_open = False

    def subscribe(
        self, name: str, listener: IListener, options: SubscriptionOptions
    ) -> Subscription:
        """Subscribe to a PV, and report its state if it is known."""
        pv = self._pvs.setdefault(name, SubscribedPV(name))
        subscription = Subscription(name, listener, options, self._clock, self._leave)
        self._change(pv)
        pv.join(subscription)
        return subscription

    def opened(self) -> None:
        """Request all PVs on a new connection."""
        self._is_open = True
        self._changed.update(self._pvs)
        self._flush()

    def lost(self) -> None:
        """Called when the connection is lost, or an attempt to connect has failed."""
        self._stop()
        for pv in list(self._pvs.values()):
            pv.lose()

    def close(self) -> None:
        """End all subscriptions."""
        self._stop()
        for pv in list(self._pvs.values()):
            for subscription in pv.subscriptions:
                subscription.close()
        self._pvs.clear()

    def take(self, message: Message) -> bool:
        """Pass a message to its PV; return False if there is none."""
        pv = self._pvs.get(message.get("pvname", ""))
        if pv is None or not _is_of_subscription(message):
            return False
        pv.take(message)
        return True

    def reason(self, name: str) -> str | None:
        """Return why a PV is not connected, if the gateway has sent a reason."""
        pv = self._pvs.get(name)
        return pv.reason if pv is not None else None

    def _stop(self) -> None:
        """Send no requests, which would be lost."""
        self._is_open = False
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None

    def _leave(self, subscription: Subscription) -> None:
        pv = self._pvs[subscription.name]
        pv.leave(subscription)
        self._change(pv)

    def _change(self, pv: SubscribedPV) -> None:
        self._changed[pv.name] = pv
        if self._is_open and self._flushing is None:
            self._flushing = self._reactor.callLater(0, self._flush)

    def _flush(self) -> None:
        self._flushing = None
        changed, self._changed = self._changed, {}
        groups: dict[SubscriptionOptions | None, list[str]] = {}
        for pv in changed.values():
            needed = pv.needed
            if needed != pv.requested:
                pv.requested = needed
                groups.setdefault(needed, []).append(pv.name)
            if needed is None:
                self._pvs.pop(pv.name, None)
        for options, names in groups.items():
            for message in _requests(options, names):
                self._send(message)


def _is_of_subscription(message: Message) -> bool:
    """Return whether it is not a reply. Replies to requests that have timed out have an id."""
    is_for_connect = message.get("action", "connect") == "connect"
    return message.get("msg_type") in MESSAGE_TYPES and "id" not in message and is_for_connect


def _requests(options: SubscriptionOptions | None, names: list[str]) -> Iterator[dict[str, Any]]:
    keys = {"action": "disconnect"} if options is None else {"action": "connect", **options.on_wire}
    for start in range(0, len(names), MAX_NAMES):
        some = names[start : start + MAX_NAMES]
        # A single name is sent as in Version 1, for gateways of that version.
        yield {**keys, "pv": some[0]} if len(some) == 1 else {**keys, "pvs": some}
