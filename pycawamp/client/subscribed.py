"""A PV to which a client is subscribed: its state and listeners."""

from __future__ import annotations

from collections.abc import Callable

from pycawamp.client import messages
from pycawamp.client.messages import Message
from pycawamp.client.subscriptions import Subscription, SubscriptionOptions, strongest
from pycawamp.client.values import GatewayError, Update
from pycawamp.pv.values import Metadata


class SubscribedPV:
    """A PV to which a client is subscribed, once for all listeners."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.requested: SubscriptionOptions | None = None
        """What was requested from the gateway on this connection; None: nothing."""
        # Replaced on change, so that listeners may subscribe and unsubscribe during calls.
        self.subscriptions: tuple[Subscription, ...] = ()
        self.reason: str | None = None
        """Why it is not connected, as the gateway reported."""
        self._is_refused = False
        self._connected: bool | None = None
        self._metadata: Metadata | None = None
        self._latest: Update | None = None
        self._expects_snapshot = False

    @property
    def needed(self) -> SubscriptionOptions | None:
        """What has to be requested from the gateway; None without listeners."""
        return strongest([each.due for each in self.subscriptions])

    def join(self, subscription: Subscription) -> None:
        """Add a subscription, and report the current state to it."""
        self.subscriptions = (*self.subscriptions, subscription)
        if self._is_refused:
            # It may be allowed now.
            self._is_refused, self.requested = False, None
        if self._connected is not None:
            subscription.connection(self._connected)
        if self.needed != self.requested or subscription.awaits_history:
            # The reply to the next request has everything that this subscription needs. Updates
            # that were sent before may lack something.
            subscription.await_announcement()
            return
        if self._metadata is not None:
            subscription.metadata(self._metadata)
        if self._latest is not None:
            subscription.update(self._latest, False, self._has_rate_of(subscription))

    def leave(self, subscription: Subscription) -> None:
        """Remove a subscription."""
        self.subscriptions = tuple(each for each in self.subscriptions if each is not subscription)

    def lose(self) -> None:
        """Called when the connection is lost, or an attempt to connect has failed."""
        self._is_refused = False
        self.requested = None
        for subscription in self.subscriptions:
            subscription.lose()
        self._set_connected(False)

    def take(self, message: Message) -> None:
        """Handle a message about the PV."""
        _TAKERS[message["msg_type"]](self, message)

    def fail(self, error: GatewayError) -> None:
        """Report that the gateway refuses the PV. The next subscription requests it again."""
        self._is_refused = True
        if self._connected and error.code != "rate_limited":
            # The subscription has ended, unless a rate limit has refused a change of one that
            # continues.
            self._set_connected(False, error.message)
        for subscription in self.subscriptions:
            subscription.error(error)

    def _connection(self, message: Message) -> None:
        connected = bool(message.get("conn"))
        self._is_refused = self._is_refused and not connected
        # Sent again after a change of options; the same value follows.
        self._expects_snapshot = connected and self._connected is True
        self._set_connected(connected, message.get("reason"))

    def _set_connected(self, connected: bool, reason: str | None = None) -> None:
        self.reason = reason
        if not connected:
            self._latest = self._metadata = None
        self._connected = connected
        for subscription in self.subscriptions:
            subscription.connection(connected, is_announced=True)

    def _described(self, message: Message) -> None:
        self._metadata = metadata = messages.metadata(message)
        for subscription in self.subscriptions:
            subscription.metadata(metadata)

    def _update(self, message: Message) -> None:
        if not self._connected:
            return  # The update was sent before a disconnect.
        self._latest = update = messages.update(message)
        is_snapshot, self._expects_snapshot = self._expects_snapshot, False
        for subscription in self.subscriptions:
            subscription.update(update, is_snapshot, self._has_rate_of(subscription))
        self._settle_history()

    def _past(self, message: Message) -> None:
        history = messages.history(message)
        for subscription in self.subscriptions:
            subscription.history(history)
        self._settle_history()

    def _settle_history(self) -> None:
        """Once no subscription awaits history, another request need not include it."""
        requested = self.requested
        if requested is None or not requested.history:
            return
        if not any(each.awaits_history for each in self.subscriptions):
            self.requested = requested.without_history

    def _error(self, message: Message) -> None:
        self.fail(messages.error(message))

    def _has_rate_of(self, subscription: Subscription) -> bool:
        requested = self.requested
        return requested is not None and requested.max_rate == subscription.options.max_rate


_TAKERS: dict[str, Callable[[SubscribedPV, Message], None]] = {
    "connection": SubscribedPV._connection,
    "monitor": SubscribedPV._update,
    "metadata": SubscribedPV._described,
    "history": SubscribedPV._past,
    "error": SubscribedPV._error,
}

MESSAGE_TYPES = frozenset(_TAKERS)
"""Types of the messages about a PV."""
