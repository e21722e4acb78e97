"""Edges that get a PV at a limited rate."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from pycawamp.bus.edge_group import EdgeGroup
from pycawamp.bus.messages import reading_record
from pycawamp.pv.delay import DelayLine
from pycawamp.pv.interfaces import PVState
from pycawamp.pv.values import Reading


class LimitedPV(Protocol):
    """A PV that is published."""

    pid: int
    """Its number on the bus."""

    @property
    def pv(self) -> PVState:
        """The PV in the hub."""


class LimitedEdges:
    """The edges that get a PV at a limited rate.

    The first update is sent immediately, then the newest of each pause. Updates within a pause need
    not be passed to it: at its end, it checks whether there were any.
    """

    __slots__ = ("_pause", "_pauses", "_published_pv", "_sent", "group")

    def __init__(self, published: LimitedPV, group: EdgeGroup, pauses: Pauses) -> None:
        self.group = group
        self._published_pv = published
        self._pauses = pauses
        # The current pause.
        self._pause: object | None = None
        # The number of the PV's updates when one was last sent.
        self._sent = 0

    @property
    def rate(self) -> float:
        """Updates per second."""
        return self._pauses.rate

    @property
    def is_paused(self) -> bool:
        """Whether updates are not sent now."""
        return self._pause is not None

    def send(self, reading: Reading) -> None:
        """Send an update, and pause."""
        self.group.add(reading_record(self._published_pv.pid, reading))
        self._sent = self._published_pv.pv.updates
        self._pause = object()
        self._pauses.put((self, self._pause))

    def release(self) -> None:
        """Send the newest update, if it arrived in the pause, and end the pause."""
        newest = self._end_pause()
        if newest is not None:
            self.group.add(reading_record(self._published_pv.pid, newest))

    def pause_over(self, pause: object) -> None:
        """Send the newest update and pause again, or wait for the next one."""
        if pause is not self._pause:
            return
        newest = self._end_pause()
        if newest is not None:
            self.send(newest)
        else:
            self._published_pv.pv.reroute()

    def _end_pause(self) -> Reading | None:
        """End the pause; return the newest update, if it arrived in it."""
        pv = self._published_pv.pv
        pause, self._pause = self._pause, None
        if pause is None or self._sent == pv.updates:
            return None
        return pv.latest if pv.latest is not None else pv.last


class Pauses(DelayLine[tuple[LimitedEdges, object]]):
    """The pauses of one rate (updates per second)."""

    def __init__(self, clock: IReactorTime, rate: float) -> None:
        super().__init__(clock, 1 / rate, lambda each: each[0].pause_over(each[1]))
        self.rate = rate
