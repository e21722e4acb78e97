"""CALC conditions of access rules."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field

from pycawamp.pv.calc import INPUTS, Expression

_TRUE = (0.99, 1.01)


@define
class Condition:
    """The CALC of a rule; not met until its inputs have values."""

    expression: Expression
    is_met: bool = field(default=False, init=False, eq=False)
    _result: float = field(default=0.0, init=False, eq=False, repr=False)

    def evaluate(self, values: list[float]) -> None:
        """Compute the result, as EPICS does when an input that it uses changes."""
        result = self.expression.evaluate(values, self._result)
        self._result = float(result is not None and _TRUE[0] < result < _TRUE[1])

    def update(self, bad: int) -> bool:
        """Update `is_met` with these invalid inputs; return whether it has changed."""
        before = self.is_met
        self.is_met = self._result == 1 and not bad & self.expression.inputs
        return self.is_met is not before


class GroupInputs:
    """The current values of the INPs of a group; all are invalid at first."""

    def __init__(self, indices: Iterable[int], conditions: Iterable[Condition]) -> None:
        self._conditions = tuple(conditions)
        self._values = [0.0] * INPUTS
        self._bad = 0
        for index in indices:
            self._bad |= 1 << index

    def take(self, index: int, value: float | None) -> bool:
        """Set the value of an input (None: INVALID); return whether a condition has changed."""
        bit = 1 << index
        if value is None:
            self._bad |= bit
        else:
            self._bad &= ~bit
            self._values[index] = value
        for condition in self._conditions:
            if condition.expression.inputs & bit:
                condition.evaluate(self._values)
        return self._update()

    def lose(self, index: int) -> bool:
        """Mark an input as disconnected; return whether a condition has changed."""
        self._bad |= 1 << index
        return self._update()

    def _update(self) -> bool:
        changes = [condition.update(self._bad) for condition in self._conditions]
        return any(changes)
