"""Simulated PVs (sim://), which change while they are open."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from zope.interface import implementer

from pycawamp.pv.errors import NotConnectedError, PutFailedError
from pycawamp.pv.interfaces import IBackend, IHandle, ISink
from pycawamp.pv.local.handles import NoPV
from pycawamp.pv.local.loc import stamped
from pycawamp.pv.local.names import LocalName, LocalNameError
from pycawamp.pv.local.simulations import LOST, Simulation, simulation
from pycawamp.pv.values import Reading

MAX_WORK = 10_000.0
"""Maximum updates per second of all PVs; every `ELEMENTS` array elements count as one more."""
ELEMENTS = 100


@implementer(IHandle)
class SimulatedPV:
    """A simulated PV."""

    def __init__(
        self, model: Simulation, sink: ISink, clock: IReactorTime, now: Callable[[], float]
    ) -> None:
        self.work = (1 + model.metadata.count // ELEMENTS) / model.period if model.period else 0.0
        """Its share of `MAX_WORK`."""
        self.closed: Callable[[], object] = lambda: None
        self._model = model
        self._sink = sink
        self._now = now
        self._clock = clock
        self._number = 0
        self._connected = False
        self._latest: Reading | None = None
        self._opened = clock.seconds()
        self._steps = LoopingCall(self._step)
        self._steps.clock = clock

    def start(self) -> None:
        """Start sending updates to the sink."""
        self._sink.metadata(attrs.evolve(self._model.metadata, write_access=False))
        if self._model.period:
            self._steps.start(self._model.period)
        else:
            self._step()

    def close(self) -> None:
        """Stop."""
        if self._steps.running:
            self._steps.stop()
        closed, self.closed = self.closed, lambda: None
        closed()

    def get(self) -> Deferred[Reading]:
        """Return the current value."""
        if self._latest is None:
            return fail(NotConnectedError("it is disconnected for now"))
        return succeed(self._latest)

    def put(self, value: Any, wait: bool) -> Deferred[None]:
        """Fail: simulated PVs cannot be written."""
        return fail(PutFailedError("a simulated PV cannot be written"))

    def _step(self) -> None:
        value = self._model.step(self._number, self._clock.seconds() - self._opened)
        self._number += 1
        is_there = value is not LOST
        if is_there != self._connected:
            self._connected = is_there
            self._sink.connection(is_there)
        alarm = (0, 0) if value is LOST else self._model.alarm(value)
        self._latest = None if value is LOST else stamped(self._now(), value, alarm)
        if self._latest is not None:
            self._sink.reading(self._latest)


@implementer(IBackend)
class SimulationBackend:
    """Simulated PVs, up to `MAX_WORK`."""

    def __init__(self, clock: IReactorTime, now: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._now = now
        self._open: dict[SimulatedPV, None] = {}
        self._work = 0.0

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> Deferred[None]:
        """Stop all PVs."""
        for pv in list(self._open):
            pv.close()
        return succeed(None)

    def open(self, name: str, sink: ISink) -> IHandle:
        """Open a channel, and start its simulation."""
        try:
            pv = SimulatedPV(simulation(LocalName.parse(name)), sink, self._clock, self._now)
            if self._work + pv.work > MAX_WORK:
                raise LocalNameError("the limit of simulated PVs is reached")
        except LocalNameError as error:
            sink.refused(str(error))
            return NoPV(str(error))
        self._open[pv] = None
        self._work += pv.work
        pv.closed = lambda: self._closed(pv)
        pv.start()
        return pv

    def _closed(self, pv: SimulatedPV) -> None:
        del self._open[pv]
        self._work -= pv.work
