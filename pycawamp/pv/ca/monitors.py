"""The subscriptions of a channel: to its values, and to its units, limits and labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

from pycawamp.pv.ca import dbr, libca
from pycawamp.pv.intake import Intake
from pycawamp.pv.routes import DirectStream, Route
from pycawamp.pv.values import Metadata, Reading


class Monitored(Protocol):
    """A channel, as seen by its monitors."""

    monitors: tuple[Monitor, ...]
    """The current monitors. Events of earlier ones are ignored."""

    @property
    def is_readable(self) -> bool:
        """Whether it is connected, and the IOC grants read access."""

    def update(self, reading: Reading) -> None:
        """Handle an update."""

    def refuse(self, refusal: libca.Refusal) -> None:
        """Handle that the IOC does not send the value."""

    def describe(self, raw: bytes) -> None:
        """Handle DBR_CTRL data."""

    def metadata_refused(self, refusal: libca.Refusal) -> None:
        """Continue without units, limits and labels."""

    def direct_streams(self) -> list[DirectStream] | None:
        """Return the streams for updates if these need nothing else, otherwise None."""


class Monitor(ABC):
    """A subscription of libca: the data that its callback needs, and the handler of events."""

    __slots__ = (
        "channel",
        "count",
        "event_id",
        "header",
        "key",
        "max_count",
        "reserved",
        "route",
        "type",
        "width",
    )

    mask: ClassVar[int]
    """The events to subscribe to (DBE_*)."""

    def __init__(
        self, channel: Monitored, key: int, request: libca.DBRRequest, header: int, width: int
    ) -> None:
        self.channel = channel
        self.key = key
        """The user data of the callback."""
        self.type, self.count, self.max_count = request
        """DBR type and element count to request, and the maximum element count of an event."""
        self.header = header
        self.width = width
        """Bytes per element; the data has header + count * width bytes."""
        self.reserved = 0
        """Bytes of the largest value, if the memory budget counts it."""
        self.route: Route | None = None
        """Can pass events to streams without Python."""
        self.event_id: int | None = None
        """The evid of the subscription in libca."""

    def close(self) -> None:
        """Ignore further events: the subscription is cleared."""
        if self.route is not None:
            self.route.close()

    @abstractmethod
    def receive(self, raw: bytes) -> None:
        """Handle the DBR data of an event, on the reactor."""

    def failed(self, refusal: libca.Refusal) -> None:
        """Handle an event without data, or with invalid data."""
        # Without read access there is nothing to send; the access rights report it.
        channel = self.channel
        is_reported = refusal.status != libca.ECA_NORDACCESS or channel.is_readable
        if is_reported and self in channel.monitors:
            self.refused(refusal)

    @abstractmethod
    def refused(self, refusal: libca.Refusal) -> None:
        """Handle that the IOC refuses the subscription's data."""


class ValueMonitor(Monitor):
    """The DBR_TIME subscription: values and alarms."""

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
        """Return the streams for its updates; None if the channel needs them."""
        channel = self.channel
        return channel.direct_streams() if self in channel.monitors else None

    def receive(self, raw: bytes) -> None:
        """Pass an update to the channel."""
        channel = self.channel
        if self in channel.monitors:
            channel.update(self._decode(raw))

    def refused(self, refusal: libca.Refusal) -> None:
        """Pass the refusal to the channel."""
        self.channel.refuse(refusal)


class ControlMonitor(Monitor):
    """The DBR_CTRL subscription: the metadata, first and on changes."""

    __slots__ = ()

    mask = libca.DBE_PROPERTY

    def __init__(self, channel: Monitored, key: int, native: Metadata) -> None:
        request = libca.control_request(dbr.DBR_TYPES[native.type], native.count)
        super().__init__(channel, key, request, dbr.control_size(native.type), 0)

    def receive(self, raw: bytes) -> None:
        """Pass metadata to the channel."""
        if self in self.channel.monitors:
            self.channel.describe(raw)

    def refused(self, refusal: libca.Refusal) -> None:
        """Continue without metadata."""
        # Without read access, the metadata is unchanged; the event may arrive before the rights.
        if refusal.status != libca.ECA_NORDACCESS:
            self.channel.metadata_refused(refusal)
