"""The frames of a cohort in a flush cycle."""

from __future__ import annotations

from typing import Any, Protocol


class Buffer(Protocol):
    """Collects frames, and the stream of each, for members that are paused."""

    joint: bytes
    """Separates frames. To be changed only while there are none."""

    def append(self, stream: Any, frame: bytes, /) -> bool:
        """Add a frame of a stream, and return whether it is the first frame."""

    def take(self) -> tuple[bytes, list[Any]]:
        """Remove all frames; return them joined, and their streams."""

    def __len__(self) -> int:
        """Return the number of frames."""


class FrameBuffer:
    """A buffer in Python."""

    __slots__ = ("_frames", "_streams", "joint")

    def __init__(self, joint: bytes) -> None:
        self.joint = joint
        self._frames: list[bytes] = []
        self._streams: list[Any] = []

    def append(self, stream: Any, frame: bytes, /) -> bool:
        """Add a frame of a stream, and return whether it is the first frame."""
        self._streams.append(stream)
        frames = self._frames
        frames.append(frame)
        return len(frames) == 1

    def take(self) -> tuple[bytes, list[Any]]:
        """Remove all frames; return them joined, and their streams."""
        frames, self._frames = self._frames, []
        streams, self._streams = self._streams, []
        return self.joint.join(frames), streams

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._frames)
