"""How updates get from a channel to streams without Python."""

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


class Planner(Protocol):
    """Knows where a route may lead."""

    def direct_streams(self) -> list[DirectStream] | None:
        """Return the streams that get all updates; None if they have to go to the sink."""


class Route(Protocol):
    """The route of a subscription's updates: to the sink, or directly to streams.

    The first update goes to the sink. If the sink then returns its `direct_streams`, the following
    ones go to these and not to the sink, until the route is cleared.
    """

    @property
    def is_direct(self) -> bool:
        """Whether updates bypass the sink."""

    @property
    def direct(self) -> int:
        """How many updates have bypassed the sink."""

    def clear(self) -> None:
        """Send the next update to the sink, because its subscribers or their encodings changed."""

    def redirect(self, stream: Any, cohort: Any, /) -> None:
        """Send the updates of a stream to another cohort; how they are written stays."""

    def close(self) -> None:
        """Send all updates to the sink: the subscription ends."""

    def keep(self, history: Any, /) -> None:
        """Add what bypasses the sink to a compiled history too."""

    def take_newest(self) -> Reading | None:
        """Return the newest update if it bypassed the sink and was not taken yet."""

    def forget_newest(self) -> None:
        """Drop what `take_newest` would return."""
