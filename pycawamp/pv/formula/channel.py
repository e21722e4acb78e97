"""One formula, computed from the newest values of its inputs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from operator import is_not
from typing import Any

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from pycawamp.pv.calc import Expression
from pycawamp.pv.errors import NotConnectedError, PutFailedError, RefusedError
from pycawamp.pv.hub import Subscription
from pycawamp.pv.interfaces import IHandle, ISink, ISubscriber, PVState
from pycawamp.pv.values import FieldType, Metadata, Reading

METADATA = Metadata(FieldType.DOUBLE, 1, write_access=False)
_NOT_NUMBERS = {
    FieldType.STRING: "a string",
    FieldType.TABLE: "a table",
    FieldType.IMAGE: "an image",
    FieldType.STRUCTURE: "a structure",
}


@implementer(ISubscriber)
@attrs.define(eq=False)
class FormulaInput:
    """An input of formulas: a PV with one subscription for all of them."""

    _changed: Callable[[FormulaInput], object]
    subscription: Subscription = attrs.field(init=False)
    formulas: dict[FormulaPV, None] = attrs.field(init=False, factory=dict)

    @property
    def pv(self) -> PVState:
        """The PV."""
        return self.subscription.pv

    def metadata(self, pv: PVState, metadata: Metadata) -> None:
        """Schedule the computation of the formulas."""
        self._changed(self)

    def connection(self, pv: PVState, connected: bool) -> None:
        """Schedule the computation of the formulas."""
        self._changed(self)

    def reading(self, pv: PVState, reading: Reading) -> None:
        """Schedule the computation of the formulas."""
        self._changed(self)


@implementer(IHandle)
class FormulaPV:
    """One formula's PV."""

    def __init__(
        self,
        expression: Expression,
        inputs: Sequence[PVState],
        sink: ISink,
        closed: Callable[[FormulaPV], object],
    ) -> None:
        self._expression = expression
        self._inputs = inputs
        self._sink = sink
        self._closed = closed
        self._latest: Reading | None = None
        self._computed_from: Sequence[Reading] = ()
        self._is_lost = False
        self._refusal: str | None = None

    def close(self) -> None:
        """Stop computing it."""
        self._closed(self)

    def get(self) -> Deferred[Reading]:
        """Return the newest value."""
        if self._refusal is not None:
            return fail(RefusedError(self._refusal))
        if self._latest is None:
            return fail(NotConnectedError("an input has no value"))
        return succeed(self._latest)

    def put(self, value: Any, wait: bool) -> Deferred[None]:
        """Fail: a formula cannot be written."""
        return fail(PutFailedError("a formula cannot be written"))

    def compute(self) -> None:
        """Pass the result for the current inputs to the sink."""
        refusal = next(filter(None, map(input_problem, self._inputs)), None)
        readings = [pv.latest for pv in self._inputs]
        present = [reading for reading in readings if reading is not None]
        if refusal is not None:
            self._refuse(refusal)
        elif len(present) == len(readings):
            if self._latest is None or any(map(is_not, present, self._computed_from)):
                self._computed_from = present
                self._report(self._computed(present))
        elif self._latest is not None or any(pv.connected is False for pv in self._inputs):
            self._lose()

    def _computed(self, readings: Sequence[Reading]) -> Reading:
        values = [number(reading) for reading in readings]
        result = self._expression.evaluate(values, 0.0)
        value = math.nan if result is None else result
        if not readings:
            seconds, nanoseconds = divmod(time.time_ns(), 10**9)
            return Reading(0, 0, seconds, nanoseconds, value)
        worst = max(readings, key=lambda reading: reading.severity)
        seconds, nanoseconds = max((each.seconds, each.nanoseconds) for each in readings)
        return Reading(worst.status, worst.severity, seconds, nanoseconds, value)

    def _report(self, reading: Reading) -> None:
        if self._latest is None:
            self._sink.metadata(METADATA)
            self._sink.connection(True)
        self._latest, self._is_lost, self._refusal = reading, False, None
        self._sink.reading(reading)

    def _lose(self) -> None:
        if not self._is_lost:
            self._latest, self._is_lost, self._refusal = None, True, None
            self._sink.connection(False)

    def _refuse(self, refusal: str) -> None:
        if refusal != self._refusal:
            self._sink.metadata(METADATA)
            self._latest, self._is_lost, self._refusal = None, False, refusal
            self._sink.refused(refusal)


def input_problem(pv: PVState) -> str | None:
    """Return why a formula cannot use a PV; None if its value is, or may be, a number."""
    described = pv.described
    if described is None or not pv.connected:
        return None
    kind = "an array" if described.is_array else _NOT_NUMBERS.get(described.type)
    return f"its input {pv.name} is {kind}, not a number" if kind is not None else None


def number(reading: Reading) -> float:
    """Return the value of an update as a number; for an enum, its index."""
    value = reading.value
    return float(value) if isinstance(value, int | float) else math.nan
