"""Messages to epics2web clients about a PV: its type, and its first element."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import orjson

from pycawamp.pv.routes import Field
from pycawamp.pv.single import single
from pycawamp.pv.values import FieldType, Image, Metadata, Reading, Value
from pycawamp.wire.dialect import Renderer, Template
from pycawamp.wire.v2.codec import dumps
from pycawamp.wire.v2.text import label, long_string

Show: TypeAlias = Callable[[Value], bytes]
"""Returns a value as JSON."""


class PVRenderer(Renderer):
    """Renders the messages of a PV."""

    __slots__ = ("_head", "_is_array", "_show")

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._head = b'{"type":"update","pv":%b,"value":' % dumps(name)
        self._is_array = False

    def describe(self, metadata: Metadata) -> None:
        """Use `metadata` from now on."""
        self._is_array = metadata.is_array
        self._show = formatter_for(metadata)

    def described(self, metadata: Metadata) -> Sequence[bytes]:
        """Return the message for changed metadata, which may have new labels."""
        return (info(self.name, metadata),)

    def connection(self, connected: bool, metadata: Metadata | None) -> Sequence[bytes]:
        """Return the message for a PV that has connected or disconnected."""
        return (info(self.name, metadata if connected else None),)

    def update(self, reading: Reading) -> bytes:
        """Return the message for an update."""
        return self._head + self._show(reading.value) + b"}"

    def template(self) -> Template | None:
        """Return the template of updates of scalars."""
        return None if self._is_array else Template((self._head, Field.NUMBER, b"}"))


def info(name: str, metadata: Metadata | None) -> bytes:
    """Return the `info` message; None: the PV is not connected."""
    message: dict[str, Any] = {"type": "info", "pv": name, "connected": metadata is not None}
    if metadata is not None:
        message |= {"datatype": _DATATYPES[metadata.type], "count": metadata.count}
        if metadata.type is FieldType.ENUM:
            message["enum-labels"] = metadata.enum_strs
    return dumps(message)


def formatter_for(metadata: Metadata, labels: bool = False) -> Show:
    """Return the function that formats a PV's values; with `labels`, enums by label."""
    if metadata.type is FieldType.CHAR and metadata.is_array:
        return lambda value: dumps(long_string(value, metadata.count))  # type: ignore[arg-type]
    show = _NUMBERS.get(metadata.type, _plain)
    if labels and metadata.type is FieldType.ENUM:
        show = _labels(metadata.enum_strs)
    if not metadata.is_array:
        return show
    return lambda value: show(_first(value))


def _labels(labels: tuple[str, ...]) -> Show:
    def show(value: Value) -> bytes:
        assert value is None or isinstance(value, int)
        return dumps(None if value is None else label(labels, value))

    return show


def _first(value: Value) -> Value:
    """Return the first element of an array; None if it has none."""
    assert isinstance(value, np.ndarray | list)
    elements = value if isinstance(value, list) else value[:1].tolist()
    return elements[0] if elements else None


def _plain(value: Value) -> bytes:
    return b"null" if isinstance(value, Image) else dumps(value)


def _number(value: Value) -> bytes:
    shown = orjson.dumps(value)
    return shown if shown != b"null" or value is None else _not_finite(value)


def _single(value: Value) -> bytes:
    if value is None:
        return b"null"
    number = single(value)  # type: ignore[arg-type]
    return dumps(number) if np.isfinite(number) else _not_finite(value)


def _signed(value: Value) -> bytes:
    assert value is None or isinstance(value, int)
    return orjson.dumps(value - 256 if value is not None and value > 127 else value)


def _not_finite(value: Value) -> bytes:
    if math.isnan(value):  # type: ignore[arg-type]
        return b'"NaN"'
    return b'"Infinity"' if value > 0 else b'"-Infinity"'  # type: ignore[operator]


_NUMBERS: dict[FieldType, Show] = {
    FieldType.DOUBLE: _number,
    FieldType.FLOAT: _single,
    FieldType.CHAR: _signed,
}
_DATATYPES = {
    FieldType.DOUBLE: "DBR_DOUBLE",
    FieldType.FLOAT: "DBR_FLOAT",
    FieldType.LONG: "DBR_INT",
    FieldType.SHORT: "DBR_SHORT",
    FieldType.CHAR: "DBR_BYTE",
    FieldType.ENUM: "DBR_ENUM",
    FieldType.STRING: "DBR_STRING",
    # For types that Channel Access does not have, a type of Channel Access that can hold them.
    FieldType.BOOL: "DBR_BYTE",
    FieldType.INT8: "DBR_BYTE",
    FieldType.UINT8: "DBR_BYTE",
    FieldType.UINT16: "DBR_INT",
    FieldType.UINT32: "DBR_DOUBLE",
    FieldType.INT64: "DBR_DOUBLE",
    FieldType.UINT64: "DBR_DOUBLE",
    FieldType.TABLE: "DBR_STRING",
    FieldType.IMAGE: "DBR_STRING",
    FieldType.STRUCTURE: "DBR_STRING",
}
