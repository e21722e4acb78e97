"""What one client is still to get."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Protocol

from twisted.logger import Logger
from zope.interface import Attribute, Interface

from pycawamp.fanout.flush import FlushCycle
from pycawamp.fanout.framing import Framing

MUCH = 2**19
"""Bytes that are written before the turn ends: what a client cannot take is not gathered first."""

TOO_MUCH = 2**26
"""Bytes that may wait for a client which goes on asking."""


class IWriter(Interface):
    """A client's socket, as far as an outbox needs it."""

    backlog: int = Attribute("""Bytes that wait for the client.""")
    framing: Framing = Attribute("""How its transport delimits messages.""")

    def write(data: bytes) -> None:
        """Send whole frames; may pause the outbox."""


class Resendable(Protocol):
    """A PV in one encoding, as far as an outbox needs it to catch up."""

    @property
    def name(self) -> str:
        """The PV's name, as the client asked for it."""

    def catch_up(self, outbox: Outbox) -> None:
        """Send the connection state and the newest value."""

    def send_newest(self, outbox: Outbox) -> None:
        """Send the newest value."""


class Outbox:
    """Gathers one client's frames and writes them once per turn.

    While the client takes no more (its socket paused it), nothing is gathered: the
    outbox only notes which PVs changed. When the client can take data again, it gets the
    newest value of each. So a slow client costs nobody anything, and never more
    memory than its PVs are many.
    """

    _log = Logger()

    def __init__(self, flush_cycle: FlushCycle, writer: IWriter) -> None:
        self._flush_cycle = flush_cycle
        self._writer = writer
        self.framing = writer.framing
        self._frames: list[bytes] = []
        self._batch: list[bytes] = []
        self._gathered = 0
        # Whose values it is owed, and whose connection state too. Dicts, as ordered sets.
        self._owed: dict[Resendable, None] = {}
        self._owed_state: set[Resendable] = set()
        self.token = secrets.randbits(128)
        self.paused = False
        self._closed = False
        self.conflated = 0
        """Updates that this client did not get because a newer one came first."""

    def append(self, data: bytes) -> None:
        """Have frames sent at the end of the turn, whether or not the client is slow."""
        if self._batch:
            # What is new follows what is old, also where it is packed otherwise.
            self._close_batch()
        if not self._frames:
            self._flush_cycle.touch_outbox(self)
        self._frames.append(data)
        self._count(data)

    def append_to_batch(self, data: bytes) -> None:
        """Have messages, joined by commas, sent in an array, up to the next frame of its own."""
        if not self._batch:
            self._flush_cycle.touch_outbox(self)
        self._batch.append(data)
        self._count(data)

    @property
    def is_overfull(self) -> bool:
        """Whether so much waits for the client that it should not have asked for more."""
        return self.queued > TOO_MUCH

    @property
    def queued(self) -> int:
        """Bytes that wait for the client in this process."""
        return self._gathered + self._writer.backlog

    def mark_stale(self, streams: Sequence[Resendable], announcing: Iterable[Resendable]) -> None:
        """Note what changed while the client could take nothing."""
        owed = len(self._owed)
        self._owed.update(dict.fromkeys(streams))
        self.conflated += len(streams) - (len(self._owed) - owed)
        self._owed_state.update(announcing)

    def forget(self, stream: Resendable) -> None:
        """Owe nothing more of a PV that the client has left."""
        self._owed.pop(stream, None)
        self._owed_state.discard(stream)

    def pause(self) -> None:
        """Gather no more: the client takes nothing."""
        self.paused = True

    def resume(self) -> None:
        """Gather again, the newest of all that changed meanwhile first."""
        if self._closed:
            return
        # What came in this turn came while it was paused: it is owed too, or it would
        # follow the newer values that are caught up with here.
        self._flush_cycle.settle()
        self.paused = False
        owed, self._owed = self._owed, {}
        streams = iter(owed)
        for stream in streams:
            try:
                self._settle(stream)
            except Exception:
                self._log.failure("{pv} cannot be shown as a client asked", pv=stream.name)
            if self.paused:
                # The rest is owed still.
                self._owed.update(dict.fromkeys(streams))
                break

    def flush(self) -> None:
        """Write what was gathered."""
        self._gathered = 0
        if self._batch:
            self._close_batch()
        if self._frames:
            frames, self._frames = self._frames, []
            self._writer.write(b"".join(frames))

    def close(self) -> None:
        """Gather nothing any more."""
        self._closed = True
        self.paused = True
        self._frames = []
        self._batch = []
        self._gathered = 0
        self._owed = {}
        self._owed_state = set()

    def _close_batch(self) -> None:
        batch, self._batch = self._batch, []
        self._frames.append(self.framing.text(b"[" + b",".join(batch) + b"]"))

    def _settle(self, stream: Resendable) -> None:
        if stream in self._owed_state:
            self._owed_state.remove(stream)
            stream.catch_up(self)
        else:
            stream.send_newest(self)

    def _count(self, data: bytes) -> None:
        self._gathered += len(data)
        if self._gathered > MUCH:
            self.flush()
