"""Values as a person reads them: what EPICS tools show."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from pycawamp.pv.values import Array, FieldType, Metadata, Value

NO_VALUE = ""
"""The text where there is no value."""

Show: TypeAlias = Callable[[Value], str]


def shower(metadata: Metadata) -> Show | None:
    """The function that shows a channel's values; None where a person reads no text of them.

    Labels for enums, PREC digits for floating point, char arrays as the long strings
    that they hold. Other arrays of numbers have no text.
    """
    if metadata.is_array:
        return _ARRAYS.get(metadata.type)
    if metadata.type is FieldType.ENUM:
        return lambda value: _label(metadata.enum_strs, value)
    if metadata.type in _FLOATING:
        precision = metadata.precision or 0
        return lambda value: decimal(value, precision)  # type: ignore[arg-type]
    return str


def decimal(value: float, precision: int) -> str:
    """A number with PREC digits, as EPICS base converts it (cvtDoubleToString)."""
    if not math.isfinite(value):
        return str(value)
    precision &= 0xFFFF  # A negative PREC is a very large one: EPICS takes it for unsigned.
    if precision > 8 or abs(value) > 1e16:
        return f"{value:.{min(precision, 17)}e}"
    if abs(value) > 1e7:
        return f"{value:.{min(precision, 3)}f}"
    return _rounded(value, precision)


def _rounded(value: float, precision: int) -> str:
    """A number as EPICS rounds it: 2.25 to 2.3, where printf would say 2.2."""
    whole = int(abs(value))
    scale = 10**precision
    fraction = (int((abs(value) - whole) * scale * 10) + 5) // 10
    if fraction >= scale:
        whole, fraction = whole + 1, fraction - scale
    digits = f".{fraction:0{precision}d}" if precision else ""
    return f"{'-' if value < 0 else ''}{whole}{digits}"


def long_string(characters: Array) -> str:
    """The text in a char array, up to its NUL; invalid UTF-8 is replaced."""
    return characters.astype(np.uint8).tobytes().split(b"\0", 1)[0].decode("utf-8", "replace")


def _label(labels: tuple[str, ...], value: Value) -> str:
    return labels[value] if isinstance(value, int) and value < len(labels) else str(value)


_FLOATING = (FieldType.DOUBLE, FieldType.FLOAT)
_ARRAYS: dict[FieldType, Show] = {
    FieldType.CHAR: long_string,  # type: ignore[dict-item]
    FieldType.STRING: " ".join,  # type: ignore[dict-item]
}
