"""Publishers: PVs in all encodings that clients have requested."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias
from weakref import WeakValueDictionary

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pycawamp.fanout.cohort import Cohorts
from pycawamp.fanout.content import Content
from pycawamp.fanout.flush import FlushCycle
from pycawamp.fanout.live import LiveStreams
from pycawamp.fanout.outbox import Outbox
from pycawamp.fanout.pictures import PictureSubscription
from pycawamp.fanout.stream import EncodedStream, StreamKey, stream_key
from pycawamp.fanout.throttle import Throttle, ThrottledStream
from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.history import Past
from pycawamp.pv.hub import PVHub, Subscription
from pycawamp.pv.interfaces import IStreaming, PVState
from pycawamp.pv.routes import DirectStream
from pycawamp.pv.values import Metadata, Reading
from pycawamp.wire.dialect import Encoding, ImageForm

Key: TypeAlias = tuple[str, str, ImageForm | None]
"""A PV's name as requested, the name of its channel, and how its images are compressed."""


@implementer(IStreaming)
class Publisher:
    """The streams of a PV: one for each encoding that some client has requested.

    Exceptions of a stream are logged, and do not affect the others.
    """

    _log = Logger()
    __slots__ = ("_contents", "_publishers", "_streams", "_subscription", "name")

    def __init__(
        self, name: str, real_name: str, image: ImageForm | None, publishers: Publishers
    ) -> None:
        self.name = name
        self._publishers = publishers
        # A tuple, so that clients may join and leave during calls.
        self._streams: tuple[EncodedStream, ...] = ()
        # Mostly one, so no dict, which would take a tenth of a PV's memory.
        self._contents: tuple[Content, ...] = ()
        hub = publishers.hub
        self._subscription: Subscription | PictureSubscription = (
            hub.subscribe(real_name, self)
            if image is None
            else PictureSubscription(publishers.clock, hub, real_name, image, self)
        )

    @property
    def outboxes(self) -> list[Outbox]:
        """The clients of all streams."""
        return [outbox for stream in self._streams for outbox in stream.members]

    @property
    def clients(self) -> int:
        """Number of clients of all streams."""
        number = 0
        for stream in self._streams:
            number += len(stream.members)
        return number

    def stream(self, key: StreamKey) -> EncodedStream:
        """Return the stream with this key, and create it if necessary."""
        for stream in self._streams:
            if stream.key == key:
                return stream
        made = self._make_stream(key)
        self._streams = (*self._streams, made)
        self._subscription.pv.reroute()
        return made

    def close_unused(self) -> bool:
        """Close streams without clients; without streams, unsubscribe and return True."""
        for stream in self._streams:
            if stream.is_empty:
                stream.close()
                self._publishers.live.forget(stream)
        self._streams = tuple(stream for stream in self._streams if not stream.is_empty)
        in_use = [stream.content for stream in self._streams]
        for content in self._contents:
            if content not in in_use:
                content.forget()
        self._contents = tuple(content for content in self._contents if content in in_use)
        if self._streams:
            self._subscription.pv.reroute()
            return False
        self._subscription.close()
        return True

    def metadata(self, _pv: PVState, metadata: Metadata) -> None:
        """Pass on metadata."""
        for content in self._contents:
            try:
                content.describe(metadata)
            except Exception:
                self._failed()
        for stream in self._streams:
            try:
                stream.metadata(metadata)
            except Exception:
                self._failed()
        if metadata.is_large:
            self._publishers.weigh(self)

    def connection(self, _pv: PVState, _connected: bool) -> None:
        """Pass on that the PV has connected or disconnected."""
        for stream in self._streams:
            try:
                stream.connection()
            except Exception:
                self._failed()

    def reading(self, _pv: PVState, reading: Reading) -> None:
        """Pass on an update."""
        for stream in self._streams:
            try:
                stream.reading(reading)
            except Exception:
                self._failed()

    def direct_streams(self) -> list[DirectStream] | None:
        """Return how to write the updates of all streams; None if one needs `reading`."""
        direct: list[DirectStream] = []
        for stream in self._streams:
            made = stream.direct_streams()
            if made is None:
                return None
            direct += made
        return direct

    def highest_rate(self) -> float | None:
        """Return how many updates per second the streams need; None: all."""
        highest = 0.0
        for stream in self._streams:
            if stream.rate is None:
                return None
            highest = max(highest, stream.rate)
        return highest or None

    def _failed(self) -> None:
        self._log.failure("{pv} cannot be encoded", pv=self.name)

    def _make_stream(self, key: StreamKey) -> EncodedStream:
        pv, cohorts = self._subscription.pv, self._publishers.cohorts
        content = self._content(key)
        if key.encoding.is_limited:
            return ThrottledStream(pv, key, content, cohorts, self._publishers.throttle)
        return EncodedStream(pv, key, content, cohorts)

    def _content(self, key: StreamKey) -> Content:
        for content in self._contents:
            if content.key == key.content:
                return content
        encoding = key.encoding.content
        renderer = encoding.dialect.renderer(self.name, encoding)
        publishers = self._publishers
        content = Content(key.content, renderer, publishers.clock, publishers.budget)
        described = self._subscription.pv.described
        if described is not None:
            content.describe(described)
        self._contents = (*self._contents, content)
        return content


class Publishers:
    """The publishers in use, by the names that clients use."""

    def __init__(
        self,
        clock: IReactorTime,
        hub: PVHub,
        flush_cycle: FlushCycle,
        budget: MemoryBudget,
        weigh: Callable[[Publisher], None],
    ) -> None:
        self.hub = hub
        self.clock = clock
        self.budget = budget
        self.weigh = weigh
        """Called with the publisher of a large array, before its first update."""
        self.cohorts = Cohorts(flush_cycle)
        self.live = LiveStreams()
        self._publishers: dict[Key, Publisher] = {}
        self._throttles: WeakValueDictionary[float, Throttle] = WeakValueDictionary()

    def join(
        self,
        name: str,
        real_name: str,
        encoding: Encoding,
        outbox: Outbox,
        past: Past | None = None,
    ) -> EncodedStream:
        """Send a PV to a client: its history and current state, then every update.

        Args:
            name: The PV's name, as the client requested it.
            real_name: The name of its channel.
            encoding: The form of the messages.
            outbox: The client's outbox.
            past: How much of the history to send; None: nothing.
        """
        key = name, real_name, encoding.image
        publisher = self._publishers.get(key)
        if publisher is None:
            publisher = self._publishers[key] = Publisher(*key, self)
        try:
            stream = publisher.stream(stream_key(encoding, outbox.framing))
            stream.join(outbox, past)
        except Exception:
            self._drop_unused(key)
            raise
        return stream

    def leave(self, stream: EncodedStream, outbox: Outbox) -> None:
        """Stop sending a PV to a client."""
        stream.leave(outbox)
        if stream.is_empty:
            self._drop_unused((stream.name, stream.pv.name, stream.encoding.image))

    def clients(self) -> dict[str, int]:
        """Return the number of clients of each PV, by the name of its channel."""
        clients: dict[str, int] = {}
        for (_, real_name, _), publisher in self._publishers.items():
            clients[real_name] = clients.get(real_name, 0) + publisher.clients
        return clients

    def throttle(self, rate: float) -> Throttle:
        """Return the throttle for a rate (updates per second), shared by its streams."""
        throttle = self._throttles.get(rate)
        if throttle is None:
            throttle = self._throttles[rate] = Throttle(self.clock, rate)
        return throttle

    def close(self) -> None:
        """Drop all delayed updates: the gateway stops."""
        for throttle in list(self._throttles.values()):
            throttle.clear()

    def _drop_unused(self, key: Key) -> None:
        if self._publishers[key].close_unused():
            del self._publishers[key]

    def __len__(self) -> int:
        return len(self._publishers)
