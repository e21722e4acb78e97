"""Cohorts: clients that subscribe to the same PVs with the same encoding share the bytes.

An update is appended once to the cohort. At the end of the flush cycle, the frames are joined once
and passed to each member, so the cost of an update does not depend on the number of clients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pycawamp.fanout.flush import FlushCycle
from pycawamp.fanout.outbox import Outbox, Resendable
from pycawamp.fanout.packing import Packing
from pycawamp.pv.routes import Buffer

Change: TypeAlias = Callable[[list[Outbox]], None]
"""Changes a list of outboxes."""


class Cohort:
    """A set of outboxes, and the frames for all of them in this flush cycle."""

    __slots__ = (
        "_announcing",
        "_flush_cycle",
        "_frames",
        "_streams",
        "key",
        "members",
        "packing",
        "streams",
    )

    def __init__(
        self, flush_cycle: FlushCycle, packing: Packing, key: int, members: list[Outbox]
    ) -> None:
        self._flush_cycle = flush_cycle
        self.packing = packing
        self.key = key
        self.members = members
        self.streams = 0
        """Number of streams that use the cohort."""
        self._frames: list[bytes] = []
        # The stream of each frame, for members that are paused.
        self._streams: list[Resendable] = []
        self._announcing: list[Resendable] = []

    @property
    def is_empty(self) -> bool:
        """Whether there are no frames."""
        return not self._frames

    def repack(self, packing: Packing) -> None:
        """Use another packing. Only while there are no frames."""
        self.packing = packing

    def append(self, stream: Resendable, frame: bytes) -> None:
        """Add a frame for all members."""
        frames = self._frames
        if not frames:
            self._flush_cycle.touch_cohort(self)
        frames.append(frame)
        self._streams.append(stream)

    def announce(self, stream: Resendable, frame: bytes) -> None:
        """Add a frame that is not an update. Paused members get the state again when resumed."""
        self._announcing.append(stream)
        self.append(stream, frame)

    def flush(self) -> None:
        """Pass the frames of this flush cycle to the members."""
        if self.is_empty:
            return
        data, streams = self.take()
        announcing, self._announcing = self._announcing, []
        deliver, compress = self.packing.deliver, self.packing.compress
        if compress is not None and not all(outbox.paused for outbox in self.members):
            compressed = compress(data)
            if compressed is not None:
                deliver, data = Outbox.append, compressed
        paused = 0
        for outbox in self.members:
            if outbox.paused:
                outbox.mark_stale(streams, announcing)
                paused += 1
            else:
                deliver(outbox, data)
        taken = len(self.members) - paused
        self._flush_cycle.messages += len(streams) * taken
        if taken and not announcing:
            self._flush_cycle.offer_sample(streams)

    def take(self) -> tuple[bytes, list[Resendable]]:
        """Remove all frames; return them joined, and their streams."""
        frames, self._frames = self._frames, []
        streams, self._streams = self._streams, []
        return self.packing.joint.join(frames), streams


class BufferedCohort(Cohort):
    """A cohort whose frames are in a compiled buffer, where C code can add some too."""

    __slots__ = ("buffer",)

    def __init__(
        self,
        flush_cycle: FlushCycle,
        packing: Packing,
        key: int,
        members: list[Outbox],
        buffer: Buffer,
    ) -> None:
        super().__init__(flush_cycle, packing, key, members)
        self.buffer = buffer

    @property
    def is_empty(self) -> bool:
        """Whether there are no frames."""
        return not self.buffer

    def repack(self, packing: Packing) -> None:
        """Use another packing. Only while there are no frames."""
        super().repack(packing)
        self.buffer.joint = packing.joint

    def append(self, stream: Resendable, frame: bytes) -> None:
        """Add a frame for all members."""
        if self.buffer.append(stream, frame):
            self._flush_cycle.touch_cohort(self)

    def take(self) -> tuple[bytes, list[Resendable]]:
        """Remove all frames; return them joined, and their streams."""
        return self.buffer.take()


class Cohorts:
    """The cohorts in use, one for each set of outboxes.

    A set is identified by the exclusive or of its members' random tokens, so the set with one
    member more or less is found without iterating over the members: a client with a page of a
    thousand PVs that joins hundreds of others takes a thousand look-ups.
    """

    def __init__(self, flush_cycle: FlushCycle) -> None:
        self._flush_cycle = flush_cycle
        self.touch = flush_cycle.touch_cohort
        """Called with a cohort when its buffer gets the first frame without `append`."""
        self._known: dict[tuple[Packing, int], Cohort] = {}

    def enter(self, packing: Packing) -> Cohort:
        """Return the empty cohort, for a new stream."""
        cohort = self._known.get((packing, 0)) or self._add(packing, 0, [])
        cohort.streams += 1
        return cohort

    def join(self, cohort: Cohort, outbox: Outbox, streams: int = 1) -> Cohort:
        """Return the cohort of a number of a cohort's streams after an outbox has joined them."""

        def change(members: list[Outbox]) -> None:
            members.append(outbox)

        return self._move(cohort, cohort.packing, cohort.key ^ outbox.token, change, streams)

    def leave(self, cohort: Cohort, outbox: Outbox) -> Cohort:
        """Return the cohort of a stream after an outbox has left it."""
        key = cohort.key ^ outbox.token
        return self._move(cohort, cohort.packing, key, lambda members: members.remove(outbox))

    def repack(self, cohort: Cohort, packing: Packing) -> Cohort:
        """Return the cohort of the same outboxes with another packing."""
        if packing is cohort.packing:
            return cohort
        return self._move(cohort, packing, cohort.key, lambda _: None)

    def drop(self, cohort: Cohort, streams: int = 1) -> None:
        """Remove a stream that is closed, or a number of streams that have moved."""
        cohort.streams -= streams
        if not cohort.streams:
            del self._known[cohort.packing, cohort.key]

    def _move(
        self, cohort: Cohort, packing: Packing, key: int, change: Change, streams: int = 1
    ) -> Cohort:
        # Pending frames are for the old members. So frames of one PV are never in two
        # cohorts at once, and a new member gets nothing older than its snapshot.
        cohort.flush()
        successor = self._known.get((packing, key))
        if successor is None and cohort.streams == streams:
            # Used by no other streams, so it can be changed in place. If each client has
            # different PVs, creating a new cohort would copy all members each time.
            del self._known[cohort.packing, cohort.key]
            cohort.key = key
            cohort.repack(packing)
            change(cohort.members)
            self._known[packing, key] = cohort
            return cohort
        if successor is None:
            members = cohort.members[:]
            change(members)
            successor = self._add(packing, key, members)
        successor.streams += streams
        self.drop(cohort, streams)
        return successor

    def _add(self, packing: Packing, key: int, members: list[Outbox]) -> Cohort:
        cycle, make_buffer = self._flush_cycle, self._flush_cycle.make_buffer
        if make_buffer is None:
            cohort = Cohort(cycle, packing, key, members)
        else:
            buffer = make_buffer(packing.joint)
            cohort = BufferedCohort(cycle, packing, key, members, buffer)
        self._known[packing, key] = cohort
        return cohort

    def __len__(self) -> int:
        return len(self._known)
