"""One PV, as its clients see it: in as many encodings as they asked for."""

from __future__ import annotations

from weakref import WeakValueDictionary

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pycawamp.fanout.cohort import Cohorts
from pycawamp.fanout.lane import Content, Lane
from pycawamp.fanout.outbox import Outbox
from pycawamp.fanout.paced import PacedLane, Pacer
from pycawamp.fanout.turn import Turn
from pycawamp.pv.hub import PV, PVHub
from pycawamp.pv.interfaces import ISubscriber
from pycawamp.pv.values import Metadata, Reading
from pycawamp.wire.encoding import Encoding


@implementer(ISubscriber)
class Feed:
    """One PV's lanes: one for each encoding that some client asked for.

    An encoding that fails is logged, and keeps nothing from the others.
    """

    _log = Logger()
    __slots__ = ("_contents", "_feeds", "_lanes", "_subscription", "name")

    def __init__(self, name: str, real_name: str, feeds: Feeds) -> None:
        self.name = name
        self._feeds = feeds
        # Tuples: a round of calls is not disturbed by who comes or goes meanwhile.
        self._lanes: tuple[Lane, ...] = ()
        self._contents: tuple[Content, ...] = ()
        self._subscription = feeds.hub.subscribe(real_name, self)

    def lane(self, encoding: Encoding) -> Lane:
        """The lane of an encoding, made if need be."""
        for lane in self._lanes:
            if lane.encoding == encoding:
                return lane
        made = self._make_lane(encoding)
        self._lanes = (*self._lanes, made)
        return made

    def close_unused(self) -> bool:
        """Drop the lanes that no client is on; with the last the subscription, and True."""
        for lane in self._lanes:
            if lane.is_empty:
                lane.close()
        self._lanes = tuple(lane for lane in self._lanes if not lane.is_empty)
        in_use = {lane.content for lane in self._lanes}
        self._contents = tuple(content for content in self._contents if content in in_use)
        if self._lanes:
            return False
        self._subscription.close()
        return True

    def metadata(self, _pv: PV, metadata: Metadata) -> None:
        """Pass on what the channel says of itself."""
        parts: tuple[Content | Lane, ...] = (*self._contents, *self._lanes)
        for part in parts:
            try:
                part.metadata(metadata)
            except Exception:
                self._failed()

    def connection(self, _pv: PV, _connected: bool) -> None:
        """Pass on that the PV was connected or lost."""
        for lane in self._lanes:
            try:
                lane.connection()
            except Exception:
                self._failed()

    def reading(self, _pv: PV, reading: Reading) -> None:
        """Pass on an update."""
        for lane in self._lanes:
            try:
                lane.reading(reading)
            except Exception:
                self._failed()

    def _failed(self) -> None:
        self._log.failure("{pv} cannot be shown in one of its encodings", pv=self.name)

    def _make_lane(self, encoding: Encoding) -> Lane:
        pv, cohorts = self._subscription.pv, self._feeds.cohorts
        content = self._content(encoding.content)
        if encoding.max_rate is None:
            return Lane(pv, encoding, content, cohorts)
        return PacedLane(pv, encoding, content, cohorts, self._feeds.pacer(encoding.max_rate))

    def _content(self, encoding: Encoding) -> Content:
        for content in self._contents:
            if content.encoding == encoding:
                return content
        made = Content(self.name, encoding)
        described = self._subscription.pv.described
        if described is not None:
            made.metadata(described)
        self._contents = (*self._contents, made)
        return made


class Feeds:
    """The feeds in use, by the name that clients ask for."""

    def __init__(self, clock: IReactorTime, hub: PVHub, turn: Turn) -> None:
        self.hub = hub
        self.cohorts = Cohorts(turn)
        self._clock = clock
        self._feeds: dict[tuple[str, str], Feed] = {}
        self._pacers: WeakValueDictionary[float, Pacer] = WeakValueDictionary()

    def join(self, name: str, real_name: str, encoding: Encoding, outbox: Outbox) -> Lane:
        """Have a client get a PV: its present state, then every change.

        `name` is what the client calls it, `real_name` what the IOC does.
        """
        key = name, real_name
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = Feed(name, real_name, self)
        try:
            lane = feed.lane(encoding)
            lane.join(outbox)
        except Exception:
            self._drop_unused(key)
            raise
        return lane

    def leave(self, lane: Lane, outbox: Outbox) -> None:
        """Have a client get a PV no more."""
        lane.leave(outbox)
        if lane.is_empty:
            self._drop_unused((lane.name, lane.pv.name))

    def pacer(self, rate: float) -> Pacer:
        """What all lanes of a rate (updates per second) share, for as long as there is one."""
        pacer = self._pacers.get(rate)
        if pacer is None:
            pacer = self._pacers[rate] = Pacer(self._clock, rate)
        return pacer

    def close(self) -> None:
        """Hold nothing back any more: the gateway ends."""
        for pacer in list(self._pacers.values()):
            pacer.clear()

    def _drop_unused(self, key: tuple[str, str]) -> None:
        if self._feeds[key].close_unused():
            del self._feeds[key]

    def __len__(self) -> int:
        return len(self._feeds)
