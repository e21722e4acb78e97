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
from pycawamp.pv.values import Metadata, Reading

MOST_LEFT_BEHIND = 1000
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
        super().__init__(clock, 1 / rate, Pause.end)
        self._streams = 0

    def enter(self) -> None:
        """Count one more stream."""
        self._streams += 1

    def leave(self) -> None:
        """Count one stream less."""
        self._streams -= 1
        if not self._streams:
            self.clear()
        elif len(self) > self._streams + MOST_LEFT_BEHIND:
            self.keep(lambda pause: pause.is_current)


class ThrottledStream(EncodedStream):
    """A stream with a maximum rate: sends the first update at once, then the newest of each pause.

    Scalars and arrays can have different rates.
    """

    __slots__ = ("__weakref__", "_newest", "_throttle", "_throttle_of", "pause")

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
        self._newest: Reading | None = None
        super().__init__(pv, key, content, cohorts)
        if pv.described is not None:
            self._set_rate(pv.described)

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

    def direct_stream(self) -> None:
        """Return None: each update needs `reading`."""

    def reading(self, reading: Reading) -> None:
        """Send an update now, or keep it until the pause is over."""
        if self.pause is not None:
            self._newest = reading
        else:
            self._send(reading)

    def connection(self) -> None:
        """Send a delayed update first, as it is the last of its connection."""
        newest, self._newest = self._newest, None
        # A connection without a value would be half the news.
        self.pause = None
        try:
            if newest is not None:
                super().reading(newest)
        finally:
            super().connection()

    def pause_over(self) -> None:
        """Send a delayed update and pause again, or wait for the next update."""
        newest, self._newest = self._newest, None
        self.pause = None
        if newest is not None and not self.is_empty:
            self._send(newest)

    def _send(self, reading: Reading) -> None:
        super().reading(reading)
        if self._throttle is not None:
            self.pause = Pause(self)
            self._throttle.put(self.pause)

    def _set_rate(self, metadata: Metadata) -> None:
        rate = self.encoding.rate_of(metadata)
        self._use(self._throttle_of(rate) if rate is not None else None)

    def _use(self, throttle: Throttle | None) -> None:
        if throttle is self._throttle:
            return
        # What is kept back is of a PV that was a scalar before, or an array.
        self.pause = self._newest = None
        before, self._throttle = self._throttle, throttle
        if throttle is not None:
            throttle.enter()
        if before is not None:
            before.leave()
