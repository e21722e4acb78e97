"""One PV, as its clients see it."""

from __future__ import annotations

from zope.interface import implementer

from pycawamp.fanout.cohort import Cohorts
from pycawamp.fanout.outbox import Outbox
from pycawamp.pv.hub import PV, PVHub
from pycawamp.pv.interfaces import ISubscriber
from pycawamp.pv.values import Metadata, Reading
from pycawamp.wire import replies
from pycawamp.wire.frames import text_frame


class Lane:
    """All clients that get one PV in one encoding."""

    def __init__(self, name: str, pv: PV, cohorts: Cohorts) -> None:
        self.name = name
        self._pv = pv
        self._cohorts = cohorts
        self._cohort = cohorts.enter()
        self._render: replies.Render = _unrendered
        self._frame = b""
        if pv.described is not None:
            self.metadata(pv.described)

    @property
    def found(self) -> bool:
        """Whether the PV was ever found."""
        return self._pv.connected is not None

    @property
    def is_empty(self) -> bool:
        """Whether no client is left."""
        return not self._cohort.members

    def join(self, outbox: Outbox) -> None:
        """Have a client get the present state, and every change from now on."""
        self._cohort = self._cohorts.join(self._cohort, outbox)
        if not self.found:
            return
        if outbox.paused:
            outbox.owe([self], [self])
        else:
            outbox.append(self.snapshot(announce=True))

    def leave(self, outbox: Outbox) -> None:
        """Have a client get nothing more."""
        self._cohort = self._cohorts.leave(self._cohort, outbox)
        outbox.forget(self)

    def close(self) -> None:
        """Let the last cohort go."""
        self._cohorts.drop(self._cohort)

    def snapshot(self, *, announce: bool) -> bytes:
        """The frames that tell the present state: the value, and all else if announced."""
        state = self._connection_frame() if announce else b""
        return state + self._frame

    def metadata(self, metadata: Metadata) -> None:
        """Take what does not change with each update into the template."""
        self._render = replies.monitor(self.name, metadata)
        if self._pv.latest is not None:
            self._frame = text_frame(self._render(self._pv.latest))

    def connection(self) -> None:
        """Tell the clients that the PV was connected or lost."""
        self._frame = b""
        self._cohort.announce(self, self._connection_frame())

    def reading(self, reading: Reading) -> None:
        """Render an update, once for all clients."""
        self._frame = frame = text_frame(self._render(reading))
        self._cohort.append(self, frame)

    def _connection_frame(self) -> bytes:
        return text_frame(replies.connection(self.name, bool(self._pv.connected)))


def _unrendered(_reading: Reading) -> bytes:
    raise AssertionError("a reading came before its metadata")


@implementer(ISubscriber)
class Feed:
    """One PV's lanes: one for each encoding that some client asked for."""

    def __init__(self, name: str, hub: PVHub, cohorts: Cohorts) -> None:
        self.name = name
        self._cohorts = cohorts
        self._lanes: tuple[Lane, ...] = ()
        self._subscription = hub.subscribe(name, self)

    def lane(self) -> Lane:
        """The lane of an encoding, made if need be."""
        if not self._lanes:
            self._lanes = (Lane(self.name, self._subscription.pv, self._cohorts),)
        return self._lanes[0]

    def close_if_unused(self) -> bool:
        """Drop the lanes that no client is on, and the subscription with the last."""
        for lane in self._lanes:
            if lane.is_empty:
                lane.close()
        self._lanes = tuple(lane for lane in self._lanes if not lane.is_empty)
        if self._lanes:
            return False
        self._subscription.close()
        return True

    def metadata(self, _pv: PV, metadata: Metadata) -> None:
        """Pass on what the channel says of itself."""
        for lane in self._lanes:
            lane.metadata(metadata)

    def connection(self, _pv: PV, _connected: bool) -> None:
        """Pass on that the PV was connected or lost."""
        for lane in self._lanes:
            lane.connection()

    def reading(self, _pv: PV, reading: Reading) -> None:
        """Pass on an update."""
        for lane in self._lanes:
            lane.reading(reading)


class Feeds:
    """The feeds in use, by the name that clients ask for."""

    def __init__(self, hub: PVHub, cohorts: Cohorts) -> None:
        self._hub = hub
        self._cohorts = cohorts
        self._feeds: dict[str, Feed] = {}

    def join(self, name: str, outbox: Outbox) -> Lane:
        """Have a client get a PV: its present state, then every change."""
        feed = self._feeds.get(name)
        if feed is None:
            feed = self._feeds[name] = Feed(name, self._hub, self._cohorts)
        lane = feed.lane()
        lane.join(outbox)
        return lane

    def leave(self, lane: Lane, outbox: Outbox) -> None:
        """Have a client get a PV no more."""
        lane.leave(outbox)
        if lane.is_empty and self._feeds[lane.name].close_if_unused():
            del self._feeds[lane.name]
