"""Readings and metadata of PVs, with the terms of db_access.h."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Value: TypeAlias = "float | int | str | Array | list[str] | None"
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
"""Bytes; larger values are counted by the memory budget."""


class FieldType(Enum):
    """A channel's native type, by its name in lower case."""

    STRING = "string"
    SHORT = "short"
    FLOAT = "float"
    ENUM = "enum"
    CHAR = "char"
    LONG = "long"
    DOUBLE = "double"


class Reading(NamedTuple):
    """An update of a PV.

    A NamedTuple, not an attrs class: one is created for every update of every PV,
    and this is the cheapest frozen value in Python.
    """

    status: int
    severity: int
    seconds: int
    """The IOC's time stamp in UNIX seconds, without the fraction."""
    nanoseconds: int
    value: Value
    """A number or a str for a scalar channel, None if it holds no element now; an array or a
    list of str otherwise."""

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
        return name_of(STATUSES, self.status)


def name_of(names: tuple[str, ...], number: int) -> str:
    """Return the name for a number, or the number as text if it has none."""
    return names[number] if 0 <= number < len(names) else str(number)


@attrs.frozen
class Metadata:
    """The metadata of a channel. None or empty: not applicable."""

    type: FieldType
    count: int
    """Native element count: 1 is a scalar, all else an array."""
    host: str = ""
    """The IOC, as name:port."""
    read_access: bool = True
    write_access: bool = True
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

    @property
    def size(self) -> int:
        """Maximum size of the channel's values in bytes."""
        return self.count * _WIDTHS[self.type]

    @property
    def is_large(self) -> bool:
        """Whether its values are counted by the memory budget."""
        return self.size > LARGE

    @property
    def is_array(self) -> bool:
        """Whether the channel's values are arrays, even with one element or none."""
        return self.count != 1


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
}


def length_of(value: Value) -> int:
    """Return the number of elements of a value: 1 for a scalar, 0 for no value."""
    if value is None:
        return 0
    return len(value) if isinstance(value, np.ndarray | list) else 1
