"""The routes of updates from a channel to streams without Python."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from pycawamp.pv.values import Reading


class DirectStream(NamedTuple):
    """How to write a stream's updates. The C code reads the fields in this order.

    An update is `before_value`, the value, `before_time`, the time stamp, `after_time`, the
    alarm if `has_alarm`, and `after_alarm`; in a WebSocket text frame if `is_framed`.
    """

    cohort: Any
    buffer: Any
    """The cohort's compiled FrameBuffer."""
    stream: Any
    touch: Any
    """Called with the cohort when its buffer gets the first update."""
    is_framed: bool
    before_value: bytes
    before_time: bytes
    after_time: bytes
    after_alarm: bytes
    has_alarm: bool


class Route(Protocol):
    """The route of a subscription's updates: to the sink, or directly to streams.

    The first update is passed to the sink. If the sink then returns its `direct_streams`, the
    following ones are passed to these and not to the sink, until the route is cleared.
    """

    @property
    def is_direct(self) -> bool:
        """Whether updates bypass the sink."""

    @property
    def direct(self) -> int:
        """Number of updates that have bypassed the sink."""

    def clear(self) -> None:
        """Pass the next update to the sink: its subscribers or their encodings have changed."""

    def redirect(self, stream: Any, cohort: Any, /) -> None:
        """Pass the updates of a stream to another cohort, in the same form."""

    def close(self) -> None:
        """Pass all updates to the sink: the subscription ends."""

    def keep(self, history: Any, /) -> None:
        """Also add updates that bypass the sink to a compiled history."""

    def take_newest(self) -> Reading | None:
        """Return the newest update if it bypassed the sink and was not taken yet."""

    def forget_newest(self) -> None:
        """Drop what `take_newest` would return."""
