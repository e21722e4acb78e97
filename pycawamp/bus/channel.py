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

MAX_EARLY = 100
"""Maximum updates of a new owner that are kept, and that are dropped as not newer."""
MAX_EXTENSIONS = 4
"""How often an overlap is extended if the new owner has not caught up with the old one."""
NOBODY = Requester(None, "", None, "")


class Timeouts(Protocol):
    """Calls channels after a timeout."""

    def expect_state(self, channel: Channel) -> None:
        """Call `give_up` with the channel's current `expectation` after the timeout."""

    def expect_overlap(self, channel: Channel) -> None:
        """Call `end_overlap` with the channel's current next owner after the timeout."""


@implementer(IAuthorizingHandle, ILimitedHandle)
class Channel:
    """Passes the events of one or two ingests on in the order that a sink expects.

    A planned change of owner is not visible: the old one serves until an update of the new one is
    not newer than the last one passed on, so none is lost; updates that are not newer are dropped.
    """

    __slots__ = (
        "_closed",
        "_described",
        "_early",
        "_extensions_left",
        "_intake",
        "_latest",
        "_next_metadata",
        "_repeats_left",
        "_sink",
        "_state",
        "_timeouts",
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
        timeouts: Timeouts,
        closed: Callable[[Channel], None],
        intake: Intake | None = None,
    ) -> None:
        self.name = name
        self.number = number
        self.slot = slot
        self.owner: Link | None = None
        """The ingest whose updates are passed on."""
        self.next: Link | None = None
        """The ingest that will be the owner, once it has caught up."""
        self.rate: float | None = None
        """Maximum updates per second; None: all."""
        self.route: Route | None = None
        """Handles its owner's updates without Python, if there is one."""
        self.expectation: object | None = None
        """Set while the state of a new owner has not arrived."""
        self._sink = sink
        self._timeouts = timeouts
        self._closed = closed
        self._intake = intake
        self._state: bool | str | None = None
        self._described: Metadata | None = None
        self._next_metadata: Metadata | None = None
        self._early: list[Reading] | None = None
        self._latest: Reading | None = None
        self._repeats_left = 0
        self._extensions_left = 0

    # As a handle

    def close(self) -> None:
        """Close the PV at its ingests."""
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
        return self.owner.requests.get(self.name)

    def put(self, value: Any, wait: bool) -> Deferred[None]:
        """Write the PV through its ingest, without a user."""
        return self.put_for(NOBODY, value, wait)

    def put_for(self, requester: Requester, value: Any, wait: bool) -> Deferred[None]:
        """Write the PV through its ingest."""
        if self.owner is None:
            return fail(NotConnectedError("no ingest serves it now; nothing was written"))
        try:
            return self.owner.requests.put(self.name, value, wait, requester)
        except BadValueError as error:
            return fail(error.with_traceback(None))

    def limit(self, rate: float | None) -> None:
        """Request at most `rate` updates per second; None: all."""
        if rate == self.rate:
            return
        self.rate = rate
        for link in (self.owner, self.next):
            if link is not None:
                link.limit(self)

    # Owners

    def move_to(self, target: Link | None) -> None:
        """Request it from an ingest; leave the current owner once that serves it."""
        if target is self.owner or target is None:
            self._cancel_next()
        elif self.owner is None:
            self.owner = target
            target.open(self)
            self.expect()
        elif target is not self.next:
            self._cancel_next()
            self.next = target
            self._stop_routing()
            target.open(self)

    def ingest_lost(self, link: Link) -> None:
        """Handle that an ingest is lost."""
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
        """Handle that its state will be sent again, if the ingest has it."""
        if link is self.owner:
            self._stop_routing()
            self.expect()
        elif link is self.next:
            self._next_metadata = self._early = None

    def expect(self) -> None:
        """Keep the last state until the new one arrives, up to a timeout."""
        if self._state is not None and self._state is not False:
            self.expectation = object()
            self._timeouts.expect_state(self)

    def give_up(self, expectation: object | None) -> None:
        """Report it as disconnected, if the expected state has not arrived."""
        if expectation is self.expectation:
            self._report(False)

    def end_overlap(self, link: Link) -> None:
        """Make the next owner the owner after the timeout, unless there would be a gap."""
        if link is not self.next or self._early is None:
            return
        if self._extensions_left:
            # Without the old owner, updates would be missing.
            self._extensions_left -= 1
            self._timeouts.expect_overlap(self)
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
        self._report(True)
        self._repeats_left = MAX_EARLY
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

    # Updates without Python

    def direct_streams(self) -> list[DirectStream] | None:
        """Return where updates go without Python; None if `reading` has to handle them."""
        if self.next is not None or self._repeats_left or not IRoutedSink.providedBy(self._sink):
            return None
        return cast("list[DirectStream] | None", cast(Any, self._sink).direct_streams())

    def _stop_routing(self) -> None:
        """Receive updates here for now, and get the newest of those that were routed."""
        if self.route is not None:
            self._latest = cast(Any, self._sink).latest
            self.route.clear()

    def _renew_route(self) -> None:
        """Replace the route: the owner or the type has changed."""
        self._stop_routing()
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

    # Events of ingests

    def opened(self, link: Link) -> None:
        """Handle that its state, and then updates, will follow."""
        if link is self.owner:
            self._stop_routing()
            self._repeats_left = MAX_EARLY

    def metadata(self, link: Link, metadata: Metadata) -> None:
        """Handle metadata."""
        if link is self.owner:
            self._describe(metadata)
        elif link is self.next:
            self._next_metadata = metadata

    def connection(self, link: Link, connected: bool) -> None:
        """Handle that the PV has connected or disconnected there."""
        if link is self.owner and not connected and self._early is not None:
            # The old one will send no more updates.
            assert self.next is not None
            self.switch(self.next)
        elif link is self.owner:
            self._report(connected)
        elif link is self.next:
            self._early = [] if connected else None
            self._extensions_left = MAX_EXTENSIONS
            if connected:
                self._timeouts.expect_overlap(self)
                if self._state is not True:
                    self.switch(link)

    def refused(self, link: Link, reason: str) -> None:
        """Handle that the value is refused."""
        if link is self.owner:
            self._report(reason)
        elif link is self.next:
            self._early = None

    def overloaded(self, link: Link) -> None:
        """Handle that the ingest has no memory for the values."""
        if link is self.owner:
            self._sink.overloaded()

    def reading(self, reading: Reading) -> None:
        """Handle an update of the owner."""
        if self._repeats_left:
            if not self._is_newer(reading):
                self._repeats_left -= 1
                return
            self._repeats_left = 0
            if self.route is not None:
                self.route.clear()
        self._latest = reading
        if self.route is not None:
            # It is newer than the route's last update, even if the route did not handle it.
            self.route.forget_newest()
        self._sink.reading(reading)
        if self._early:
            self._switch_if_level()

    def next_reading(self, link: Link, reading: Reading) -> None:
        """Handle an update of the next owner."""
        if link is self.next and self._early is not None:
            self._early.append(reading)
            self._switch_if_level()

    def _switch_if_level(self) -> None:
        if not self._early or self.next is None:
            return
        latest = self._latest
        if (
            latest is None
            or _stamp(latest) >= _stamp(self._early[0])
            or len(self._early) >= MAX_EARLY
        ):
            self.switch(self.next)

    def _is_newer(self, reading: Reading) -> bool:
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

    def _report(self, state: bool | str) -> None:
        self.expectation = None
        if state == self._state and type(state) is type(self._state):
            return
        self._state = state
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
