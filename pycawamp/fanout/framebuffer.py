"""The frames of a cohort, until the reactor's turn ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pycawamp.fanout.outbox import Resendable


class Buffer(Protocol):
    """Gathers frames, and what they were about, for members that cannot take them now."""

    joint: bytes
    """What stands between two frames. To be changed only while there are none."""

    def append(self, stream: Resendable, frame: bytes, /) -> bool:
        """Add a frame; whether it is the first."""

    def take(self) -> tuple[bytes, list[Resendable]]:
        """Return the joined frames and their streams, and have none any more."""

    def __len__(self) -> int:
        """Return the number of frames."""


class FrameBuffer:
    """A buffer in Python."""

    __slots__ = ("_frames", "_streams", "joint")

    def __init__(self, joint: bytes) -> None:
        self.joint = joint
        self._frames: list[bytes] = []
        self._streams: list[Resendable] = []

    def append(self, stream: Resendable, frame: bytes, /) -> bool:
        """Add a frame; whether it is the first."""
        self._streams.append(stream)
        frames = self._frames
        frames.append(frame)
        return len(frames) == 1

    def take(self) -> tuple[bytes, list[Resendable]]:
        """Return the joined frames and their streams, and have none any more."""
        frames, self._frames = self._frames, []
        streams, self._streams = self._streams, []
        return self.joint.join(frames), streams

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._frames)
