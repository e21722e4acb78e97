"""The subscriptions of one channel: to its values, and to its units, limits and labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

from pycawamp.pv.ca import dbr, libca
from pycawamp.pv.inbox import Intake
from pycawamp.pv.routes import DirectStream, Route
from pycawamp.pv.values import Metadata, Reading


class Monitored(Protocol):
    """A channel, as its monitors see it."""

    monitors: tuple[Monitor, ...]
    """Those in force: what others still bring is of an earlier type, and ignored."""

    @property
    def is_readable(self) -> bool:
        """Whether it is connected, and the IOC grants read access."""

    def update(self, reading: Reading) -> None:
        """Take one update."""

    def refuse(self, refusal: libca.Refusal) -> None:
        """Handle that the IOC does not send the value."""

    def describe(self, raw: bytes) -> None:
        """Take DBR_CTRL bytes."""

    def go_undescribed(self, refusal: libca.Refusal) -> None:
        """Go on without units, limits and labels."""

    def direct_streams(self) -> list[DirectStream] | None:
        """Return the streams that `update` leads to, if it leads to nothing else."""


class Monitor(ABC):
    """One subscription at libca: what its callback needs, and who gets its bytes."""

    __slots__ = (
        "channel",
        "count",
        "event_id",
        "header",
        "key",
        "most",
        "reserved",
        "route",
        "type",
        "width",
    )

    mask: ClassVar[int]
    """Which events to be told of."""

    def __init__(
        self, channel: Monitored, key: int, request: libca.Request, header: int, width: int
    ) -> None:
        self.channel = channel
        self.key = key
        """What libca hands to the callback."""
        self.type, self.count, self.most = request
        """DBR type and count to ask for, and the most elements that an event can have."""
        self.header = header
        self.width = width
        """The DBR bytes are header + count * width long."""
        self.reserved = 0
        """Bytes of the largest value, if the memory budget counts it."""
        self.route: Route | None = None
        """What may carry its events to streams without Python."""
        self.event_id: int | None = None
        """libca's name for the subscription."""

    def close(self) -> None:
        """Receive nothing any more: libca has let it go."""
        if self.route is not None:
            self.route.close()

    @abstractmethod
    def receive(self, raw: bytes) -> None:
        """Take the DBR bytes of one event, on the reactor."""

    def failed(self, refusal: libca.Refusal) -> None:
        """Take an event without data, or with what cannot be the PV's."""
        # Without read access there is nothing to send; that is told with the rights.
        channel = self.channel
        is_news = refusal.status != libca.ECA_NORDACCESS or channel.is_readable
        if is_news and self in channel.monitors:
            self.refused(refusal)

    @abstractmethod
    def refused(self, refusal: libca.Refusal) -> None:
        """Handle a refusal of what was subscribed to."""


class ValueMonitor(Monitor):
    """The subscription to DBR_TIME: each update, and each change of the alarm."""

    __slots__ = ("_decode",)

    mask = libca.DBE_VALUE | libca.DBE_ALARM

    def __init__(
        self, channel: Monitored, key: int, native: Metadata, intake: Intake | None = None
    ) -> None:
        layout = dbr.TIME_LAYOUTS[native.type]
        request = libca.value_request(dbr.DBR_TYPES[native.type], native.count)
        super().__init__(channel, key, request, layout.offset, layout.width)
        self.reserved = native.size if native.is_large else 0
        self._decode = dbr.decoder(native.type, native.count)
        if intake is not None and not native.is_array:
            number = dbr.DBR_TYPES[native.type]
            self.route = intake.route(number, self, self._decode)

    def direct_streams(self) -> list[DirectStream] | None:
        """Return the streams that get its updates; None if the channel has to hear them."""
        channel = self.channel
        return channel.direct_streams() if self in channel.monitors else None

    def receive(self, raw: bytes) -> None:
        """Decode one update and hand it on."""
        channel = self.channel
        if self in channel.monitors:
            channel.update(self._decode(raw))

    def refused(self, refusal: libca.Refusal) -> None:
        """Hand on why there is no value."""
        self.channel.refuse(refusal)


class ControlMonitor(Monitor):
    """The subscription to DBR_CTRL: at once, and when units, limits or labels change."""

    __slots__ = ()

    mask = libca.DBE_PROPERTY

    def __init__(self, channel: Monitored, key: int, native: Metadata) -> None:
        request = libca.control_request(dbr.DBR_TYPES[native.type], native.count)
        super().__init__(channel, key, request, dbr.control_size(native.type), 0)

    def receive(self, raw: bytes) -> None:
        """Hand the DBR_CTRL bytes on."""
        if self in self.channel.monitors:
            self.channel.describe(raw)

    def refused(self, refusal: libca.Refusal) -> None:
        """Continue without metadata."""
        # Without read access the metadata is as it was; the event may come before the rights.
        if refusal.status != libca.ECA_NORDACCESS:
            self.channel.go_undescribed(refusal)
