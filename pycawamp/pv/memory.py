"""PVs in memory, for tests and development without an IOC."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from pycawamp.pv import checks
from pycawamp.pv.errors import BadValueError, NotConnectedError, PutFailedError
from pycawamp.pv.interfaces import IBackend, IHandle, ISink
from pycawamp.pv.values import FieldType, Metadata, Reading, Value


@implementer(IHandle)
@attrs.frozen(eq=False)
class MemoryHandle:
    """An open channel of a PV in memory."""

    name: str
    sink: ISink
    _backend: MemoryBackend

    def close(self) -> None:
        """Close the channel."""
        self._backend.handles.remove(self)

    def get(self) -> Deferred[Reading]:
        """Return the current value."""
        return self._backend.get(self.name)

    def put(self, value: Any, wait: bool) -> Deferred[None]:
        """Set the value."""
        return self._backend.put(self.name, value)


@implementer(IBackend)
class MemoryBackend:
    """A backend with PVs that are created by `add` and changed by `set`.

    Args:
        now: Returns the time for time stamps, in UNIX seconds.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._described: dict[str, Metadata] = {}
        self._latest: dict[str, Reading] = {}
        self.handles: list[MemoryHandle] = []
        """The open channels."""

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> Deferred[None]:
        """Close all channels."""
        self.handles.clear()
        return succeed(None)

    def open(self, name: str, sink: ISink) -> IHandle:
        """Open a channel. It is connected when the PV exists."""
        handle = MemoryHandle(name, sink, self)
        self.handles.append(handle)
        self._introduce(name, sink)
        return handle

    def get(self, name: str) -> Deferred[Reading]:
        """Return the current value of a PV."""
        if name not in self._described:
            return fail(NotConnectedError("the PV was removed"))
        return succeed(self._latest[name])

    def put(self, name: str, value: Any) -> Deferred[None]:
        """Convert a value to the PV's type, and set it."""
        if name not in self._described:
            return fail(PutFailedError("the PV was removed"))
        try:
            converted = _converted(self._described[name], value)
        except BadValueError as error:
            return fail(error.with_traceback(None))
        self.set(name, converted)
        return succeed(None)

    def add(self, name: str, value: Value, metadata: Metadata | None = None) -> None:
        """Create a PV.

        Args:
            name: Its name.
            value: Its value: a number, a str, a numpy array or a list of str.
            metadata: Its metadata; by default, its type is that of the value.
        """
        self._described[name] = metadata or _natural(value)
        self._latest[name] = self._stamp(value)
        for sink in self._sinks(name):
            self._introduce(name, sink)

    def set(self, name: str, value: Value, severity: int = 0, status: int = 0) -> Reading:
        """Set a PV's value and alarm, with the current time, and notify subscribers.

        Args:
            name: The PV's name.
            value: The value.
            severity: The alarm severity as in alarm.h.
            status: The alarm status as in alarm.h.
        """
        reading = self._latest[name] = self._stamp(value, severity, status)
        for sink in self._sinks(name):
            sink.reading(reading)
        return reading

    def describe(self, name: str, metadata: Metadata) -> None:
        """Set a PV's metadata, and notify subscribers."""
        self._described[name] = metadata
        for sink in self._sinks(name):
            sink.metadata(metadata)

    def remove(self, name: str) -> None:
        """Remove a PV, as if its IOC had disconnected."""
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


def _converted(metadata: Metadata, value: Any) -> Value:
    """Return the value that a PV has after a write of `value`.

    Raises:
        BadValueError: The value is not valid for the PV.
    """
    if metadata.type is FieldType.CHAR and metadata.is_array and isinstance(value, str):
        value = list(value.encode())
    values = checks.elements(metadata, value)
    if metadata.type is FieldType.STRING:
        texts = [checks.string(each).decode() for each in values]
        return texts if metadata.is_array else texts[0]
    if metadata.type is FieldType.ENUM:
        values = list(checks.indices(metadata.enum_strs, values, MAX_STATES - 1))
    dtype = _DTYPES.get(metadata.type)
    if dtype is None:
        raise BadValueError(f"PVs in memory of type {metadata.type.value} cannot be written")
    numbers = checks.numbers(metadata, values, np.dtype(dtype))
    if metadata.is_array:
        return numbers
    number: Value = numbers[0].item()
    return number


MAX_STATES = 16
"""Number of states of an enum, with or without labels."""
_DTYPES = {
    FieldType.SHORT: "i2",
    FieldType.FLOAT: "f4",
    FieldType.ENUM: "u2",
    FieldType.CHAR: "u1",
    FieldType.LONG: "i4",
    FieldType.DOUBLE: "f8",
    FieldType.INT8: "i1",
    FieldType.UINT8: "u1",
    FieldType.UINT16: "u2",
    FieldType.UINT32: "u4",
    FieldType.INT64: "i8",
    FieldType.UINT64: "u8",
}


def _natural(value: Value) -> Metadata:
    types = {int: FieldType.LONG, float: FieldType.DOUBLE, str: FieldType.STRING}
    if isinstance(value, np.ndarray):
        return Metadata(FieldType.DOUBLE, max(len(value), 2))
    if isinstance(value, list):
        return Metadata(FieldType.STRING, max(len(value), 2))
    return Metadata(types[type(value)], 1)
