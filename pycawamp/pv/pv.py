"""A PV as its subscribers see it: its newest state, and the subscribers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from time import time, time_ns
from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from pycawamp.pv.history import NO_SAMPLES, Samples, Store
from pycawamp.pv.interfaces import IComputedSink, IRoutedSink, IStreaming, ISubscriber, PVState
from pycawamp.pv.routes import DirectStream, Route
from pycawamp.pv.values import SEVERITIES, Metadata, Reading


@implementer(IRoutedSink, IComputedSink)
class PV:
    """A PV: its state and its subscribers. Created by `PVHub.subscribe` only.

    Exceptions of a subscriber are logged, and do not affect the others.
    """

    _log = Logger()

    __slots__ = (
        "_latest",
        "_limit",
        "_route",
        "_updates",
        "_updates_before",
        "changed",
        "connected",
        "described",
        "found",
        "history",
        "inputs",
        "is_overloaded",
        "last",
        "name",
        "refusal",
        "seconds",
        "since",
        "subscribers",
    )

    def __init__(
        self,
        name: str,
        found: Callable[[str], None],
        seconds: Callable[[], float] = lambda: 0.0,
        history: Store | None = None,
    ) -> None:
        self.name = name
        self.seconds = seconds
        """Returns the reactor's time."""
        self.since = seconds()
        """The reactor's time when it was last connected, lost, or opened."""
        self.found = found
        """Called with the name when an IOC answers for it for the first time."""
        self.connected: bool | None = None
        """None until it was found; False if it is disconnected, unreadable or refused."""
        self.changed = time()
        """UNIX seconds of the last change of `connected` or `refusal`."""
        self.refusal: str | None = None
        """Why the IOC refuses to send the value; None if it does not."""
        self.described: Metadata | None = None
        """The last known metadata."""
        self._latest: Reading | None = None
        self.last: Reading | None = None
        """During notifications of a change of `connected`: the newest update before it."""
        self._route: Route | None = None
        self.history = history
        """Its recent samples; None if none are kept."""
        self._limit: Callable[[float | None], None] | None = None
        self._updates = 0
        self._updates_before = 0
        self.inputs: Sequence[PVState] = ()
        """The PVs that it is computed from; empty unless it is a formula."""
        self.is_overloaded = False
        """Whether it gets no values because the memory limit is reached."""
        # Replaced on change, so that subscribers may subscribe and unsubscribe during calls.
        self.subscribers: tuple[ISubscriber, ...] = ()

    @property
    def latest(self) -> Reading | None:
        """The newest update of this connection; None while disconnected."""
        newest = self._route.take_newest() if self._route is not None else None
        if newest is not None:
            self._latest = newest
        return self._latest

    @property
    def updates(self) -> int:
        """Number of updates since it was opened."""
        return self._updates + (self._route.direct if self._route is not None else 0)

    @property
    def updates_of_connection(self) -> int:
        """Number of updates since it was connected."""
        return self.updates - self._updates_before

    def routed(self, route: Route) -> None:
        """Store the route of the following updates."""
        if route is not self._route:
            self._updates = self.updates - route.direct
            self._route = route
        if self.history is not None:
            route.keep(self.history)

    def kept(self) -> Samples:
        """Return its whole history, including the newest update."""
        return NO_SAMPLES if self.history is None else Samples.of(self.history.samples())

    def past(self, start: float) -> Samples:
        """Return its history from a time (UNIX seconds) on, without the newest update."""
        samples, latest = self.kept(), self.latest
        if latest is not None and samples.ends_with(latest):
            samples = samples[:-1]
        return samples.between(start, math.inf)

    def reroute(self) -> None:
        """Handle that its subscribers, or their use of updates, have changed."""
        if self._route is not None:
            self._route.clear()
        if self._limit is not None and self.subscribers:
            self._limit(self._highest_rate())

    def limit_by(self, limit: Callable[[float | None], None]) -> None:
        """Call a function with how many updates per second are needed, whenever that may change."""
        self._limit = limit

    def _highest_rate(self) -> float | None:
        highest = 0.0
        for subscriber in self.subscribers:
            rate = subscriber.highest_rate() if IStreaming.providedBy(subscriber) else None
            if rate is None:
                return None
            highest = max(highest, rate)
        return highest

    def redirect(self, stream: Any, cohort: Any) -> None:
        """Handle that a stream's updates go to another cohort."""
        if self._route is not None:
            self._route.redirect(stream, cohort)

    def direct_streams(self) -> list[DirectStream] | None:
        """Return the streams that get all updates; None if there are other subscribers too."""
        direct: list[DirectStream] = []
        for subscriber in self.subscribers:
            streams = subscriber.direct_streams() if IStreaming.providedBy(subscriber) else None
            if streams is None:
                return None
            direct += streams
        return direct

    def computed_from(self, inputs: Sequence[PVState]) -> None:
        """Store what it is computed from."""
        self.inputs = inputs

    def metadata(self, metadata: Metadata) -> None:
        """Store metadata, and notify subscribers."""
        self.described = metadata
        for subscriber in self.subscribers:
            try:
                subscriber.metadata(self, metadata)
            except Exception:
                self._failed()

    def connection(self, connected: bool) -> None:
        """Store that the channel is connected or disconnected, and notify subscribers."""
        self.refusal = None
        self._set_connected(connected)

    def refused(self, reason: str) -> None:
        """Store why the IOC refuses to send the value, and notify subscribers."""
        self.refusal = reason
        self._set_connected(False)

    def _set_connected(self, connected: bool) -> None:
        if self.connected is None:
            self.found(self.name)
        # Without earlier samples there is no gap: the first value may predate the connection.
        if self.history and self.connected is not connected:
            self.history.append(_gap())
        self.connected = connected
        self.last, self._latest = self.latest, None
        self._updates_before = self.updates
        if self._route is not None:
            self._route.forget_newest()
        self.since = self.seconds()
        self.changed = time()
        for subscriber in self.subscribers:
            try:
                subscriber.connection(self, connected)
            except Exception:
                self._failed()
        self.last = None

    def reading(self, reading: Reading) -> None:
        """Store an update, and notify subscribers."""
        self._latest = reading
        history = self.history
        if history is not None:
            history.append(reading)
        self._updates += 1
        for subscriber in self.subscribers:
            try:
                subscriber.reading(self, reading)
            except Exception:
                self._failed()

    def overloaded(self) -> None:
        """Store that there is no memory for its values, and notify subscribers by `metadata`."""
        self.is_overloaded = True
        if self.described is not None:
            self.metadata(self.described)

    def _failed(self) -> None:
        self._log.failure("A subscriber of {pv} failed", pv=self.name)

    def close(self) -> None:
        """Delete the history: the channel is closed."""
        if self.history is not None:
            self.history.close()

    def send_state(self, subscriber: ISubscriber) -> None:
        """Notify a subscriber of the current state."""
        if self.described is not None:
            subscriber.metadata(self, self.described)
        if self.connected is not None:
            subscriber.connection(self, self.connected)
        latest = self.latest
        if latest is not None:
            subscriber.reading(self, latest)


def _gap() -> Reading:
    """Return a history entry without a value, for the beginning or the end of a gap."""
    seconds, nanoseconds = divmod(time_ns(), 10**9)
    return Reading(0, len(SEVERITIES) - 1, seconds, nanoseconds, None)
