"""Streams with a `max_rate`."""

from __future__ import annotations

from weakref import ref

from twisted.internet.interfaces import IReactorTime

from pycawamp.fanout.cohort import Cohorts
from pycawamp.fanout.content import Content
from pycawamp.fanout.stream import EncodedStream, StreamKey
from pycawamp.pv.delay import DelayLine
from pycawamp.pv.interfaces import PVState
from pycawamp.pv.values import Reading

MOST_LEFT_BEHIND = 1000
"""Pauses of closed streams that may be kept until they are over."""


class Throttle(DelayLine["ref[ThrottledStream]"]):
    """The streams of one rate (updates per second), each until its pause is over.

    A pause may be of days, so it holds no stream; the last stream that closes ends all pauses.
    """

    def __init__(self, clock: IReactorTime, rate: float) -> None:
        super().__init__(clock, 1 / rate, _pause_over)
        self._streams = 0
        self._left_behind = 0

    def enter(self) -> None:
        """Count a stream more."""
        self._streams += 1

    def leave(self, pauses: int) -> None:
        """Count a stream less, that leaves some pauses behind."""
        self._streams -= 1
        self._left_behind += pauses
        if not self._streams:
            self.clear()
        elif self._left_behind > MOST_LEFT_BEHIND:
            self.keep(lambda stream: stream() is not None)
            self._left_behind = 0


def _pause_over(stream: ref[ThrottledStream]) -> None:
    paced = stream()
    if paced is not None:
        paced.pause_over()


class ThrottledStream(EncodedStream):
    """A stream with a max_rate: the first update goes at once, then the newest of each pause."""

    __slots__ = ("__weakref__", "_newest", "_pauses", "_pausing", "_throttle")

    def __init__(
        self, pv: PVState, key: StreamKey, content: Content, cohorts: Cohorts, throttle: Throttle
    ) -> None:
        super().__init__(pv, key, content, cohorts)
        self._throttle = throttle
        throttle.enter()
        self._pausing = False
        self._pauses = 0
        """Those that will be over: more than one, if a connection cut one short."""
        self._newest: Reading | None = None

    def close(self) -> None:
        """Release the cohort, and end the pause."""
        super().close()
        self._throttle.leave(self._pauses)

    def direct_stream(self) -> None:
        """Return None: each update has to be looked at."""

    def reading(self, reading: Reading) -> None:
        """Send an update now, or keep it until the pause is over."""
        if self._pausing:
            self._newest = reading
        else:
            self._send(reading)

    def connection(self) -> None:
        """Send a delayed update first, as it is the last of its connection."""
        newest, self._newest = self._newest, None
        # A connection without a value would be half the news.
        self._pausing = False
        try:
            if newest is not None:
                super().reading(newest)
        finally:
            super().connection()

    def pause_over(self) -> None:
        """Send a delayed update and pause again, or wait for the next update."""
        self._pauses -= 1
        if self._pauses:
            return
        newest, self._newest = self._newest, None
        self._pausing = False
        if newest is not None and not self.is_empty:
            self._send(newest)

    def _send(self, reading: Reading) -> None:
        super().reading(reading)
        self._pausing = True
        self._pauses += 1
        self._throttle.put(ref(self))
