"""Local PVs (loc://), which exist while they have subscribers."""

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

MAX_PVS = 2000


@attrs.define(eq=False)
class LocalPV:
    """A local PV, and its sinks."""

    metadata: Metadata
    latest: Reading
    sinks: list[ISink] = attrs.Factory(list)


@implementer(IBackend)
class LocalBackend:
    """PVs that are shared by all clients, by the name before the parentheses.

    The first name that is opened determines the type and the initial value.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._pvs: dict[str, LocalPV] = {}

    def __len__(self) -> int:
        return len(self._pvs)

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> Deferred[None]:
        """Delete all PVs."""
        self._pvs.clear()
        return succeed(None)

    def open(self, name: str, sink: ISink) -> IHandle:
        """Open a channel. A new PV has the value in its name."""
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
        """Return a PV by its name; None if it does not exist."""
        return self._pvs.get(base)

    def set(self, pv: LocalPV, value: Value) -> None:
        """Set the value of a PV."""
        pv.latest = self._reading(value)
        for sink in list(pv.sinks):
            sink.reading(pv.latest)

    def close(self, base: str, sink: ISink) -> None:
        """Remove a sink; a PV without sinks is deleted."""
        pv = self._pvs.get(base)
        if pv is not None and sink in pv.sinks:
            pv.sinks.remove(sink)
            if not pv.sinks:
                del self._pvs[base]

    def _make(self, name: LocalName) -> LocalPV:
        if len(self._pvs) >= MAX_PVS:
            raise LocalNameError(f"the limit of {MAX_PVS} local PVs is reached")
        metadata, value = initial(name)
        pv = self._pvs[name.base] = LocalPV(metadata, self._reading(value))
        return pv

    def _reading(self, value: Value) -> Reading:
        return stamped(self._now(), value)


@implementer(IHandle)
@attrs.frozen(eq=False)
class LocalHandle:
    """An open channel of a local PV."""

    _backend: LocalBackend
    _base: str
    _sink: ISink

    def close(self) -> None:
        """Close the channel."""
        self._backend.close(self._base, self._sink)

    def get(self) -> Deferred[Reading]:
        """Return the current value."""
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
