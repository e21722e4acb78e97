"""Channel Access without a network: the test makes libca's callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pycawamp.pv.ca.backend import CABackend
from pycawamp.pv.ca.channel import Channel
from pycawamp.pv.ca.monitors import Monitor
from pycawamp.pv.event_queue import InboxLimits
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.values import Metadata
from tests.support.compiled import compiled
from tests.support.libca_events import PollingReactor, event_args


class OfflineCA:
    """A backend, and the inbox and the reactor that it needs."""

    def __init__(
        self, clock: PollingReactor, after_slice: Callable[[], None], is_compiled: bool
    ) -> None:
        self.clock = clock
        limits = InboxLimits(events=12)
        intake = compiled(limits) if is_compiled else None
        self.inbox = Inbox(clock, after_slice, limits, intake)
        self.inbox.open()
        # Never started, so libca is not called.
        self.backend = CABackend(clock, self.inbox)

    @property
    def channels(self) -> dict[str, Channel]:
        """The open channels by name."""
        return {channel.name: channel for channel in self.backend.registry.channels.values()}

    def connect(self, name: str, native: Metadata) -> None:
        """Report that libca has connected a channel, possibly with another type."""
        channel = self.channels[name]
        callbacks, registry = self.backend.callbacks, self.backend.registry
        before: tuple[Monitor, ...] = channel.at_libca.monitors
        monitors = callbacks.monitors(channel, native)
        if monitors is not before:
            for monitor in before:
                registry.forget(monitor.key)
                monitor.close()
            for monitor in monitors:
                registry.listen(monitor)
        self.inbox.post(channel.connect, (native, monitors))
        self.inbox.post(channel.set_access, (native.read_access, True))

    def event(self, name: str, raw: bytes, count: int, which: int, status: int = 1) -> None:
        """Report an event of libca for the value (-1) or the properties (0)."""
        monitor = self.channels[name].at_libca.monitors[which]
        args = event_args(monitor.key, raw, monitor.type, count, status)
        self.backend.callbacks.event(args)
        self.clock.poll()

    def post(self, name: str, method: str, news: Any) -> None:
        """Post a call to a channel that is not an event."""
        self.inbox.post(getattr(self.channels[name], method), news)

    def end(self) -> None:
        """Free all."""
        self.clock.advance(100)
        self.backend.registry.clear()
        self.inbox.close()
