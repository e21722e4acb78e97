"""Updates of PVWS: complete at first, then with the members that have changed."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import orjson

from pycawamp.pv.routes import Field
from pycawamp.pv.single import single
from pycawamp.pv.values import Array, FieldType, Metadata, Reading, Value
from pycawamp.wire.dialect import Renderer, Template
from pycawamp.wire.v2.codec import dumps
from pycawamp.wire.v2.text import label

Show: TypeAlias = Callable[[Value], bytes]
"""Returns the members of an update for a value."""
Now: TypeAlias = Callable[[], float]
"""Returns UNIX seconds."""

SEVERITIES = (b"NONE", b"MINOR", b"MAJOR", b"INVALID")
UNDEFINED = b"UNDEFINED"
_NANOSECONDS = 1_000_000_000


class PVRenderer(Renderer):
    """Renders the messages of a PV, for clients that may write it, or for those that may not.

    Clients merge updates, so members that have not changed are omitted.
    """

    __slots__ = (
        "_brief",
        "_head",
        "_member",
        "_now",
        "_readonly",
        "_severity",
        "_show",
        "_whole",
        "_writable",
    )

    def __init__(self, name: str, writable: bool, now: Now) -> None:
        super().__init__(name)
        self._writable = writable
        self._now = now
        self._head = b'{"type":"update","pv":%b,' % dumps(name)
        self._brief = self._head.replace(b"%", b"%%") + b'%b,"seconds":%d,"nanos":%d}'
        self._member: bytes | None = None
        self._whole = b""
        self._readonly = b""
        self._severity: int | None = None
        """The severity in the last update; None: the next update is complete."""

    def describe(self, metadata: Metadata) -> None:
        """Use `metadata` from now on, and send it with the next update."""
        self._severity = None
        self._whole = described(metadata)
        self._readonly = b',"readonly":%b' % _bool(
            not self._writable or metadata.write_access is False
        )
        self._member = member_of(metadata)
        self._show = formatter_for(metadata)

    def shown(self, metadata: Metadata) -> object:
        """Return all metadata, so that any change is sent immediately."""
        return metadata

    def connection(self, connected: bool, metadata: Metadata | None) -> Sequence[bytes]:
        """Return the updates for a PV that has connected or disconnected.

        A disconnected PV gets a value, because clients otherwise keep the old one. For a connected
        PV that is writable, a read-only update comes first, as with PVWS: cs-web-lib treats a PV as
        read-only in the first message about it, whatever that says.
        """
        if connected:
            can_write = (
                self._writable and metadata is not None and metadata.write_access is not False
            )
            return (self._head + b'"readonly":true}',) if can_write else ()
        self._severity = None
        return (lost(self._head, self._now()),)

    def refused(self, reason: str) -> Sequence[bytes]:
        """Return an error with the reason why there is no value."""
        return (dumps({"type": "error", "message": f"{self.name}: {reason}"}),)

    def update(self, reading: Reading) -> bytes:
        """Return the message for clients that have received all earlier ones."""
        _status, severity, seconds, nanoseconds, value = reading
        if severity == self._severity:
            return self._brief % (self._show(value), seconds, nanoseconds)
        is_first, self._severity = self._severity is None, severity
        return self._newest(reading) if is_first else self._line(reading)

    def newest(self, reading: Reading) -> bytes:
        """Return a complete update."""
        if reading.severity != self._severity:
            # Clients that get this one have other data than those that get each update.
            self._severity = None
        return self._newest(reading)

    def template(self) -> Template | None:
        """Return the template of updates with the severity that clients have, for most scalars."""
        severity, member = self._severity, self._member
        if severity is None or member is None:
            return None
        before = self._head + member
        seconds, nanoseconds = (b',"seconds":', Field.SECONDS), (b',"nanos":', Field.NANOSECONDS)
        return Template((before, Field.NUMBER, *seconds, *nanoseconds, b"}"), severity)

    def snapshot(self, reading: Reading) -> bytes:
        """Return a complete update without `readonly`."""
        return self._line(reading, self._whole)

    def _newest(self, reading: Reading) -> bytes:
        return self._line(reading, self._whole, self._readonly)

    def _line(self, reading: Reading, whole: bytes = b"", readonly: bytes = b"") -> bytes:
        return b'%b%b"severity":"%b",%b%b,"seconds":%d,"nanos":%d}' % (
            self._head,
            whole,
            severity_name(reading.severity),
            self._show(reading.value),
            readonly,
            reading.seconds,
            reading.nanoseconds,
        )


def lost(head: bytes, now: float) -> bytes:
    """Return the update for a disconnected PV."""
    seconds, nanoseconds = divmod(int(now * _NANOSECONDS), _NANOSECONDS)
    members = b'%b"severity":"UNDEFINED","value":"NaN","seconds":%d,"nanos":%d}'
    return members % (head, seconds, nanoseconds)


def severity_name(severity: int) -> bytes:
    """Return the name of an alarm severity."""
    return SEVERITIES[severity] if 0 <= severity < len(SEVERITIES) else UNDEFINED


def described(metadata: Metadata) -> bytes:
    """Return the members of an update for a PV's metadata."""
    parts = [b'"vtype":"%b"' % vtype(metadata)]
    if metadata.type is FieldType.ENUM and metadata.enum_strs and not metadata.is_array:
        parts.append(b'"labels":%b' % dumps(metadata.enum_strs))
    elif _is_numeric(metadata):
        parts += _display(metadata)
    return b"".join(part + b"," for part in parts)


def vtype(metadata: Metadata) -> bytes:
    """Return the name of the VType."""
    if _is_numeric(metadata) and metadata.type is FieldType.ENUM:
        return b"VShort"
    return _VTYPES[metadata.type] + (b"Array" if metadata.is_array else b"")


def member_of(metadata: Metadata) -> bytes | None:
    """Return the start of the only member of a value; None if it is written otherwise."""
    if metadata.is_array or (metadata.type is FieldType.ENUM and metadata.enum_strs):
        return None
    return b'"text":' if metadata.type is FieldType.STRING else b'"value":'


def formatter_for(metadata: Metadata) -> Show:
    """Return the function that formats a PV's values."""
    if metadata.is_array:
        if metadata.type is FieldType.STRING:
            return lambda value: b'"text":' + dumps(dumps(value).decode())
        if metadata.type is FieldType.ENUM:
            return lambda value: b'"text":' + dumps(_labels(metadata, value))
        return _array_formatter(*_ARRAYS.get(metadata.type, _ARRAYS[FieldType.DOUBLE]))
    if metadata.type is FieldType.STRING:
        return lambda value: b'"text":' + (b'""' if value is None else orjson.dumps(value))
    if metadata.type is FieldType.ENUM and metadata.enum_strs:
        return lambda value: _enum(metadata, value)
    return _SCALARS.get(metadata.type, _number)


def _is_numeric(metadata: Metadata) -> bool:
    """Return whether clients treat the PV as a number, which includes enums without labels."""
    if metadata.type is FieldType.ENUM:
        return not metadata.enum_strs and not metadata.is_array
    return metadata.type not in _TEXTS


def _display(metadata: Metadata) -> list[bytes]:
    limits = {
        "min": metadata.display_limits,
        "warn_low": metadata.warning_limits,
        "alarm_low": metadata.alarm_limits,
    }
    nothing = math.nan, math.nan
    parts = [
        b'"units":%b' % dumps(metadata.units),
        b'"description":""',
        b'"precision":%d' % (metadata.precision or 0),
    ]
    for low, pair in limits.items():
        high = low.replace("low", "high").replace("min", "max")
        for name, limit in zip((low, high), pair or nothing, strict=True):
            parts.append(b'"%b":%b' % (name.encode(), _finite(limit)))
    return parts


def _finite(number: float | np.float32) -> bytes:
    return dumps(number) if math.isfinite(number) else _not_finite(float(number))


def _number(value: Value) -> bytes:
    shown = orjson.dumps(value)
    return b'"value":' + (shown if shown != b"null" else _not_finite(value))


def _single(value: Value) -> bytes:
    number = math.nan if value is None else single(value)  # type: ignore[arg-type]
    return b'"value":' + _finite(number)


def _signed(value: Value) -> bytes:
    if isinstance(value, int) and value > 127:
        value -= 256
    return _number(value)


def _object(value: Value) -> bytes:
    return b'"text":' + dumps(dumps(value).decode())


def _nothing(_value: Value) -> bytes:
    return b'"text":""'


def _not_finite(value: Value) -> bytes:
    if value is None or math.isnan(value):  # type: ignore[arg-type]
        return b'"NaN"'
    return b'"Infinity"' if value > 0 else b'"-Infinity"'  # type: ignore[operator]


def _enum(metadata: Metadata, value: Value) -> bytes:
    if value is None:
        return b'"value":"NaN","text":""'
    assert isinstance(value, int)
    return b'"value":%d,"text":%b' % (value, orjson.dumps(label(metadata.enum_strs, value)))


def _labels(metadata: Metadata, value: Value) -> str:
    assert isinstance(value, np.ndarray)
    return dumps([label(metadata.enum_strs, index) for index in value.tolist()]).decode()


def _array_formatter(member: bytes, dtype: str) -> Show:
    template = b'"' + member + b'":"%b"'

    def show(value: Value) -> bytes:
        array: Array = np.asarray(value).astype(dtype, copy=False)
        return template % b64encode(array.data)

    return show


def _bool(value: bool) -> bytes:
    return b"true" if value else b"false"


_TEXTS = (FieldType.STRING, FieldType.TABLE, FieldType.IMAGE, FieldType.STRUCTURE)
_SCALARS: dict[FieldType, Show] = {
    FieldType.FLOAT: _single,
    FieldType.CHAR: _signed,
    FieldType.TABLE: _object,
    FieldType.STRUCTURE: _object,
    FieldType.IMAGE: _nothing,
}
_VTYPES = {
    FieldType.DOUBLE: b"VDouble",
    FieldType.FLOAT: b"VFloat",
    FieldType.LONG: b"VInt",
    FieldType.SHORT: b"VShort",
    FieldType.CHAR: b"VByte",
    FieldType.ENUM: b"VEnum",
    FieldType.STRING: b"VString",
    FieldType.BOOL: b"VBoolean",
    FieldType.INT8: b"VByte",
    FieldType.UINT8: b"VUByte",
    FieldType.UINT16: b"VUShort",
    FieldType.UINT32: b"VUInt",
    FieldType.INT64: b"VLong",
    FieldType.UINT64: b"VULong",
    FieldType.TABLE: b"VString",
    FieldType.IMAGE: b"VString",
    FieldType.STRUCTURE: b"VString",
}
_ARRAYS = {
    FieldType.DOUBLE: (b"b64dbl", "<f8"),
    FieldType.FLOAT: (b"b64flt", "<f4"),
    FieldType.LONG: (b"b64int", "<i4"),
    FieldType.SHORT: (b"b64srt", "<i2"),
    FieldType.CHAR: (b"b64byt", "|u1"),
    FieldType.INT8: (b"b64byt", "|i1"),
}
