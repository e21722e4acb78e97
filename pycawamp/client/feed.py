"""One PV of a client: its present state, and who listens."""

from __future__ import annotations

from collections.abc import Callable

from pycawamp.client import messages
from pycawamp.client.messages import Message
from pycawamp.client.subscriptions import Options, Subscription, strongest
from pycawamp.client.values import GatewayError, Update
from pycawamp.pv.values import Metadata


class Feed:
    """One PV of a client: asked for once, however many listen."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.requested: Options | None = None
        """What the gateway was asked for on this connection; None: nothing."""
        # Rebuilt on change, so that a round of calls is not disturbed by it.
        self.subscriptions: tuple[Subscription, ...] = ()
        self._is_refused = False
        self._connected: bool | None = None
        self._metadata: Metadata | None = None
        self._latest: Update | None = None
        self._expects_snapshot = False

    @property
    def wanted(self) -> Options | None:
        """What the gateway is to be asked for; None if nobody listens."""
        return strongest([each.options for each in self.subscriptions])

    def join(self, subscription: Subscription) -> None:
        """Have one more listen; it is told what is known."""
        self.subscriptions = (*self.subscriptions, subscription)
        if self._is_refused:
            # It may be allowed by now.
            self._is_refused, self.requested = False, None
        if self._connected is not None:
            subscription.connection(self._connected)
        if self.wanted != self.requested:
            # The answer to what has to be asked now brings the value, with all that this
            # one wants; what is still under way may lack some of it.
            subscription.await_announcement()
            return
        if self._metadata is not None:
            subscription.metadata(self._metadata)
        if self._latest is not None:
            subscription.update(self._latest, False, self._keeps_pace_for(subscription))

    def leave(self, subscription: Subscription) -> None:
        """Have one listen no more."""
        self.subscriptions = tuple(each for each in self.subscriptions if each is not subscription)

    def lose(self) -> None:
        """Take note that the gateway is gone, or not reached."""
        self._is_refused = False
        self.requested = None
        self._turn(False)

    def take(self, message: Message) -> None:
        """Take what the gateway says of the PV."""
        _TAKERS[message["msg_type"]](self, message)

    def fail(self, error: GatewayError) -> None:
        """Take note that the gateway refuses the PV; whoever joins has it asked again."""
        self._is_refused = True
        if self._connected and error.code != "rate_limited":
            # What was told until then was for a subscription that was taken back; but a rate
            # limit may refuse a change to one that goes on.
            self._turn(False)
        for subscription in self.subscriptions:
            subscription.error(error)

    def _connection(self, message: Message) -> None:
        connected = bool(message.get("conn"))
        self._is_refused = self._is_refused and not connected
        # Said again, it answers a request for more: a value follows that is no news.
        self._expects_snapshot = connected and self._connected is True
        self._turn(connected)

    def _turn(self, connected: bool) -> None:
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
            return  # It belongs to a request that was taken back since.
        self._latest = update = messages.update(message)
        is_snapshot, self._expects_snapshot = self._expects_snapshot, False
        for subscription in self.subscriptions:
            subscription.update(update, is_snapshot, self._keeps_pace_for(subscription))

    def _error(self, message: Message) -> None:
        self.fail(messages.error(message))

    def _keeps_pace_for(self, subscription: Subscription) -> bool:
        requested = self.requested
        return requested is not None and requested.max_rate == subscription.options.max_rate


_TAKERS: dict[str, Callable[[Feed, Message], None]] = {
    "connection": Feed._connection,
    "monitor": Feed._update,
    "metadata": Feed._described,
    "error": Feed._error,
}

MESSAGE_TYPES = frozenset(_TAKERS)
"""Of the messages that a feed takes."""
