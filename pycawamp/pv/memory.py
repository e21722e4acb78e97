"""PVs that live in this process: for tests, and for developing without an IOC."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from pycawamp.pv.ca.dbr import TIME_LAYOUTS, decoder
from pycawamp.pv.ca.encode import encode
from pycawamp.pv.errors import BadValueError, NotConnectedError, PutFailedError
from pycawamp.pv.interfaces import IBackend, IHandle, ISink
from pycawamp.pv.values import FieldType, Metadata, Reading, Value


@implementer(IHandle)
@attrs.frozen(eq=False)
class MemoryHandle:
    """One sink's hold on one in-memory PV."""

    name: str
    sink: ISink
    _backend: MemoryBackend

    def close(self) -> None:
        """Let the sink hear no more."""
        self._backend.handles.remove(self)

    def get(self) -> Deferred[Reading]:
        """Give the present value."""
        return self._backend.get(self.name)

    def put(self, value: Any, wait: bool) -> Deferred[None]:
        """Set the value."""
        return self._backend.put(self.name, value)


@implementer(IBackend)
class MemoryBackend:
    """A backend whose PVs are what `add` and `set` made them."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._described: dict[str, Metadata] = {}
        self._latest: dict[str, Reading] = {}
        self.handles: list[MemoryHandle] = []
        """What is open."""

    def start(self) -> None:
        """Do nothing: there is nothing to set up."""

    def stop(self) -> Deferred[None]:
        """Forget all who listen."""
        self.handles.clear()
        return succeed(None)

    def open(self, name: str, sink: ISink) -> IHandle:
        """Report a PV to a sink, at once if it exists, else when it is added."""
        handle = MemoryHandle(name, sink, self)
        self.handles.append(handle)
        self._introduce(name, sink)
        return handle

    def get(self, name: str) -> Deferred[Reading]:
        """The present value, as an IOC would answer."""
        if name not in self._described:
            return fail(NotConnectedError("it was removed"))
        return succeed(self._latest[name])

    def put(self, name: str, value: Any) -> Deferred[None]:
        """Set a value, as an IOC would on a write."""
        if name not in self._described:
            return fail(PutFailedError("it was removed"))
        try:
            write = encode(self._described[name], value)
        except BadValueError as error:
            return fail(error.with_traceback(None))
        header = bytes(TIME_LAYOUTS[write.type].offset)
        described = self._described[name]
        value = decoder(write.type, described.count)(header + write.raw).value
        if write.type is not described.type:
            # Whole numbers with more digits than a double has.
            value = np.array(value, float) if described.is_array else float(value)
        self.set(name, value)
        return succeed(None)

    def add(self, name: str, value: Value, metadata: Metadata | None = None) -> None:
        """Make a PV appear; without metadata, its type follows from the value."""
        self._described[name] = metadata or _natural(value)
        self._latest[name] = self._stamp(value)
        for sink in self._sinks(name):
            self._introduce(name, sink)

    def set(self, name: str, value: Value, severity: int = 0, status: int = 0) -> Reading:
        """Give a PV a new value, as its record would on processing."""
        reading = self._latest[name] = self._stamp(value, severity, status)
        for sink in self._sinks(name):
            sink.reading(reading)
        return reading

    def describe(self, name: str, metadata: Metadata) -> None:
        """Change what a PV says of itself."""
        self._described[name] = metadata
        for sink in self._sinks(name):
            sink.metadata(metadata)

    def remove(self, name: str) -> None:
        """Make a PV disappear, as when its IOC dies."""
        del self._described[name]
        for sink in self._sinks(name):
            sink.connection(False)

    def _sinks(self, name: str) -> list[ISink]:
        return [handle.sink for handle in self.handles if handle.name == name]

    def _introduce(self, name: str, sink: ISink) -> None:
        metadata = self._described.get(name)
        if metadata is None:
            return
        sink.metadata(metadata)
        sink.connection(metadata.read_access)
        if metadata.read_access:
            sink.reading(self._latest[name])

    def _stamp(self, value: Value, severity: int = 0, status: int = 0) -> Reading:
        seconds, fraction = divmod(self._now(), 1)
        return Reading(status, severity, int(seconds), int(fraction * 1e9), value)


def _natural(value: Value) -> Metadata:
    types = {int: FieldType.LONG, float: FieldType.DOUBLE, str: FieldType.STRING}
    if isinstance(value, np.ndarray):
        return Metadata(FieldType.DOUBLE, max(len(value), 2))
    if isinstance(value, list):
        return Metadata(FieldType.STRING, max(len(value), 2))
    return Metadata(types[type(value)], 1)
