"""Values as a person reads them: what EPICS tools show."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from pycawamp.pv.values import Array, FieldType, Metadata, Value, decoded

NO_VALUE = ""
"""The text where there is no value."""

Show: TypeAlias = Callable[[Value], str]


def shower(metadata: Metadata) -> Show | None:
    """The function that shows a channel's values; None where a person reads no text of them.

    Labels for enums, PREC digits for floating point, char arrays as the long strings
    that they hold. Other arrays of numbers have no text.
    """
    if metadata.is_array:
        return _array_shower(metadata)
    if metadata.type in _WITHOUT_TEXT:
        return None
    if metadata.type is FieldType.BOOL:
        return lambda value: "true" if value else "false"
    if metadata.type is FieldType.ENUM:
        return lambda value: label(metadata.enum_strs, value)  # type: ignore[arg-type]
    if metadata.type in _FLOATING:
        precision = metadata.precision or 0
        is_single = metadata.type is FieldType.FLOAT
        return lambda value: decimal(value, precision, is_single)  # type: ignore[arg-type]
    return str


def decimal(value: float, precision: int, is_single: bool = False) -> str:
    """A number with PREC digits, as EPICS base converts it.

    That is cvtDoubleToString, or, if it is of single precision, cvtFloatToString.
    """
    if not math.isfinite(value):
        return str(value)
    precision &= 0xFFFF  # A negative PREC is a very large one: EPICS takes it for unsigned.
    size = abs(value)
    if precision > 8 or (size >= 1e8 if is_single else size > 1e16):
        return f"{value:.{min(precision, 12 if is_single else 17)}e}"
    if size > 1e7:
        return f"{value:.{min(precision, 3)}f}"
    return _rounded(value, precision, is_single)


def _rounded(value: float, precision: int, is_single: bool) -> str:
    """A number as EPICS rounds it: 2.25 to 2.3, where printf would say 2.2."""
    whole = int(abs(value))
    scale = 10**precision
    rest = abs(value) - whole
    if is_single:
        # EPICS multiplies in the precision of the number, which shows in the last digit.
        tenths = int(np.float32(rest) * np.float32(scale) * np.float32(10))
    else:
        tenths = int(rest * scale * 10)
    fraction = (tenths + 5) // 10
    if fraction >= scale:
        whole, fraction = whole + 1, fraction - scale
    digits = f".{fraction:0{precision}d}" if precision else ""
    return f"{'-' if value < 0 else ''}{whole}{digits}"


def long_string(characters: Array, size: int) -> str:
    """The text in a char array, up to its NUL; `size` is the number of bytes that it may hold."""
    return decoded(characters.astype(np.uint8).tobytes(), size)


def label(labels: tuple[str, ...], value: int) -> str:
    """The label of an enum's state, or its number where it has no label."""
    return (labels[value] if 0 <= value < len(labels) else "") or str(value)


def _array_shower(metadata: Metadata) -> Show | None:
    if metadata.type is FieldType.CHAR:
        return lambda value: long_string(value, metadata.count)  # type: ignore[arg-type]
    return " ".join if metadata.type is FieldType.STRING else None  # type: ignore[return-value]


_WITHOUT_TEXT = (FieldType.TABLE, FieldType.IMAGE, FieldType.STRUCTURE)
_FLOATING = (FieldType.DOUBLE, FieldType.FLOAT)
