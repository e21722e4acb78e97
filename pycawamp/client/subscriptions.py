"""A listener's subscription to a PV, and its options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pycawamp.client.listener import IListener
from pycawamp.client.values import GatewayError, History, Update
from pycawamp.pv.values import Metadata
from pycawamp.wire.dialect import ImageForm

Limit = TypeVar("Limit", int, float)


@attrs.frozen
class SubscriptionOptions:
    """What a subscription requests."""

    metadata: bool = True
    """Metadata, and the alarm with each update."""
    text: bool = False
    max_rate: float | None = None
    """Maximum updates per second; None: every update."""
    history: float = 0
    """Seconds of history before the first update."""
    points: int | None = None
    """Maximum number of samples in the history; None: as many as the gateway sends."""
    alarm_message: bool = False
    attributes: bool = False
    """Attributes of images."""
    image: ImageForm | None = None
    """How the gateway compresses images; None: not at all."""

    @property
    def on_wire(self) -> dict[str, Any]:
        """The keys of a request: what differs from the gateway's defaults."""
        return attrs.asdict(self, filter=lambda _, value: bool(value))

    @property
    def without_history(self) -> SubscriptionOptions:
        """The same, for a subscription that already has its history."""
        return attrs.evolve(self, history=0, points=None) if self.history else self


def strongest(options: Sequence[SubscriptionOptions]) -> SubscriptionOptions | None:
    """Return the options that satisfy all of these; None if there are none."""
    if not options:
        return None
    return SubscriptionOptions(
        metadata=any(each.metadata for each in options),
        text=any(each.text for each in options),
        max_rate=_highest([each.max_rate for each in options]),
        history=max(each.history for each in options),
        points=_highest([each.points for each in options if each.history]),
        alarm_message=any(each.alarm_message for each in options),
        attributes=any(each.attributes for each in options),
        image=_finest([each.image for each in options]),
    )


def _highest(limits: Sequence[Limit | None]) -> Limit | None:
    """Return the highest limit; None (no limit) if any of them is None."""
    known = [limit for limit in limits if limit is not None]
    return max(known) if known and len(known) == len(limits) else None


def _finest(forms: Sequence[ImageForm | None]) -> ImageForm | None:
    """Return the form with the least loss of quality."""
    known = [form for form in forms if form is not None]
    if len(known) < len(forms):
        return None
    return ImageForm(max(form.jpeg for form in known), _highest([form.max for form in known]))


class Subscription:
    """A listener's subscription to a PV. Created by `GatewayClient.subscribe`."""

    _log = Logger()

    def __init__(
        self,
        name: str,
        listener: IListener,
        options: SubscriptionOptions,
        clock: IReactorTime,
        leave: Callable[[Subscription], None],
    ) -> None:
        self.name = name
        self.options = options
        self._listener = listener
        self._leave = leave
        self._throttle = UpdateThrottle(clock, options.max_rate, self._report)
        self._closed = False
        self._connected: bool | None = None
        self._metadata: Metadata | None = None
        self._newest: Update | None = None
        self._awaits_announcement = False
        self.awaits_history = options.history > 0
        """Whether its history has not arrived yet."""

    @property
    def due(self) -> SubscriptionOptions:
        """Return what to request: history only until it has arrived."""
        return self.options if self.awaits_history else self.options.without_history

    def close(self) -> None:
        """Unsubscribe; the listener is no longer called."""
        if not self._closed:
            self._closed = True
            self._throttle.clear()
            self._leave(self)

    # Called by the PV

    def await_announcement(self) -> None:
        """Ignore updates until the gateway reports again that the PV is connected."""
        self._awaits_announcement = True

    def connection(self, connected: bool, is_announced: bool = False) -> None:
        """Report that the PV is connected or disconnected, if that has changed."""
        self._awaits_announcement = self._awaits_announcement and not is_announced
        if connected is not self._connected:
            # A delayed update is the last of that connection.
            self._throttle.flush()
            self._connected, self._newest = connected, None
            self._call(self._listener.connection, connected)

    def metadata(self, metadata: Metadata) -> None:
        """Report metadata, if requested and changed."""
        if self.options.metadata and metadata != self._metadata:
            self._metadata = metadata
            self._call(self._listener.metadata, metadata)

    def update(self, update: Update, is_snapshot: bool, is_throttled: bool) -> None:
        """Report an update.

        Args:
            update: The update.
            is_snapshot: Whether it may repeat the last one, which is not reported again.
            is_throttled: Whether the gateway applies the `max_rate` already.
        """
        if self._awaits_announcement:
            return
        # The update would have arrived before.
        self.awaits_history = False
        if is_snapshot and not self._has_changed(update):
            return
        self._newest = update
        if is_throttled:
            self._report(update)
        else:
            self._throttle.take(update)

    def history(self, history: History) -> None:
        """Report what was before the first update, once for a connection to the gateway."""
        if self.awaits_history and not self._awaits_announcement:
            self.awaits_history = False
            self._call(self._listener.history, history)

    def lose(self) -> None:
        """Called when the connection to the gateway is lost: some history will be missing."""
        self.awaits_history = self.options.history > 0

    def error(self, error: GatewayError) -> None:
        """Report that the gateway refuses the PV. Later updates are reported nevertheless."""
        self._awaits_announcement = False
        self._call(self._listener.error, error)

    def _has_changed(self, update: Update) -> bool:
        newest = self._newest
        if newest is None or not update.repeats(newest):
            return True
        # The newest update may be the reply to another listener's request, with fewer options.
        alarm, before = ((each.severity, each.status) for each in (update, newest))
        brings_alarm = update.severity is not None and alarm != before
        return (self.options.metadata and brings_alarm) or any(
            getattr(self.options, key)
            and getattr(update, key) is not None
            and getattr(newest, key) is None
            for key in _ON_REQUEST
        )

    def _report(self, update: Update) -> None:
        self._call(self._listener.update, update)

    def _call(self, method: Callable[[str, Any], None], value: Any) -> None:
        if self._closed:
            return
        try:
            method(self.name, value)
        except Exception:
            self._log.failure("A listener of {name} failed", name=self.name)


_ON_REQUEST = ("text", "alarm_message", "attributes")
"""Members that updates have only if they were requested."""


class UpdateThrottle:
    """Limits updates per second: the first is delivered immediately, then the newest."""

    def __init__(
        self, clock: IReactorTime, rate: float | None, deliver: Callable[[Update], None]
    ) -> None:
        self._clock = clock
        self._rate = rate
        self._deliver = deliver
        self._newest: Update | None = None
        self._pause: IDelayedCall | None = None

    def take(self, update: Update) -> None:
        """Deliver an update now, or when the pause is over."""
        if self._pause is not None:
            self._newest = update
        else:
            self._send(update)

    def flush(self) -> None:
        """Deliver the delayed update, and end the pause."""
        newest = self._newest
        self.clear()
        if newest is not None:
            self._deliver(newest)

    def clear(self) -> None:
        """Discard the delayed update, and end the pause."""
        self._newest = None
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _send(self, update: Update) -> None:
        if self._rate is not None:
            self._pause = self._clock.callLater(1 / self._rate, self._over)
        self._deliver(update)

    def _over(self) -> None:
        newest, self._newest, self._pause = self._newest, None, None
        if newest is not None:
            self._send(newest)
