"""Readings and metadata of PVs, in terms of db_access.h and the normative types."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, TypeAlias, cast

import attrs
import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Value: TypeAlias = "float | int | str | Array | list[str] | dict[str, Any] | Image | None"
Limits: TypeAlias = tuple[float, float]

SEVERITIES = ("NO_ALARM", "MINOR", "MAJOR", "INVALID")
"""Alarm severities by number (alarm.h)."""

STATUSES = (
    *("NO_ALARM", "READ", "WRITE", "HIHI", "HIGH", "LOLO", "LOW", "STATE", "COS", "COMM"),
    *("TIMEOUT", "HWLIMIT", "CALC", "SCAN", "LINK", "SOFT", "BAD_SUB", "UDF", "DISABLE"),
    *("SIMM", "READ_ACCESS", "WRITE_ACCESS"),
)
"""Alarm statuses by number (alarm.h)."""

EPICS_EPOCH = 631152000
"""UNIX seconds of 1990-01-01, where EPICS time stamps count from."""

LARGE = 2**16
"""Bytes; the memory budget counts larger values."""


class FieldType(Enum):
    """The type of a channel's values, or of their elements, by its name in lower case.

    Channel Access has the first seven. `SHORT` has 16 bits and `LONG` 32, in either protocol.
    """

    STRING = "string"
    SHORT = "short"
    FLOAT = "float"
    ENUM = "enum"
    CHAR = "char"
    LONG = "long"
    DOUBLE = "double"
    BOOL = "bool"
    INT8 = "int8"
    UINT8 = "uint8"
    UINT16 = "uint16"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    TABLE = "table"
    IMAGE = "image"
    STRUCTURE = "structure"


class Image(NamedTuple):
    """A picture, as in NTNDArray."""

    pixels: Array
    """An array with the dimensions of the picture, or the bytes of a compressed picture."""
    codec: str
    """The compression; empty if there is none."""
    shape: tuple[int, ...]
    """The dimensions of the picture: rows, columns, and colors if there are any."""
    attributes: Sequence[Mapping[str, Any]] = ()
    """Objects with `name` and `value`."""


class Status(str):
    """The name of a status, with the alarm message that the server sent."""

    message: str

    def __new__(cls, name: str, message: str) -> Status:
        """Create a status."""
        made = super().__new__(cls, name)
        made.message = message
        return made


class Reading(NamedTuple):
    """An update of a PV.

    A NamedTuple, not an attrs class: one is created for every update of every PV,
    and this is the cheapest frozen value in Python.
    """

    status: int | str
    """A number of alarm.h, or the name of a status that Channel Access does not have; a Status
    if the server sends a message with more information.
    """
    severity: int
    seconds: int
    """The IOC's time stamp in UNIX seconds, without the fraction; 0 if there is none."""
    nanoseconds: int
    value: Value
    """A number or a str for a scalar channel, None if it has no element; an array or a list of str
    for an array channel; a dict for a table or a structure, an Image for an image.
    """

    @property
    def timestamp(self) -> float:
        """The time stamp in UNIX seconds, accurate to about 0.2 µs."""
        return self.seconds + self.nanoseconds * 1e-9

    @property
    def severity_name(self) -> str:
        """The name of the alarm severity in EPICS."""
        return name_of(SEVERITIES, self.severity)

    @property
    def status_name(self) -> str:
        """The name of the alarm status in EPICS."""
        status = self.status
        return status if isinstance(status, str) else name_of(STATUSES, status)


def is_same(one: Reading, other: Reading) -> bool:
    """Return whether two readings have the same time stamp, alarm and value.

    Values of tables, images and structures are not compared: they count as different.
    """
    value, another = one.value, other.value
    messages = [getattr(each.status, "message", "") for each in (one, other)]
    if one[:4] != other[:4] or messages[0] != messages[1] or type(value) is not type(another):
        return False
    if isinstance(value, np.ndarray):
        return np.array_equal(value, cast("Array", another))
    if isinstance(value, float) and isinstance(another, float) and math.isnan(value):
        return math.isnan(another)
    return not isinstance(value, dict | Image) and value == another


def name_of(names: tuple[str, ...], number: int) -> str:
    """Return the name for a number, or the number as text if there is none."""
    return names[number] if 0 <= number < len(names) else str(number)


@attrs.frozen
class Metadata:
    """The metadata of a channel. None or empty: not available."""

    type: FieldType
    count: int
    """Native element count; 0 for an array without a known maximum."""
    host: str = ""
    """The IOC, as name:port."""
    read_access: bool = True
    write_access: bool | None = True
    """None: unknown."""
    units: str = ""
    precision: int | None = None
    enum_strs: tuple[str, ...] = ()
    display_limits: Limits | None = None
    control_limits: Limits | None = None
    alarm_limits: Limits | None = None
    """LOLO and HIHI."""
    warning_limits: Limits | None = None
    """LOW and HIGH."""
    refusal: str = ""
    """Why the IOC refuses to send units, limits or labels; empty if it does not."""

    description: str = ""
    form: str = ""
    """How to show numbers, such as `Hex`; empty if unknown or `Default`."""
    is_array: bool = attrs.field(
        default=attrs.Factory(lambda self: self.count != 1, takes_self=True)
    )
    """Whether the channel's values are arrays, even with one element or none."""
    capacity: int = 0
    """Bytes of the largest value so far, if it does not follow from `count`."""

    @property
    def size(self) -> int:
        """Maximum bytes of the channel's values, as far as known."""
        return max(self.count * _WIDTHS.get(self.type, 0), self.capacity)

    @property
    def is_large(self) -> bool:
        """Whether its values are counted by the memory budget."""
        return self.size > LARGE


def decoded(raw: bytes, size: int) -> str:
    """Decode a string up to its NUL as UTF-8, or as Latin-1 if it is not UTF-8.

    A string that fills its field may be truncated within a character, which is replaced.

    Args:
        raw: The bytes.
        size: The size of the field in bytes, including the NUL.
    """
    raw = raw.split(b"\0", 1)[0]
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        is_cut = error.reason == "unexpected end of data" and len(raw) >= size - 1
        return raw.decode("utf-8", "replace") if is_cut else raw.decode("latin-1")


_WIDTHS = {
    FieldType.STRING: 40,
    FieldType.SHORT: 2,
    FieldType.FLOAT: 4,
    FieldType.ENUM: 2,
    FieldType.CHAR: 1,
    FieldType.LONG: 4,
    FieldType.DOUBLE: 8,
    FieldType.BOOL: 1,
    FieldType.INT8: 1,
    FieldType.UINT8: 1,
    FieldType.UINT16: 2,
    FieldType.UINT32: 4,
    FieldType.INT64: 8,
    FieldType.UINT64: 8,
}


def length_of(value: Value) -> int:
    """Return the number of elements of a value: 1 for a scalar, 0 for no value."""
    if value is None:
        return 0
    if isinstance(value, Image):
        value = value.pixels
    if isinstance(value, np.ndarray):
        return value.size
    return len(value) if isinstance(value, list) else 1
