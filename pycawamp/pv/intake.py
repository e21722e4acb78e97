"""The compiled queue, as used by an inbox, and the reader of its file descriptor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from pycawamp.pv.direct import Form, Updates
from pycawamp.pv.event_queue import Queue
from pycawamp.pv.routes import Planner, Route
from pycawamp.pv.values import Reading


class EventListener(Protocol):
    """Receives the events of a subscription, or the answer to a get."""

    def receive(self, raw: bytes, /) -> None:
        """Handle the DBR data of an event, on the reactor."""


class Intake(Queue, Protocol):
    """A queue that libca's callback fills without Python (pv.ca._fast)."""

    callback: int
    """The address of the callback for events."""

    def open(self) -> int:
        """Return a file descriptor that is readable once an event arrives in a sleeping queue."""

    def acknowledge(self) -> None:
        """Make the file descriptor unreadable."""

    def route(
        self,
        field_type: int,
        planner: Planner,
        decode: Callable[[bytes], Reading],
        /,
    ) -> Route:
        """Return a route for the DBR_TIME events of a scalar."""

    def listen(  # noqa: PLR0913, PLR0917 (the parameters of a subscription)
        self,
        dbr_type: int,
        max_count: int,
        header: int,
        width: int,
        listener: EventListener,
        refuse: Callable[[Any, int, int, int], None],
        route: Route | None,
        /,
    ) -> int:
        """Return the user data for the callback of a subscription or get.

        Events of `dbr_type` with at most `max_count` elements are passed along the `route` or to
        the `listener`, as `header` bytes and `width` bytes per element. For other events, `refuse`
        is called with the listener, the status, the type and the count.
        """

    def send_scalars(
        self,
        message: bytes,
        start: int,
        end: int,
        routes: dict[int, Route],
        take: Callable[..., bool],
        /,
    ) -> int:
        """Handle the scalar readings of a burst of the bus, without Python for PVs with a route.

        Args:
            message: The burst; see pycawamp.bus.messages.
            start: The position of the readings.
            end: The position after them.
            routes: The routes of PVs, by the PVs' numbers.
            take: Called with the fields of the others; returns whether it was an update.

        Returns:
            The number of updates.
        """

    def form(self, code: str, /) -> Form:
        """Return a form of updates by pvAccess, with the code (as in struct) of their values."""

    def updates(self) -> Updates:
        """Return an object that queues the updates of a pvAccess connection."""

    def forget(self, number: int, /) -> None:
        """Ignore further events with this user data."""

    def forget_all(self) -> None:
        """Ignore all further events."""


def has_descriptors(reactor: Any) -> bool:
    """Return whether a reactor can watch an intake's file descriptor."""
    return IReactorFDSet.providedBy(reactor)


@implementer(IReadDescriptor)
class WakeDescriptor:
    """Calls `drain` when an intake's file descriptor is readable."""

    def __init__(self, intake: Intake, drain: Callable[[], None]) -> None:
        self._intake = intake
        self._descriptor = intake.open()
        self._drain = drain

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._descriptor

    def logPrefix(self) -> str:
        """Return the prefix of log lines about it."""
        return "inbox"

    def doRead(self) -> None:
        """Handle that an event has arrived."""
        self._intake.acknowledge()
        self._drain()

    def connectionLost(self, reason: Failure) -> None:
        """Handle the end of the reactor."""
