"""Decoding of DBR data to Readings and Metadata.

The layouts are those of db_access.h: DBR_TIME_* and DBR_CTRL_* in native byte order, each with
its own padding before the value.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from functools import cache, lru_cache
from struct import Struct
from typing import Any, NamedTuple, TypeAlias

import attrs
import numpy as np

from pycawamp.pv.ca.pyepics import dbr
from pycawamp.pv.values import EPICS_EPOCH, FieldType, Metadata, Reading, Value, decoded

STRING_SIZE: int = dbr.MAX_STRING_SIZE
ENUM_STRING_SIZE: int = dbr.MAX_ENUM_STRING_SIZE
UNITS_SIZE: int = dbr.MAX_UNITS_SIZE
MAX_ENUM_STATES: int = dbr.MAX_ENUMS
NANOSECONDS = 1_000_000_000

DBR_TYPES: dict[FieldType, int] = {
    FieldType.STRING: dbr.STRING,
    FieldType.SHORT: dbr.SHORT,
    FieldType.FLOAT: dbr.FLOAT,
    FieldType.ENUM: dbr.ENUM,
    FieldType.CHAR: dbr.CHAR,
    FieldType.LONG: dbr.LONG,
    FieldType.DOUBLE: dbr.DOUBLE,
}
"""The numbers of the native types (db_access.h)."""
FIELD_TYPES = {number: field_type for field_type, number in DBR_TYPES.items()}

Decoder: TypeAlias = Callable[[bytes], Reading]


class Layout(NamedTuple):
    """The memory layout of a DBR_TIME type."""

    offset: int
    """Bytes before the first element."""
    width: int
    """Bytes of one element."""
    scalar: Struct
    """Reads status, severity, seconds, nanoseconds and value."""
    dtype: str


TIME_LAYOUTS = {
    FieldType.STRING: Layout(12, STRING_SIZE, Struct("=hhII40s"), "S40"),
    FieldType.SHORT: Layout(14, 2, Struct("=hhII2xh"), "i2"),
    FieldType.FLOAT: Layout(12, 4, Struct("=hhIIf"), "f4"),
    FieldType.ENUM: Layout(14, 2, Struct("=hhII2xH"), "u2"),
    FieldType.CHAR: Layout(15, 1, Struct("=hhII3xB"), "u1"),
    FieldType.LONG: Layout(12, 4, Struct("=hhIIi"), "i4"),
    FieldType.DOUBLE: Layout(16, 8, Struct("=hhII4xd"), "f8"),
}

_HEADER = Struct("=hhII")


def decoder(field_type: FieldType, count: int) -> Decoder:
    """Return a function that decodes the DBR_TIME data of a channel with this native count."""
    return _decoder(field_type, count != 1)


@cache  # Ten thousand channels share two functions per type.
def _decoder(field_type: FieldType, is_array: bool) -> Decoder:
    layout = TIME_LAYOUTS[field_type]
    if is_array:
        return _array_decoder(layout, field_type)
    if field_type is FieldType.STRING:
        return _string_decoder(layout)
    return _scalar_decoder(layout)


def _scalar_decoder(layout: Layout) -> Decoder:
    unpack = layout.scalar.unpack_from

    def decode(raw: bytes) -> Reading:
        try:
            status, severity, seconds, nanoseconds, value = unpack(raw)
        except struct.error:
            return _empty(raw)
        if nanoseconds >= NANOSECONDS:
            seconds, nanoseconds = _carried(seconds, nanoseconds)
        return Reading(status, severity, seconds + EPICS_EPOCH, nanoseconds, value)

    return decode


def _string_decoder(layout: Layout) -> Decoder:
    decode_bytes = _scalar_decoder(layout)

    def decode(raw: bytes) -> Reading:
        reading = decode_bytes(raw)
        if isinstance(reading.value, bytes):
            return reading._replace(value=decoded(reading.value, STRING_SIZE))
        return reading

    return decode


def _empty(raw: bytes) -> Reading:
    """An update of a scalar without an element: beyond an array's end, or of an empty array."""
    status, severity, seconds, nanoseconds = _HEADER.unpack_from(raw)
    seconds, nanoseconds = _carried(seconds, nanoseconds)
    return Reading(status, severity, seconds + EPICS_EPOCH, nanoseconds, None)


def _array_decoder(layout: Layout, field_type: FieldType) -> Decoder:
    def decode(raw: bytes) -> Reading:
        status, severity, seconds, nanoseconds = _HEADER.unpack_from(raw)
        if nanoseconds >= NANOSECONDS:
            seconds, nanoseconds = _carried(seconds, nanoseconds)
        elements = np.frombuffer(raw, layout.dtype, offset=layout.offset)
        value: Value = elements
        if field_type is FieldType.STRING:
            value = [decoded(element, STRING_SIZE) for element in elements.tolist()]
        return Reading(status, severity, seconds + EPICS_EPOCH, nanoseconds, value)

    return decode


def _carried(seconds: int, nanoseconds: int) -> tuple[int, int]:
    """Return seconds and nanoseconds below 10^9: IOCs may send up to 2^32."""
    return seconds + nanoseconds // NANOSECONDS, nanoseconds % NANOSECONDS


# DBR_CTRL: the fields between the alarm (4 bytes) and the value; limits in the order of
# db_access.h: upper and lower display, upper alarm, upper warning, lower warning, lower
# alarm, upper and lower control.
_CTRL_LAYOUTS = {
    FieldType.SHORT: Struct("=8s8h"),
    FieldType.FLOAT: Struct("=h2x8s8f"),
    FieldType.CHAR: Struct("=8s8B"),
    FieldType.LONG: Struct("=8s8i"),
    FieldType.DOUBLE: Struct("=h2x8s8d"),
}
_CTRL_ENUM = Struct("=h")


def describe(native: Metadata, raw: bytes) -> Metadata:
    """Return the channel's metadata, completed by its DBR_CTRL data."""
    # Without the alarm, so that similar records share one Metadata.
    return _describe(native, raw[4 : control_size(native.type)])


@lru_cache(maxsize=4096)
def _describe(native: Metadata, raw: bytes) -> Metadata:
    if native.type is FieldType.ENUM:
        return attrs.evolve(native, enum_strs=_enum_strings(raw))
    fields: tuple[Any, ...] = _CTRL_LAYOUTS[native.type].unpack_from(raw)
    precision = fields[0] if isinstance(fields[0], int) else None
    units, *limits = fields[-9:]
    if native.type is FieldType.FLOAT:
        # The shortest digits, as values have them: 0.1, not 0.10000000149011612.
        limits = [float(str(np.float32(limit))) for limit in limits]
    # Always the same NaN, so that equal metadata compares equal, and is not sent again.
    limits = [math.nan if math.isnan(limit) else limit for limit in limits]
    high_display, low_display, hihi, high, low, lolo, high_control, low_control = limits
    return attrs.evolve(
        native,
        precision=precision,
        units=decoded(units, UNITS_SIZE),
        display_limits=(low_display, high_display),
        control_limits=(low_control, high_control),
        alarm_limits=(lolo, hihi),
        warning_limits=(low, high),
    )


def _enum_strings(raw: bytes) -> tuple[str, ...]:
    (count,) = _CTRL_ENUM.unpack_from(raw)
    starts = (2 + ENUM_STRING_SIZE * index for index in range(min(count, MAX_ENUM_STATES)))
    return tuple(
        decoded(raw[start : start + ENUM_STRING_SIZE], ENUM_STRING_SIZE) for start in starts
    )


def control_size(field_type: FieldType) -> int:
    """Return the bytes of DBR_CTRL data that `describe` reads; 0 if the type has no metadata."""
    if field_type is FieldType.ENUM:
        return 6 + MAX_ENUM_STATES * ENUM_STRING_SIZE
    layout = _CTRL_LAYOUTS.get(field_type)
    return 4 + layout.size if layout else 0
