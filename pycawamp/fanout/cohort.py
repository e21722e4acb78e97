"""Clients that subscribe to the same PVs share their bytes.

All who look at one page subscribe to the same PVs in the same encoding. They form a
cohort: an update is appended once to the cohort, and at the end of the turn its frames
are joined once and handed to each member. So the cost of an update does not grow with
the number of viewers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pycawamp.fanout.flush import FlushCycle
from pycawamp.fanout.outbox import Outbox, Resendable
from pycawamp.fanout.packing import Packing

Change: TypeAlias = Callable[[list[Outbox]], None]
"""What becomes of a set of outboxes."""


class Cohort:
    """One set of outboxes, and the frames of this turn that all of them get."""

    __slots__ = (
        "_announcing",
        "_append",
        "_flush_cycle",
        "buffer",
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
        """How many streams lead here."""
        self.buffer = flush_cycle.make_buffer(packing.joint)
        """The frames of this turn."""
        # Bound once: it is called for each update.
        self._append = self.buffer.append
        self._announcing: list[Resendable] = []

    def append(self, stream: Resendable, frame: bytes) -> None:
        """Have every member get a frame."""
        if self._append(stream, frame):
            self._flush_cycle.touch_cohort(self)

    def announce(self, stream: Resendable, frame: bytes) -> None:
        """Have every member get a frame that is not a value: a client that cannot
        take it now is told anew, beside the newest value.
        """
        self._announcing.append(stream)
        self.append(stream, frame)

    def flush(self) -> None:
        """Hand the frames of this turn to the members."""
        if not self.buffer:
            return
        data, streams = self.buffer.take()
        announcing, self._announcing = self._announcing, []
        deliver = self.packing.deliver
        for outbox in self.members:
            if outbox.paused:
                outbox.mark_stale(streams, announcing)
            else:
                deliver(outbox, data)


class Cohorts:
    """The cohorts in use, one for each set of outboxes.

    A set is known by the sum (exclusive or) of its members' random tokens, so that the
    set with one more or one less is found without looking at the others: a page of
    a thousand PVs that joins hundreds of its like costs a thousand look-ups.
    """

    def __init__(self, flush_cycle: FlushCycle) -> None:
        self._flush_cycle = flush_cycle
        self.touch = flush_cycle.touch_cohort
        """To be called with a cohort that gets its first frame otherwise than by `append`."""
        self._known: dict[tuple[Packing, int], Cohort] = {}

    def enter(self, packing: Packing) -> Cohort:
        """The empty cohort, for a new stream."""
        cohort = self._known.get((packing, 0)) or self._add(packing, 0, [])
        cohort.streams += 1
        return cohort

    def join(self, cohort: Cohort, outbox: Outbox) -> Cohort:
        """The cohort that a stream has once an outbox joined it."""
        key = cohort.key ^ outbox.token
        return self._move(cohort, cohort.packing, key, lambda members: members.append(outbox))

    def leave(self, cohort: Cohort, outbox: Outbox) -> Cohort:
        """The cohort that a stream has once an outbox left it."""
        key = cohort.key ^ outbox.token
        return self._move(cohort, cohort.packing, key, lambda members: members.remove(outbox))

    def repack(self, cohort: Cohort, packing: Packing) -> Cohort:
        """The cohort of the same outboxes in another packing."""
        if packing is cohort.packing:
            return cohort
        return self._move(cohort, packing, cohort.key, lambda _: None)

    def drop(self, cohort: Cohort) -> None:
        """Let a stream go that is no more."""
        cohort.streams -= 1
        if not cohort.streams:
            del self._known[cohort.packing, cohort.key]

    def _move(self, cohort: Cohort, packing: Packing, key: int, change: Change) -> Cohort:
        # What was said so far was said to the old members. So frames of one PV never
        # wait in two cohorts at once, and a newcomer gets nothing older than itself.
        cohort.flush()
        successor = self._known.get((packing, key))
        if successor is None and cohort.streams == 1:
            # Nobody else's, so it can be changed: where each client has PVs of its own
            # choice, a new one for each that joins would copy all members each time.
            del self._known[cohort.packing, cohort.key]
            cohort.packing, cohort.key = packing, key
            cohort.buffer.joint = packing.joint
            change(cohort.members)
            self._known[packing, key] = cohort
            return cohort
        if successor is None:
            members = cohort.members[:]
            change(members)
            successor = self._add(packing, key, members)
        successor.streams += 1
        self.drop(cohort)
        return successor

    def _add(self, packing: Packing, key: int, members: list[Outbox]) -> Cohort:
        cohort = self._known[packing, key] = Cohort(self._flush_cycle, packing, key, members)
        return cohort

    def __len__(self) -> int:
        return len(self._known)
