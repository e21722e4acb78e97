"""loc:// PVs: they hold what clients write, for as long as one looks at them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from pycawamp.pv.errors import BadValueError, NotConnectedError
from pycawamp.pv.interfaces import IBackend, IHandle, ISink
from pycawamp.pv.local.handles import NoPV
from pycawamp.pv.local.names import LocalName, LocalNameError
from pycawamp.pv.local.values import converted, initial
from pycawamp.pv.values import Metadata, Reading, Value

MOST_PVS = 2000


@attrs.define(eq=False)
class LocalPV:
    """One PV, and those who hear of it."""

    metadata: Metadata
    latest: Reading
    sinks: list[ISink] = attrs.Factory(list)


@implementer(IBackend)
class LocalBackend:
    """PVs that are shared by all clients, by the name before the parentheses.

    The first name that is opened decides on the type and the first value.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._pvs: dict[str, LocalPV] = {}

    def __len__(self) -> int:
        return len(self._pvs)

    def start(self) -> None:
        """Do nothing: there is nothing to set up."""

    def stop(self) -> Deferred[None]:
        """Forget all."""
        self._pvs.clear()
        return succeed(None)

    def open(self, name: str, sink: ISink) -> IHandle:
        """Report a PV to a sink; one that is new has the value in its name."""
        try:
            parsed = LocalName.parse(name)
            pv = self._pvs.get(parsed.base) or self._make(parsed)
        except LocalNameError as error:
            sink.refused(str(error))
            return NoPV(str(error))
        pv.sinks.append(sink)
        sink.metadata(pv.metadata)
        sink.connection(True)
        sink.reading(pv.latest)
        return LocalHandle(self, parsed.base, sink)

    def find(self, base: str) -> LocalPV | None:
        """Return a PV by its name; None if nobody looks at it."""
        return self._pvs.get(base)

    def set(self, pv: LocalPV, value: Value) -> None:
        """Give a PV a value."""
        pv.latest = self._reading(value)
        for sink in list(pv.sinks):
            sink.reading(pv.latest)

    def close(self, base: str, sink: ISink) -> None:
        """Unsubscribe a sink; a PV without sinks is removed."""
        pv = self._pvs.get(base)
        if pv is not None and sink in pv.sinks:
            pv.sinks.remove(sink)
            if not pv.sinks:
                del self._pvs[base]

    def _make(self, name: LocalName) -> LocalPV:
        if len(self._pvs) >= MOST_PVS:
            raise LocalNameError(f"there are {MOST_PVS} local PVs, as many as may be")
        metadata, value = initial(name)
        pv = self._pvs[name.base] = LocalPV(metadata, self._reading(value))
        return pv

    def _reading(self, value: Value) -> Reading:
        return stamped(self._now(), value)


@implementer(IHandle)
@attrs.frozen(eq=False)
class LocalHandle:
    """One sink's hold on a PV."""

    _backend: LocalBackend
    _base: str
    _sink: ISink

    def close(self) -> None:
        """Unsubscribe the sink."""
        self._backend.close(self._base, self._sink)

    def get(self) -> Deferred[Reading]:
        """Give the present value."""
        pv = self._backend.find(self._base)
        return fail(NotConnectedError("there is no such PV")) if pv is None else succeed(pv.latest)

    def put(self, value: Any, wait: bool) -> Deferred[None]:
        """Set the value."""
        pv = self._backend.find(self._base)
        if pv is None:
            return fail(NotConnectedError("there is no such PV"))
        try:
            self._backend.set(pv, converted(pv.metadata, value))
        except BadValueError as error:
            return fail(error)
        return succeed(None)


def stamped(now: float, value: Value, alarm: tuple[int, int] = (0, 0)) -> Reading:
    """Return an update at a time of day in UNIX seconds; the alarm is status and severity."""
    seconds, nanoseconds = divmod(int(now * 1e9), 10**9)
    return Reading(*alarm, seconds, nanoseconds, value)
