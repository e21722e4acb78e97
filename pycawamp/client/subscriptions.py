"""Subscriptions by name: the gateway is asked once, however many listen here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pycawamp.client.listening import IListener
from pycawamp.client.values import GatewayError, Update
from pycawamp.pv.values import Metadata


@attrs.frozen
class Options:
    """What one subscription asks for."""

    metadata: bool = True
    """Metadata, and the alarm with each update."""
    text: bool = False
    max_rate: float | None = None
    """Updates per second; None: every one."""


def strongest(options: Sequence[Options]) -> Options | None:
    """What has to be asked for to serve all of them; None if there are none."""
    if not options:
        return None
    rates = [each.max_rate for each in options if each.max_rate is not None]
    return Options(
        metadata=any(each.metadata for each in options),
        text=any(each.text for each in options),
        max_rate=max(rates) if len(rates) == len(options) else None,
    )


class Subscription:
    """One listener's hold on one PV. Made by GatewayClient.subscribe."""

    _log = Logger()

    def __init__(
        self,
        name: str,
        listener: IListener,
        options: Options,
        clock: IReactorTime,
        leave: Callable[[Subscription], None],
    ) -> None:
        self.name = name
        self.options = options
        self._listener = listener
        self._leave = leave
        self._pace = Pace(clock, options.max_rate, self._hear)
        self._closed = False
        self._connected: bool | None = None
        self._metadata: Metadata | None = None
        self._newest: Update | None = None
        self._awaits_announcement = False

    def close(self) -> None:
        """End it: the listener hears nothing more."""
        if not self._closed:
            self._closed = True
            self._pace.clear()
            self._leave(self)

    # What the feed tells

    def await_announcement(self) -> None:
        """Pass over updates until the gateway says anew that the PV is connected."""
        self._awaits_announcement = True

    def connection(self, connected: bool, is_announced: bool = False) -> None:
        """Tell whether the PV is connected, unless that was told."""
        self._awaits_announcement = self._awaits_announcement and not is_announced
        if connected is not self._connected:
            # What was kept back is the last there is of that connection.
            self._pace.flush()
            self._connected, self._newest = connected, None
            self._call(self._listener.connection, connected)

    def metadata(self, metadata: Metadata) -> None:
        """Tell metadata, if asked for and new."""
        if self.options.metadata and metadata != self._metadata:
            self._metadata = metadata
            self._call(self._listener.metadata, metadata)

    def update(self, update: Update, is_snapshot: bool, is_paced: bool) -> None:
        """Tell an update; a snapshot only if it is news. Paced: the gateway keeps the rate."""
        if self._awaits_announcement or (is_snapshot and not self._is_news(update)):
            return
        self._newest = update
        if is_paced:
            self._hear(update)
        else:
            self._pace.take(update)

    def error(self, error: GatewayError) -> None:
        """Tell that the gateway refuses the PV; what it sends all the same is not withheld."""
        self._awaits_announcement = False
        self._call(self._listener.error, error)

    def _is_news(self, update: Update) -> bool:
        newest = self._newest
        if newest is None or not update.repeats(newest):
            return True
        # The newest may answer the request of another listener, who had asked for less.
        alarm, before = ((each.severity, each.status) for each in (update, newest))
        brings_alarm = update.severity is not None and alarm != before
        brings_text = update.text is not None and newest.text is None
        return (self.options.metadata and brings_alarm) or (self.options.text and brings_text)

    def _hear(self, update: Update) -> None:
        self._call(self._listener.update, update)

    def _call(self, method: Callable[[str, Any], None], value: Any) -> None:
        if self._closed:
            return
        try:
            method(self.name, value)
        except Exception:
            self._log.failure("A listener to {name} failed", name=self.name)


class Pace:
    """Lets through so many updates per second: the first at once, then the newest."""

    def __init__(
        self, clock: IReactorTime, rate: float | None, deliver: Callable[[Update], None]
    ) -> None:
        self._clock = clock
        self._rate = rate
        self._deliver = deliver
        self._newest: Update | None = None
        self._pause: IDelayedCall | None = None

    def take(self, update: Update) -> None:
        """Deliver an update, now or when the pause is over."""
        if self._pause is not None:
            self._newest = update
        else:
            self._send(update)

    def flush(self) -> None:
        """Deliver what was kept back, and start anew."""
        newest = self._newest
        self.clear()
        if newest is not None:
            self._deliver(newest)

    def clear(self) -> None:
        """Forget what was kept back."""
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
