"""The INP PVs of an access security file, followed while the file is in force."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from zope.interface import implementer

from pycawamp.pv.interfaces import ISubscriber

from .acf import Acf
from .conditions import GroupInputs
from .names import unfit

if TYPE_CHECKING:
    from pycawamp.pv.hub import PV, PVHub, Subscription
    from pycawamp.pv.values import Metadata, Reading

_INVALID = 3


class FileInputs:
    """The values of all INPs of a file, by the names of their PVs."""

    def __init__(self, acf: Acf) -> None:
        self._users: dict[str, list[tuple[GroupInputs, int]]] = {}
        for group in acf.asgs.values():
            conditions = (rule.condition for rule in group.rules if rule.is_understood)
            inputs = GroupInputs(
                (one.index for one in group.inputs),
                [condition for condition in conditions if condition is not None],
            )
            for one in group.inputs:
                self._users.setdefault(one.pv, []).append((inputs, one.index))

    @property
    def names(self) -> Iterator[str]:
        """The names of the PVs, those that cannot be one left out: they never have a value."""
        return (name for name in self._users if unfit(name) is None)

    def take(self, name: str, value: float | None) -> bool:
        """Take an event of a PV (None: INVALID); whether access may have changed."""
        changes = [inputs.take(index, value) for inputs, index in self._users.get(name, ())]
        return any(changes)

    def lose(self, name: str) -> bool:
        """Take it that a PV is not connected; whether access may have changed."""
        changes = [inputs.lose(index) for inputs, index in self._users.get(name, ())]
        return any(changes)


@implementer(ISubscriber)
class InputSubscriptions:
    """Keeps the inputs of a file at what their PVs say; calls `changed` when access may change."""

    def __init__(self, hub: PVHub, inputs: FileInputs, changed: Callable[[], object]) -> None:
        self._inputs = inputs
        self._changed = changed
        self._open: list[Subscription] = []
        for name in inputs.names:
            self._open.append(hub.subscribe(name, self))

    def close(self) -> None:
        """Follow the PVs no more."""
        for subscription in self._open:
            subscription.close()
        self._open.clear()

    def metadata(self, pv: PV, metadata: Metadata) -> None:
        """Nothing depends on what a PV is."""

    def connection(self, pv: PV, connected: bool) -> None:
        """Take it that a PV was lost; once it is back, its value comes."""
        if not connected and self._inputs.lose(pv.name):
            self._changed()

    def reading(self, pv: PV, reading: Reading) -> None:
        """Take a value."""
        value = None if reading.severity >= _INVALID else _number(reading)
        if self._inputs.take(pv.name, value):
            self._changed()


def _number(reading: Reading) -> float | None:
    """The value, or the first element, as a number; None if there is none."""
    value = reading.value
    if isinstance(value, np.ndarray | list):
        value = value[0] if len(value) else None
    try:
        return None if value is None else float(value)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return None
