"""Clients that subscribe to the same PVs share their bytes.

All who look at one page subscribe to the same PVs in the same encoding. They form a
cohort: an update is appended once to the cohort, and at the end of the turn its frames
are joined once and handed to each member. So the cost of an update does not grow with
the number of viewers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from pycawamp.fanout.outbox import Outbox
from pycawamp.fanout.packing import Packing
from pycawamp.fanout.turn import Turn

if TYPE_CHECKING:
    from pycawamp.fanout.lane import Lane

Change: TypeAlias = Callable[[list[Outbox]], None]
"""What becomes of a set of outboxes."""


class Cohort:
    """One set of outboxes, and the frames of this turn that all of them get."""

    __slots__ = ("_announcing", "_frames", "_lanes", "_turn", "key", "lanes", "members", "packing")

    def __init__(self, turn: Turn, packing: Packing, key: int, members: list[Outbox]) -> None:
        self._turn = turn
        self.packing = packing
        self.key = key
        self.members = members
        self.lanes = 0
        """How many lanes lead here."""
        self._frames: list[bytes] = []
        # What the frames were about, for members that cannot take them now.
        self._lanes: list[Lane] = []
        self._announcing: list[Lane] = []

    def append(self, lane: Lane, frame: bytes) -> None:
        """Have every member get a frame."""
        if not self._frames:
            self._turn.touch_cohort(self)
        self._frames.append(frame)
        self._lanes.append(lane)

    def announce(self, lane: Lane, frame: bytes) -> None:
        """Have every member get a frame that is not a value: a client that cannot
        take it now is told anew, beside the newest value.
        """
        self._announcing.append(lane)
        self.append(lane, frame)

    def flush(self) -> None:
        """Hand the frames of this turn to the members."""
        if not self._frames:
            return
        frames, self._frames = self._frames, []
        lanes, self._lanes = self._lanes, []
        announcing, self._announcing = self._announcing, []
        data = self.packing.joint.join(frames)
        deliver = self.packing.deliver
        for outbox in self.members:
            if outbox.paused:
                outbox.owe(lanes, announcing)
            else:
                deliver(outbox, data)


class Cohorts:
    """The cohorts in use, one for each set of outboxes.

    A set is known by the sum (exclusive or) of its members' random tokens, so that the
    set with one more or one less is found without looking at the others: a page of
    a thousand PVs that joins hundreds of its like costs a thousand look-ups.
    """

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._known: dict[tuple[Packing, int], Cohort] = {}

    def enter(self, packing: Packing) -> Cohort:
        """The empty cohort, for a new lane."""
        cohort = self._known.get((packing, 0)) or self._add(packing, 0, [])
        cohort.lanes += 1
        return cohort

    def join(self, cohort: Cohort, outbox: Outbox) -> Cohort:
        """The cohort that a lane has once an outbox joined it."""
        key = cohort.key ^ outbox.token
        return self._move(cohort, cohort.packing, key, lambda members: members.append(outbox))

    def leave(self, cohort: Cohort, outbox: Outbox) -> Cohort:
        """The cohort that a lane has once an outbox left it."""
        key = cohort.key ^ outbox.token
        return self._move(cohort, cohort.packing, key, lambda members: members.remove(outbox))

    def repack(self, cohort: Cohort, packing: Packing) -> Cohort:
        """The cohort of the same outboxes in another packing."""
        if packing is cohort.packing:
            return cohort
        return self._move(cohort, packing, cohort.key, lambda _: None)

    def drop(self, cohort: Cohort) -> None:
        """Let a lane go that is no more."""
        cohort.lanes -= 1
        if not cohort.lanes:
            del self._known[cohort.packing, cohort.key]

    def _move(self, cohort: Cohort, packing: Packing, key: int, change: Change) -> Cohort:
        # What was said so far was said to the old members. So frames of one PV never
        # wait in two cohorts at once, and a newcomer gets nothing older than itself.
        cohort.flush()
        successor = self._known.get((packing, key))
        if successor is None and cohort.lanes == 1:
            # Nobody else's, so it can be changed: where each client has PVs of its own
            # choice, a new one for each that joins would copy all members each time.
            del self._known[cohort.packing, cohort.key]
            cohort.packing, cohort.key = packing, key
            change(cohort.members)
            self._known[packing, key] = cohort
            return cohort
        if successor is None:
            members = cohort.members[:]
            change(members)
            successor = self._add(packing, key, members)
        successor.lanes += 1
        self.drop(cohort)
        return successor

    def _add(self, packing: Packing, key: int, members: list[Outbox]) -> Cohort:
        cohort = self._known[packing, key] = Cohort(self._turn, packing, key, members)
        return cohort

    def __len__(self) -> int:
        return len(self._known)
