"""Values to write from PVWS clients, which may send text for any PV."""

from __future__ import annotations

import math
from typing import Any

from pycawamp.pv.errors import BadValueError
from pycawamp.pv.text import clip
from pycawamp.pv.values import FieldType, Metadata
from pycawamp.wire.v2.codec import dumps

_WHOLE = frozenset([FieldType.SHORT, FieldType.LONG, FieldType.INT64, FieldType.CHAR])
_FLOATING = frozenset([FieldType.DOUBLE, FieldType.FLOAT])
_WIDEST = 2**53
"""Up to this number, all whole numbers are exact as doubles."""


def converted(value: Any, metadata: Metadata) -> Any:
    """Return the value to write: text is converted for numeric PVs, and numbers for string PVs.

    For integers, fractions are truncated, like in a C cast. One number for an array is
    its first element; text for a char array is its characters.

    Raises:
        BadValueError: The text is not a number.
    """
    if not metadata.is_array:
        return _element(value, metadata)
    if isinstance(value, str) and metadata.type is FieldType.CHAR:
        return value
    values = value if isinstance(value, list) else [value]
    return [_element(each, metadata) for each in values]


def _element(value: Any, metadata: Metadata) -> Any:
    if value is None or isinstance(value, list | dict):
        return value
    if metadata.type is FieldType.STRING:
        return value if isinstance(value, str) else dumps(value).decode()
    if metadata.type is FieldType.ENUM:
        return _state(value, metadata)
    number = _number(value) if isinstance(value, str) else value
    if metadata.type in _FLOATING:
        return int(number) if isinstance(number, bool) else number
    if metadata.type in _WHOLE and math.isfinite(number):
        whole = math.trunc(number)
        # A char is shown with a sign, and written without one.
        return whole + 256 if metadata.type is FieldType.CHAR and -128 <= whole < 0 else whole
    return number


def _state(value: Any, metadata: Metadata) -> Any:
    """Return the label or the index of a state."""
    if isinstance(value, str):
        if value in metadata.enum_strs:
            return value
        try:
            value = _number(value)
        except BadValueError:
            return value  # The error for unknown labels lists the labels of the PV.
    is_whole = math.isfinite(value) and value == math.trunc(value)
    return int(value) if is_whole else value


def _number(text: str) -> float:
    try:
        if text.strip().lower().startswith("0x"):
            return int(text, 16)
        number = float(text.replace("_", "?"))
    except ValueError:
        raise BadValueError(f"expected a number, got {clip(text)!r}") from None
    return int(text) if text.strip().lstrip("+-").isdecimal() else number
