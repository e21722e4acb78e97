"""Values formatted as text, as by EPICS tools."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from pycawamp.pv.values import Array, FieldType, Metadata, Value, decoded

NO_VALUE = ""
"""The text if there is no value."""
DOUBLE_DIGITS = 15
"""Significant digits of a number whose precision is not known."""
SINGLE_DIGITS = 7
"""The same of a number of single precision."""

Show: TypeAlias = Callable[[Value], str]


def formatter_for(metadata: Metadata) -> Show | None:
    """Return the function that formats a channel's values, or None if they have no text.

    Enums are formatted as labels, floating point numbers with PREC digits (all digits, if there is
    no PREC), and char arrays as long strings. Other arrays of numbers have no text.
    """
    if metadata.is_array:
        return _array_formatter(metadata)
    if metadata.type in _WITHOUT_TEXT:
        return None
    if metadata.type is FieldType.BOOL:
        return lambda value: "true" if value else "false"
    if metadata.type is FieldType.ENUM:
        return lambda value: label(metadata.enum_strs, value)  # type: ignore[arg-type]
    if metadata.type in _FLOATING:
        return _floating_formatter(metadata.precision, metadata.type is FieldType.FLOAT)
    return str


def decimal(value: float, precision: int, is_single: bool = False) -> str:
    """Format a number like EPICS base: cvtDoubleToString, or cvtFloatToString if it is single.

    Args:
        value: The number.
        precision: PREC of the record.
        is_single: Whether it is of single precision.
    """
    if not math.isfinite(value):
        return str(value)
    precision &= 0xFFFF  # EPICS converts PREC to unsigned, so a negative one is very large.
    size = abs(value)
    if precision > 8 or (size >= 1e8 if is_single else size > 1e16):
        return f"{value:.{min(precision, 12 if is_single else 17)}e}"
    if size > 1e7:
        return f"{value:.{min(precision, 3)}f}"
    return _rounded(value, precision, is_single)


def _rounded(value: float, precision: int, is_single: bool) -> str:
    """Round like EPICS: 2.25 to 2.3, where printf has 2.2."""
    whole = int(abs(value))
    scale = 10**precision
    rest = abs(value) - whole
    if is_single:
        # EPICS multiplies with single precision, which affects the last digit.
        tenths = int(np.float32(rest) * np.float32(scale) * np.float32(10))
    else:
        tenths = int(rest * scale * 10)
    fraction = (tenths + 5) // 10
    if fraction >= scale:
        whole, fraction = whole + 1, fraction - scale
    digits = f".{fraction:0{precision}d}" if precision else ""
    return f"{'-' if value < 0 else ''}{whole}{digits}"


def long_string(characters: Array, size: int) -> str:
    """Return the text in a char array up to its NUL; `size` is its maximum length."""
    return decoded(characters.astype(np.uint8).tobytes(), size)


def label(labels: tuple[str, ...], value: int) -> str:
    """Return the label of an enum's state, or its index if it has none."""
    return (labels[value] if 0 <= value < len(labels) else "") or str(value)


def _floating_formatter(precision: int | None, is_single: bool) -> Show:
    if precision is None:
        digits = SINGLE_DIGITS if is_single else DOUBLE_DIGITS
        return lambda value: f"{value:.{digits}g}"
    return lambda value: decimal(value, precision, is_single)  # type: ignore[arg-type]


def _array_formatter(metadata: Metadata) -> Show | None:
    if metadata.type is FieldType.CHAR:
        return lambda value: long_string(value, metadata.count)  # type: ignore[arg-type]
    return " ".join if metadata.type is FieldType.STRING else None  # type: ignore[return-value]


_WITHOUT_TEXT = (FieldType.TABLE, FieldType.IMAGE, FieldType.STRUCTURE)
_FLOATING = (FieldType.DOUBLE, FieldType.FLOAT)
