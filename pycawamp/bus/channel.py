"""One PV of an edge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import numpy as np
from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from pycawamp.bus.link import Link
from pycawamp.pv.ca.dbr import DBR_TYPES, decoder
from pycawamp.pv.errors import BadValueError, NotConnectedError
from pycawamp.pv.intake import Intake
from pycawamp.pv.interfaces import IAuthorizingHandle, ILimitedHandle, IRoutedSink, ISink, Requester
from pycawamp.pv.routes import DirectStream, Route
from pycawamp.pv.values import Array, FieldType, Metadata, Reading

MOST_EARLY = 100
"""Updates of a new owner that are kept, and of those before the newest that are dropped."""
MOST_WAITS = 4
"""How often a new owner that is connected is waited for until it is level with the old one."""
NOBODY = Requester(None, "", None, "")


class Waits(Protocol):
    """What is to happen later."""

    def expect_state(self, channel: Channel) -> None:
        """Call `give_up` with the channel's present `expectation` after a while."""

    def expect_overlap(self, channel: Channel) -> None:
        """Call `end_overlap` with the channel's present next owner after a while."""


@implementer(IAuthorizingHandle, ILimitedHandle)
class Channel:
    """Brings what one or two ingests tell of a PV into the order that a sink expects.

    An orderly change of owner is not seen: the old one serves until an update of the new one is
    not newer than what was passed on, so that none is lost; those that are not newer are dropped.
    """

    __slots__ = (
        "_closed",
        "_described",
        "_early",
        "_intake",
        "_latest",
        "_next_metadata",
        "_old_ones",
        "_patience",
        "_sink",
        "_told",
        "_waits",
        "expectation",
        "name",
        "next",
        "number",
        "owner",
        "rate",
        "route",
        "slot",
    )

    def __init__(  # noqa: PLR0913, PLR0917 (what it is, and what it needs)
        self,
        name: str,
        number: int,
        slot: int,
        sink: ISink,
        waits: Waits,
        closed: Callable[[Channel], None],
        intake: Intake | None = None,
    ) -> None:
        self.name = name
        self.number = number
        self.slot = slot
        self.owner: Link | None = None
        """The ingest whose values count."""
        self.next: Link | None = None
        """The ingest that will be the owner, once it has told as much."""
        self.rate: float | None = None
        """The most updates per second that are wanted; None: all."""
        self.route: Route | None = None
        """The way of its owner's updates that need no Python, if there is one."""
        self.expectation: object | None = None
        """Set while the state has still to be told, since the owner is new."""
        self._sink = sink
        self._waits = waits
        self._closed = closed
        self._intake = intake
        self._told: bool | str | None = None
        self._described: Metadata | None = None
        self._next_metadata: Metadata | None = None
        self._early: list[Reading] | None = None
        self._latest: Reading | None = None
        self._old_ones = 0
        self._patience = 0

    # As a handle

    def close(self) -> None:
        """Ask for it no more."""
        for link in (self.owner, self.next):
            if link is not None:
                link.close(self)
        if self.route is not None:
            self.route.close()
        self.owner = self.next = self.expectation = self.route = None
        self._closed(self)

    def get(self) -> Deferred[Reading]:
        """Read the PV through its ingest."""
        if self.owner is None:
            return fail(NotConnectedError("no ingest serves it now"))
        return self.owner.get(self.name)

    def put(self, value: Any, wait: bool) -> Deferred[None]:
        """Write the PV through its ingest, without a user."""
        return self.put_for(NOBODY, value, wait)

    def put_for(self, requester: Requester, value: Any, wait: bool) -> Deferred[None]:
        """Write the PV through its ingest."""
        if self.owner is None:
            return fail(NotConnectedError("no ingest serves it now; nothing was written"))
        try:
            return self.owner.put(self.name, value, wait, requester)
        except BadValueError as error:
            return fail(error.with_traceback(None))

    def limit(self, rate: float | None) -> None:
        """Ask for so many updates per second at most; None: for all."""
        if rate == self.rate:
            return
        self.rate = rate
        for link in (self.owner, self.next):
            if link is not None:
                link.limit(self)

    # Whose it is

    def go_to(self, target: Link | None) -> None:
        """Ask an ingest for it; leave the present owner once that serves it."""
        if target is self.owner or target is None:
            self._cancel_next()
        elif self.owner is None:
            self.owner = target
            target.open(self)
            self.expect()
        elif target is not self.next:
            self._cancel_next()
            self.next = target
            self._look_at_updates()
            target.open(self)

    def lose(self, link: Link) -> None:
        """Handle that an ingest is gone."""
        if link is self.next:
            self._forget_next()
        elif link is self.owner:
            self.owner = None
            self._renew_route()
            if self.next is not None and self._early is not None:
                self.switch(self.next)
            elif self.next is not None:
                self.owner = self.next
                metadata = self._next_metadata
                self._forget_next()
                if metadata is not None:
                    self._describe(metadata)
                self.expect()

    def restarted(self, link: Link) -> None:
        """Handle that its state will be told anew, if the ingest knows it."""
        if link is self.owner:
            self._look_at_updates()
            self.expect()
        elif link is self.next:
            self._next_metadata = self._early = None

    def expect(self) -> None:
        """Show the last state until the new one is told, but not for long."""
        if self._told is not None and self._told is not False:
            self.expectation = object()
            self._waits.expect_state(self)

    def give_up(self, expectation: object | None) -> None:
        """Report that it is lost, if a state that was expected was not told."""
        if expectation is self.expectation:
            self._tell(False)

    def end_overlap(self, link: Link) -> None:
        """Make the next owner the owner, as it has had the time to get level."""
        if link is not self.next or self._early is None:
            return
        if self._patience:
            # It is not level: without the old owner there would be a gap.
            self._patience -= 1
            self._waits.expect_overlap(self)
        else:
            self.switch(link)

    def switch(self, link: Link) -> None:
        """Make the next owner the owner, if it still is the next one and serves the PV."""
        if link is not self.next or self._early is None:
            return
        before, self.owner = self.owner, link
        self._renew_route()
        early, metadata = self._early, self._next_metadata
        self._forget_next()
        if before is not None:
            before.close(self)
        if metadata is not None:
            self._describe(metadata)
        self._tell(True)
        self._old_ones = MOST_EARLY
        for reading in early:
            self.reading(reading)

    def _cancel_next(self) -> None:
        if self.next is not None:
            self.next.close(self)
            self._forget_next()

    def _forget_next(self) -> None:
        self.next = self._next_metadata = self._early = None
        if self.route is not None:
            self.route.clear()

    # Updates that need no Python

    def direct_streams(self) -> list[DirectStream] | None:
        """Return where updates may go; None while they have to be looked at."""
        if self.next is not None or self._old_ones or not IRoutedSink.providedBy(self._sink):
            return None
        return cast("list[DirectStream] | None", cast(Any, self._sink).direct_streams())

    def _look_at_updates(self) -> None:
        """Have updates come here for now, and know the newest of those that did not."""
        if self.route is not None:
            self._latest = cast(Any, self._sink).latest
            self.route.clear()

    def _renew_route(self) -> None:
        """Let updates take a new route: those of another owner, or of another type."""
        self._look_at_updates()
        if self.route is not None:
            self.route.close()
            self.route = None
        described = self._described
        type_ = _TYPES.get(described.type) if described is not None else None
        if self._intake is None or type_ is None or not IRoutedSink.providedBy(self._sink):
            return
        decode = decoder(type_, 1)
        self.route = self._intake.route(DBR_TYPES[type_], self, decode)
        cast(Any, self._sink).routed(self.route)

    # What ingests tell

    def opened(self, link: Link) -> None:
        """Handle that its state, and then updates, will follow."""
        if link is self.owner:
            self._look_at_updates()
            self._old_ones = MOST_EARLY

    def metadata(self, link: Link, metadata: Metadata) -> None:
        """Handle metadata."""
        if link is self.owner:
            self._describe(metadata)
        elif link is self.next:
            self._next_metadata = metadata

    def connection(self, link: Link, connected: bool) -> None:
        """Handle that the PV has connected or disconnected there."""
        if link is self.owner and not connected and self._early is not None:
            # The old one has nothing more to tell.
            assert self.next is not None
            self.switch(self.next)
        elif link is self.owner:
            self._tell(connected)
        elif link is self.next:
            self._early = [] if connected else None
            self._patience = MOST_WAITS
            if connected:
                self._waits.expect_overlap(self)
                if self._told is not True:
                    self.switch(link)

    def refused(self, link: Link, reason: str) -> None:
        """Handle that the value is refused."""
        if link is self.owner:
            self._tell(reason)
        elif link is self.next:
            self._early = None

    def overloaded(self, link: Link) -> None:
        """Handle that the ingest has no memory for the values."""
        if link is self.owner:
            self._sink.overloaded()

    def reading(self, reading: Reading) -> None:
        """Handle an update of the owner."""
        if self._old_ones:
            if not self._is_news(reading):
                self._old_ones -= 1
                return
            self._old_ones = 0
            if self.route is not None:
                self.route.clear()
        self._latest = reading
        if self.route is not None:
            # It is newer than what the route has passed on, also where it came past it.
            self.route.forget_newest()
        self._sink.reading(reading)
        if self._early:
            self._look_for_overlap()

    def next_reading(self, link: Link, reading: Reading) -> None:
        """Handle an update of the next owner."""
        if link is self.next and self._early is not None:
            self._early.append(reading)
            self._look_for_overlap()

    def _look_for_overlap(self) -> None:
        if not self._early or self.next is None:
            return
        latest = self._latest
        if (
            latest is None
            or _stamp(latest) >= _stamp(self._early[0])
            or len(self._early) >= MOST_EARLY
        ):
            self.switch(self.next)

    def _is_news(self, reading: Reading) -> bool:
        latest = self._latest
        if latest is None or _stamp(reading) > _stamp(latest):
            return True
        # Not all PVs have time stamps.
        return _stamp(reading) == _stamp(latest) and not _is_same(reading, latest)

    def _describe(self, metadata: Metadata) -> None:
        before = self._described
        if metadata != before:
            self._described = metadata
            if before is None or before.type is not metadata.type:
                self._renew_route()
            self._sink.metadata(metadata)

    def _tell(self, state: bool | str) -> None:
        self.expectation = None
        if state == self._told and type(state) is type(self._told):
            return
        self._told = state
        if state is not True:
            self._latest = None
        if isinstance(state, str):
            self._sink.refused(state)
        else:
            self._sink.connection(state)


_TYPES = {
    FieldType.DOUBLE: FieldType.DOUBLE,
    FieldType.FLOAT: FieldType.FLOAT,
    FieldType.LONG: FieldType.LONG,
    FieldType.SHORT: FieldType.LONG,
    FieldType.CHAR: FieldType.LONG,
    FieldType.ENUM: FieldType.LONG,
}
"""The types of Channel Access as which numbers take a route. Arrays are never sent as scalars."""


def _stamp(reading: Reading) -> tuple[int, int]:
    return reading.seconds, reading.nanoseconds


def _is_same(one: Reading, other: Reading) -> bool:
    if one[:2] != other[:2] or type(one.value) is not type(other.value):
        return False
    if isinstance(one.value, np.ndarray):
        return np.array_equal(one.value, cast("Array", other.value))
    if isinstance(one.value, float):
        return one.value == other.value or (one.value != one.value and other.value != other.value)
    if isinstance(one.value, int | str | list | None):
        return one.value == other.value
    return False
