"""What a PV says: frozen values, in the terms of db_access.h and of the normative types."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple, TypeAlias

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


LARGE = 2**16
"""Bytes of a value above which it is worth counting."""


class FieldType(Enum):
    """The type of a channel's values, or of their elements.

    Channel Access has the first seven. `SHORT` has 16 bits and `LONG` 32, whatever the protocol.
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
    """A picture, as NTNDArray has it."""

    pixels: Array
    """As many dimensions as the picture has, or one with the bytes of a compressed picture."""
    codec: str
    """How it is compressed; empty if it is not."""
    shape: tuple[int, ...]
    """Of the picture: rows, columns, and colours if it has any."""


class Reading(NamedTuple):
    """One update of a PV, as the IOC sent it.

    A NamedTuple, not an attrs class: one is made for every update of every PV,
    and this is the cheapest frozen value that Python has.
    """

    status: int | str
    """A number of alarm.h, or the name of a status that Channel Access does not have."""
    severity: int
    seconds: int
    """UNIX seconds of the IOC's time stamp; 0 where it sends none."""
    nanoseconds: int
    value: Value
    """A number or a str for a scalar channel, None if it holds no element now; an array or a
    list of str for an array channel; a dict for a table or a structure, an Image for an image."""

    @property
    def timestamp(self) -> float:
        """UNIX seconds with the fraction: what fits into a float (about 0.2 µs)."""
        return self.seconds + self.nanoseconds * 1e-9

    @property
    def severity_name(self) -> str:
        """The alarm severity by its EPICS name."""
        return name_of(SEVERITIES, self.severity)

    @property
    def status_name(self) -> str:
        """The alarm status by its EPICS name."""
        status = self.status
        return status if isinstance(status, str) else name_of(STATUSES, status)


def name_of(names: tuple[str, ...], number: int) -> str:
    """The name that belongs to a number, or the number itself where EPICS has none."""
    return names[number] if 0 <= number < len(names) else str(number)


@attrs.frozen
class Metadata:
    """What a channel says of itself beside its value. None or empty: does not apply."""

    type: FieldType
    count: int
    """Native element count; 0 for an array whose size has no limit that is known."""
    host: str = ""
    """The IOC, as name:port."""
    read_access: bool = True
    write_access: bool | None = True
    """None: the protocol does not tell."""
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
    """Why the IOC does not tell units, limits or labels, if it refuses to."""
    description: str = ""
    is_array: bool = attrs.field(
        default=attrs.Factory(lambda self: self.count != 1, takes_self=True)
    )
    """Whether the channel's values are arrays, whatever they hold now."""
    capacity: int = 0
    """Bytes of the largest value so far, where `count` does not tell."""

    @property
    def size(self) -> int:
        """Bytes of the largest value that the channel can have, as far as that is known."""
        return max(self.count * _WIDTHS.get(self.type, 0), self.capacity)

    @property
    def is_large(self) -> bool:
        """Whether its values are counted by the memory budget."""
        return self.size > LARGE


def decoded(raw: bytes, size: int) -> str:
    """The string up to its NUL: UTF-8, or else Latin-1.

    `size` is the number of bytes of the field that it is in, with the NUL. A string that
    fills its field may have been cut within a character: what is left of that is replaced.
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
    """The number of elements that a value holds: 1 for a scalar, 0 where there is no value."""
    if value is None:
        return 0
    if isinstance(value, Image):
        value = value.pixels
    if isinstance(value, np.ndarray):
        return value.size
    return len(value) if isinstance(value, list) else 1
