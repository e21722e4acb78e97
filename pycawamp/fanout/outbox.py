"""The data to be written to a client."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Protocol

from twisted.logger import Logger
from zope.interface import Attribute, Interface

from pycawamp.fanout.flush import Delayed, FlushCycle
from pycawamp.fanout.framing import Framing
from pycawamp.pv.history import Past

FLUSH_BYTES = 2**19
"""Pending bytes that are written before the end of the flush cycle."""

MAX_UNREAD_BYTES = 2**26
"""Maximum unread bytes of a client that sends requests."""


class IWriter(Interface):
    """The part of a client's transport that an outbox uses."""

    backlog: int = Attribute("""Unsent bytes.""")
    framing: Framing = Attribute("""How its transport delimits messages.""")

    def write(data: bytes) -> None:
        """Write complete frames; may pause the outbox."""


class Resendable(Delayed, Protocol):
    """The part of a stream that an outbox uses to catch up."""

    @property
    def name(self) -> str:
        """The PV's name, as the client requested it."""

    def catch_up(self, outbox: Outbox, past: Past | None = None) -> None:
        """Send the connection state, the history and the newest value."""

    def send_newest(self, outbox: Outbox) -> None:
        """Send the newest value."""


class Outbox:
    """Collects a client's frames, and writes them once per flush cycle.

    While the client is slow (its transport has paused the outbox), no frames are collected, and the
    outbox only records which PVs have changed. When it is resumed, the client gets the newest value
    of each. So the memory for a slow client is limited by its number of PVs.
    """

    _log = Logger()

    def __init__(self, flush_cycle: FlushCycle, writer: IWriter) -> None:
        self._flush_cycle = flush_cycle
        self._writer = writer
        self.framing = writer.framing
        self._frames: list[bytes] = []
        self._batch: list[bytes] = []
        self._pending_bytes = 0
        # Streams whose values are stale, and those whose state is too. A dict is an ordered set.
        self._stale: dict[Resendable, None] = {}
        self._stale_states: set[Resendable] = set()
        self._stale_histories: dict[Resendable, Past] = {}
        self.token = secrets.randbits(128)
        self.written: float | None = None
        """The reactor's time of the last write."""
        self.paused = False
        self._closed = False
        self.bytes = 0
        """Bytes written since the client connected."""
        self.conflated = 0
        """Number of updates that were replaced by newer ones."""

    def append(self, data: bytes) -> None:
        """Add frames, also if the client is slow."""
        if self._batch:
            # Keep the order of messages with different packings.
            self._close_batch()
        if not self._frames:
            self._flush_cycle.touch_outbox(self)
        self._frames.append(data)
        self._count(data)

    def append_to_batch(self, data: bytes) -> None:
        """Add messages, joined by commas, to the current batch."""
        if not self._batch:
            self._flush_cycle.touch_outbox(self)
        self._batch.append(data)
        self._count(data)

    @property
    def stale(self) -> int:
        """Number of PVs that have changed while the outbox was paused."""
        return len(self._stale)

    @property
    def is_overfull(self) -> bool:
        """Whether there are too many unread bytes for further requests."""
        return self.queued > MAX_UNREAD_BYTES

    @property
    def queued(self) -> int:
        """Unsent bytes in this process."""
        return self._pending_bytes + self._writer.backlog

    def mark_stale(self, streams: Sequence[Resendable], announcing: Iterable[Resendable]) -> None:
        """Record the streams that have changed while the outbox is paused."""
        before = len(self._stale)
        self._stale.update(dict.fromkeys(streams))
        self.conflated += len(streams) - (len(self._stale) - before)
        self._stale_states.update(announcing)

    def add_history(self, stream: Resendable, past: Past) -> None:
        """Record that a stream's history must be sent with its state."""
        self._stale_histories[stream] = past

    def forget(self, stream: Resendable) -> None:
        """Drop a stream that the client has left."""
        self._stale_histories.pop(stream, None)
        self._stale.pop(stream, None)
        self._stale_states.discard(stream)

    def pause(self) -> None:
        """Stop collecting frames: the client is slow."""
        self.paused = True

    def resume(self) -> None:
        """Collect frames again, beginning with the newest value of each stale stream."""
        if self._closed:
            return
        # Pending frames of cohorts are from before: mark them stale too, or they would
        # follow the newer values that are sent here.
        self._flush_cycle.settle()
        self.paused = False
        stale, self._stale = self._stale, {}
        streams = iter(stale)
        for stream in streams:
            try:
                self._settle(stream)
            except Exception:
                self._log.failure("{pv} cannot be encoded", pv=stream.name)
            if self.paused:
                # The rest is still stale.
                self._stale.update(dict.fromkeys(streams))
                break

    def flush(self) -> None:
        """Write the collected frames."""
        self._pending_bytes = 0
        if self._batch:
            self._close_batch()
        if self._frames:
            frames, self._frames = self._frames, []
            data = b"".join(frames)
            self.written = self._flush_cycle.flushed
            self.bytes += len(data)
            self._flush_cycle.bytes += len(data)
            self._writer.write(data)

    def close(self) -> None:
        """Drop all frames, and ignore further ones."""
        self._closed = True
        self.paused = True
        self._frames = []
        self._batch = []
        self._pending_bytes = 0
        self._stale = {}
        self._stale_states = set()
        self._stale_histories = {}

    def _close_batch(self) -> None:
        batch, self._batch = self._batch, []
        self._frames.append(self.framing.text(b"[" + b",".join(batch) + b"]"))

    def _settle(self, stream: Resendable) -> None:
        if stream in self._stale_states:
            self._stale_states.remove(stream)
            stream.catch_up(self, self._stale_histories.pop(stream, None))
        else:
            stream.send_newest(self)

    def _count(self, data: bytes) -> None:
        self._pending_bytes += len(data)
        if self._pending_bytes > FLUSH_BYTES:
            self.flush()
