"""One PV of an edge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from pycawamp.bus.handover import Handover, is_newer
from pycawamp.bus.link import Link
from pycawamp.pv.errors import BadValueError, NotConnectedError
from pycawamp.pv.intake import Intake
from pycawamp.pv.interfaces import IAuthorizingHandle, ILimitedHandle, IRoutedSink, ISink, Requester
from pycawamp.pv.number_routes import NumberRoutes
from pycawamp.pv.routes import DirectStream, Route
from pycawamp.pv.values import FieldType, Metadata, Reading

MAX_REPEATS = 100
"""Maximum updates of a new owner or stream that are dropped as not newer."""
NOBODY = Requester(None, "", None, "")


class Timeouts(Protocol):
    """Calls channels after a timeout."""

    def expect_state(self, channel: Channel) -> None:
        """Call `give_up` with the channel's current `expectation` after the timeout."""

    def expect_overlap(self, channel: Channel, link: Link) -> None:
        """Call the channel's `end_overlap` with the link after the timeout."""


@implementer(IAuthorizingHandle, ILimitedHandle)
class Channel:
    """Passes the events of one or two ingests on in the order that a sink expects.

    A planned change of owner is not visible: the old one serves until an update of the new one is
    not newer than the last one passed on, so none is lost; updates that are not newer are dropped.
    """

    __slots__ = (
        "_closed",
        "_described",
        "_handover",
        "_latest",
        "_number_routes",
        "_repeats_left",
        "_sink",
        "_state",
        "_timeouts",
        "expectation",
        "name",
        "number",
        "owner",
        "rate",
        "route",
        "slot",
    )

    def __init__(  # noqa: PLR0913, PLR0917 (its parts)
        self,
        name: str,
        number: int,
        slot: int,
        sink: ISink,
        timeouts: Timeouts,
        closed: Callable[[Channel], None],
        number_routes: Mapping[FieldType, NumberRoutes],
    ) -> None:
        self.name = name
        self.number = number
        self.slot = slot
        self.owner: Link | None = None
        """The ingest whose updates are passed on."""
        self.rate: float | None = None
        """Maximum updates per second; None: all."""
        self.route: Route | None = None
        """Handles its owner's updates without Python, if there is one."""
        self.expectation: object | None = None
        """Set while the state of a new owner has not arrived."""
        self._sink = sink
        self._timeouts = timeouts
        self._closed = closed
        self._number_routes = number_routes
        self._state: bool | str | None = None
        self._described: Metadata | None = None
        self._handover: Handover | None = None
        self._latest: Reading | None = None
        self._repeats_left = 0

    # As a handle

    def close(self) -> None:
        """Close the PV at its ingests."""
        for link in self._links():
            link.close(self)
        if self.route is not None:
            self.route.close()
        self.owner = self.expectation = self.route = self._handover = None
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
        for link in self._links():
            link.limit(self)

    # Owners

    def _links(self) -> list[Link]:
        following = self._handover.link if self._handover is not None else None
        return [link for link in (self.owner, following) if link is not None]

    def _handover_to(self, link: Link) -> Handover | None:
        handover = self._handover
        return handover if handover is not None and handover.link is link else None

    def move_to(self, target: Link | None) -> None:
        """Request the PV from an ingest, and leave the current owner when the new one serves it."""
        if target is self.owner or target is None:
            self._cancel_handover()
        elif self.owner is None:
            self.owner = target
            target.open(self)
            self.expect()
        elif self._handover_to(target) is None:
            self._cancel_handover()
            self._handover = Handover(target)
            self._stop_routing()
            target.open(self)

    def ingest_lost(self, link: Link) -> None:
        """Handle that an ingest is lost."""
        if self._handover_to(link) is not None:
            self._end_handover()
        elif link is self.owner:
            self.owner = None
            self._renew_route()
            handover = self._handover
            if handover is not None and handover.early is not None:
                self._switch(handover)
            elif handover is not None:
                self.owner = handover.link
                self._end_handover()
                if handover.metadata is not None:
                    self._describe(handover.metadata)
                self.expect()

    def restarted(self, link: Link) -> None:
        """Handle that an ingest will send its state again, if it is the owner."""
        handover = self._handover_to(link)
        if handover is not None:
            handover.restart()
        elif link is self.owner:
            self._stop_routing()
            self.expect()

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
        handover = self._handover_to(link)
        if handover is None or handover.early is None:
            return
        if handover.extend():
            self._timeouts.expect_overlap(self, link)
        else:
            self._switch(handover)

    def _switch(self, handover: Handover) -> None:
        """Make the next owner the owner: it serves the PV."""
        before, self.owner = self.owner, handover.link
        self._renew_route()
        self._end_handover()
        if before is not None:
            before.close(self)
        if handover.metadata is not None:
            self._describe(handover.metadata)
        self._report(True)
        self._repeats_left = MAX_REPEATS
        for reading in handover.early or ():
            self.reading(reading)

    def _cancel_handover(self) -> None:
        if self._handover is not None:
            self._handover.link.close(self)
            self._end_handover()

    def _end_handover(self) -> None:
        self._handover = None
        if self.route is not None:
            self.route.clear()

    # Updates without Python

    def direct_streams(self) -> list[DirectStream] | None:
        """Return the streams of updates without Python; None if `reading` has to handle them."""
        if self._handover is not None or self._repeats_left:
            return None
        if not IRoutedSink.providedBy(self._sink):
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
        routes = self._number_routes.get(described.type) if described is not None else None
        if routes is not None and IRoutedSink.providedBy(self._sink):
            self.route = routes.route(self)
            cast(Any, self._sink).routed(self.route)

    # Events of ingests

    def opened(self, link: Link) -> None:
        """Handle that its state, and then updates, will follow."""
        if link is self.owner:
            self._stop_routing()
            self._repeats_left = MAX_REPEATS

    def metadata(self, link: Link, metadata: Metadata) -> None:
        """Handle metadata."""
        handover = self._handover_to(link)
        if handover is not None:
            handover.metadata = metadata
        elif link is self.owner:
            self._describe(metadata)

    def connection(self, link: Link, connected: bool) -> None:
        """Handle that the PV has connected or disconnected there."""
        handover = self._handover
        if handover is not None and link is handover.link:
            handover.connection(connected)
            if connected:
                self._timeouts.expect_overlap(self, link)
                if self._state is not True:
                    self._switch(handover)
        elif link is self.owner:
            if handover is not None and handover.early is not None and not connected:
                # The old owner will send no more updates.
                self._switch(handover)
            else:
                self._report(connected)

    def refused(self, link: Link, reason: str) -> None:
        """Handle that the value is refused."""
        handover = self._handover_to(link)
        if handover is not None:
            handover.early = None
        elif link is self.owner:
            self._report(reason)

    def overloaded(self, link: Link) -> None:
        """Handle that the ingest has no memory for the values."""
        if link is self.owner:
            self._sink.overloaded()

    def reading(self, reading: Reading) -> None:
        """Handle an update of the owner."""
        if self._repeats_left:
            if not is_newer(reading, self._latest):
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
        if self._handover is not None:
            self._switch_if_level(self._handover)

    def next_reading(self, link: Link, reading: Reading) -> None:
        """Handle an update of the next owner."""
        handover = self._handover_to(link)
        if handover is not None and handover.early is not None:
            handover.early.append(reading)
            self._switch_if_level(handover)

    def _switch_if_level(self, handover: Handover) -> None:
        if handover.is_level(self._latest):
            self._switch(handover)

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


def number_routes(intake: Intake | None) -> Mapping[FieldType, NumberRoutes]:
    """Return the factories of routes of scalars, by type; none without an intake."""
    if intake is None:
        return {}
    # Arrays are never sent as scalars, and integers of all types are sent in the same way.
    whole = NumberRoutes(intake, "i")
    return {
        FieldType.DOUBLE: NumberRoutes(intake, "d"),
        FieldType.FLOAT: NumberRoutes(intake, "f"),
        FieldType.LONG: whole,
        FieldType.SHORT: whole,
        FieldType.CHAR: whole,
        FieldType.ENUM: whole,
    }
