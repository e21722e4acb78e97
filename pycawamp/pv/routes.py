"""The routes of updates from a channel to streams without Python."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from pycawamp.pv.values import Reading


class Buffer(Protocol):
    """Collects frames, and the stream of each, for members that are paused."""

    joint: bytes
    """The separator of frames. Change it only while there are none."""

    def append(self, stream: Any, frame: bytes, /) -> bool:
        """Add a frame of a stream, and return whether it is the first frame."""

    def take(self) -> tuple[bytes, list[Any]]:
        """Remove all frames; return them joined, and their streams."""

    def __len__(self) -> int:
        """Return the number of frames."""


class Field(IntEnum):
    """A member of an update of a scalar, as JSON or binary. The numbers are those of render.h."""

    VALUE = 0
    """The value; null if it is no finite number."""
    NUMBER = 1
    """The same with "NaN", "Infinity" and "-Infinity", and chars with a sign."""
    TIME = 2
    """The UNIX time with nine digits after the point."""
    SECONDS = 3
    """The time without its fraction."""
    NANOSECONDS = 4
    """The fraction."""
    ALARM = 5
    """`,"severity":"…","status":"…"`."""
    SCALAR = 6
    """A scalar reading of the bus, without the PV's number (see pycawamp.bus.messages)."""


class DirectStream(NamedTuple):
    """How to write a stream's updates. The C code reads the fields in this order.

    An update is its parts, one after another, in a WebSocket text frame if `is_framed`.
    """

    cohort: Any
    buffer: Any
    """The cohort's compiled FrameBuffer."""
    stream: Any
    touch: Any
    """Called with the cohort when its buffer gets the first update."""
    is_framed: bool
    parts: tuple[bytes | Field, ...]
    severity: int | None
    """Only updates of this severity are written; None: all."""


class Planner(Protocol):
    """Decides whether updates may bypass the sink."""

    def direct_streams(self) -> list[DirectStream] | None:
        """Return the streams that get all updates; None if updates have to go to the sink."""


class Route(Protocol):
    """The route of a subscription's updates: to the sink, or directly to streams.

    The first update goes to the sink. If the sink then returns its `direct_streams`, the following
    ones go to these and not to the sink, until the route is cleared. Updates that cannot be
    written go to the sink; if one of the streams has a severity, this clears the route.
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
