"""The INP PVs of an access security file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from zope.interface import implementer

from pycawamp.pv.hub import PVHub, Subscription
from pycawamp.pv.interfaces import ISubscriber, PVState
from pycawamp.pv.values import Metadata, Reading

from .acf import Acf
from .conditions import GroupInputs
from .names import name_problem

_INVALID = 3


class FileInputs:
    """The values of all INPs of a file, by PV names."""

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
        """The names of the PVs, without invalid ones, which never have a value."""
        return (name for name in self._users if name_problem(name) is None)

    def take(self, name: str, value: float | None) -> bool:
        """Set the value of a PV (None: INVALID); return whether access may have changed."""
        changes = [inputs.take(index, value) for inputs, index in self._users.get(name, ())]
        return any(changes)

    def lose(self, name: str) -> bool:
        """Mark a PV as disconnected; return whether access may have changed."""
        changes = [inputs.lose(index) for inputs, index in self._users.get(name, ())]
        return any(changes)


@implementer(ISubscriber)
class InputSubscriptions:
    """Subscribes to the INPs of a file; calls `changed` when access may have changed."""

    def __init__(self, hub: PVHub, inputs: FileInputs, changed: Callable[[], object]) -> None:
        self._inputs = inputs
        self._changed = changed
        self._open: list[Subscription] = []
        for name in inputs.names:
            self._open.append(hub.subscribe(name, self))

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._open:
            subscription.close()
        self._open.clear()

    def metadata(self, pv: PVState, metadata: Metadata) -> None:
        """Do nothing."""

    def connection(self, pv: PVState, connected: bool) -> None:
        """Handle a disconnect; after a reconnect, a value follows."""
        if not connected and self._inputs.lose(pv.name):
            self._changed()

    def reading(self, pv: PVState, reading: Reading) -> None:
        """Handle an update."""
        value = None if reading.severity >= _INVALID else _number(reading)
        if self._inputs.take(pv.name, value):
            self._changed()


def _number(reading: Reading) -> float | None:
    """Return the value, or the first element, as a number; None if there is none."""
    value = reading.value
    if isinstance(value, np.ndarray | list):
        value = value[0] if len(value) else None
    try:
        return None if value is None else float(value)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return None
