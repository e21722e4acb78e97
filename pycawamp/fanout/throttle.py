"""Streams with a `max_rate`."""

from __future__ import annotations

from collections.abc import Callable
from weakref import ref

from twisted.internet.interfaces import IReactorTime

from pycawamp.fanout.cohort import Cohorts
from pycawamp.fanout.content import Content
from pycawamp.fanout.stream import EncodedStream, StreamKey
from pycawamp.pv.delay import DelayLine
from pycawamp.pv.interfaces import PVState
from pycawamp.pv.routes import DirectStream
from pycawamp.pv.values import Metadata, Reading

MAX_GAP = 0.1
"""Seconds by which the end of a pause may be delayed, to coincide with others."""
MAX_LEFT_BEHIND = 1000
"""Maximum number of obsolete pauses that are kept until they are over."""


class Pause:
    """The time after an update in which a stream sends nothing.

    It may last for days, so it does not keep the stream alive.
    """

    __slots__ = ("_stream",)

    def __init__(self, stream: ThrottledStream) -> None:
        self._stream = ref(stream)

    @property
    def is_current(self) -> bool:
        """Whether a stream waits for its end."""
        stream = self._stream()
        return stream is not None and stream.pause is self

    def end(self) -> None:
        """Send the delayed update."""
        stream = self._stream()
        if stream is not None and stream.pause is self:
            stream.pause_over()


class Throttle(DelayLine[Pause]):
    """The streams with one rate (updates per second), and their pauses.

    When the last stream leaves, all pauses end.
    """

    def __init__(self, clock: IReactorTime, rate: float) -> None:
        pause = 1 / rate
        # Pauses that end together cause one write per client.
        super().__init__(clock, pause, Pause.end, gap=min(pause / 10, MAX_GAP))
        self.rate = rate
        self._streams = 0

    def enter(self) -> None:
        """Count one more stream."""
        self._streams += 1

    def leave(self) -> None:
        """Count one stream less."""
        self._streams -= 1
        if not self._streams:
            self.clear()
        elif len(self) > self._streams + MAX_LEFT_BEHIND:
            self.keep(lambda pause: pause.is_current)


class ThrottledStream(EncodedStream):
    """A stream with a maximum rate: sends the first update, then the newest of each pause.

    Scalars and arrays can have different rates. During a pause, it does not need updates: at the
    end it checks whether there were any.
    """

    __slots__ = ("__weakref__", "_sent", "_throttle", "_throttle_of", "pause")

    def __init__(
        self,
        pv: PVState,
        key: StreamKey,
        content: Content,
        cohorts: Cohorts,
        throttle_of: Callable[[float], Throttle],
    ) -> None:
        self._throttle_of = throttle_of
        self._throttle: Throttle | None = None
        self.pause: Pause | None = None
        """The current pause."""
        self._sent: int | None = None
        """Number of the PV's updates when one was last sent; None: the newest must be sent."""
        super().__init__(pv, key, content, cohorts)
        if pv.described is not None:
            self._set_rate(pv.described)

    @property
    def rate(self) -> float | None:
        """Maximum updates per second that it sends; None: all, or not known yet."""
        return self._throttle.rate if self._throttle is not None else None

    @property
    def is_prompt(self) -> bool:
        """Whether updates are sent without a pause."""
        return False

    def close(self) -> None:
        """Release the cohort, and end the pause."""
        super().close()
        self._use(None)

    def metadata(self, metadata: Metadata) -> None:
        """Store new metadata, and the rate for it."""
        self._set_rate(metadata)
        super().metadata(metadata)

    def direct_streams(self) -> list[DirectStream] | None:
        """Return an empty sequence within a pause; None: the next update must be sent."""
        if self._throttle is None:
            return super().direct_streams()
        return [] if self.pause is not None else None

    def reading(self, reading: Reading) -> None:
        """Send an update now, or leave it until the pause is over."""
        if self.pause is not None:
            self._sent = None
        else:
            self._send(reading)

    def connection(self) -> None:
        """Send a delayed update first, as it is the last of its connection."""
        last = self._pv.last if self._is_due else None
        # The first value is sent together with the connection.
        self.pause = None
        try:
            if last is not None:
                super().reading(last)
        finally:
            super().connection()

    def pause_over(self) -> None:
        """Send a delayed update and pause again, or wait for the next update."""
        latest = self._pv.latest if self._is_due else None
        self.pause = None
        if latest is not None and not self.is_empty:
            self._send(latest)
        else:
            self._pv.reroute()

    @property
    def _is_due(self) -> bool:
        """Return whether an update arrived in this pause."""
        return self.pause is not None and self._sent != self._pv.updates

    def _send(self, reading: Reading) -> None:
        super().reading(reading)
        if self._throttle is not None:
            self._sent = self._pv.updates
            self.pause = Pause(self)
            self._throttle.put(self.pause)

    def _set_rate(self, metadata: Metadata) -> None:
        rate = self.encoding.rate_of(metadata)
        self._use(self._throttle_of(rate) if rate is not None else None)

    def _use(self, throttle: Throttle | None) -> None:
        if throttle is self._throttle:
            return
        # A delayed update belongs to the previous type of the PV.
        self.pause = None
        before, self._throttle = self._throttle, throttle
        if throttle is not None:
            throttle.enter()
        if before is not None:
            before.leave()
