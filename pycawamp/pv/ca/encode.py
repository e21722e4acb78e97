"""Encoding of values to DBR data, with complete checks.

Channel Access accepts unintended values: index 99 for a record with 16 states, or the first 39
bytes of a longer string. Therefore a value is checked against the channel's metadata first, and is
written completely or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from pycawamp.pv import checks
from pycawamp.pv.ca.dbr import STRING_SIZE, TIME_LAYOUTS
from pycawamp.pv.errors import BadValueError
from pycawamp.pv.values import FieldType, Metadata


@attrs.frozen
class Write:
    """The arguments of ca_array_put."""

    type: FieldType
    count: int
    raw: bytes


def encode(metadata: Metadata, value: Any) -> Write:
    """Return the DBR data of a JSON value: a number, a string, or a list of them.

    Raises:
        BadValueError: The value is not valid for the channel; the text says what was expected.
    """
    if metadata.type is FieldType.CHAR and metadata.is_array and isinstance(value, str):
        value = _characters(metadata, value)
    values = checks.elements(metadata, value)
    if not values:
        return Write(metadata.type, 0, b"")
    return _encode_elements(metadata, values)


def _encode_elements(metadata: Metadata, values: list[Any]) -> Write:
    raw = _ENCODERS.get(metadata.type, _encode_numbers)(metadata, values)
    if metadata.type is FieldType.DOUBLE and _is_rounded(values, raw):
        # Channel Access shows 64-bit integers as doubles. From a string, the IOC has all digits.
        raw = _encode_strings(metadata, list(map(repr, values)))
        return Write(FieldType.STRING, len(values), raw)
    return Write(metadata.type, len(values), raw)


def _is_rounded(values: list[Any], raw: bytes) -> bool:
    """Return whether a whole number is above 2**53 and changes as a double."""
    numbers = np.frombuffer(raw)
    return bool((np.abs(numbers) >= 2**53).any()) and values != numbers.tolist()


def _encode_numbers(metadata: Metadata, values: list[Any]) -> bytes:
    dtype = np.dtype(TIME_LAYOUTS[metadata.type].dtype)
    return checks.numbers(metadata, values, dtype).tobytes()


def _encode_enums(metadata: Metadata, values: list[Any]) -> bytes:
    labels = metadata.enum_strs
    # A state need not have a label: Channel Access has at most 16, and menus may have more.
    is_open = metadata.is_array or len(labels) == MAX_STATES
    indices = checks.indices(labels, values, MAX_INDEX if is_open else MAX_STATES - 1)
    return np.fromiter(indices, np.uint16, len(values)).tobytes()


def _encode_strings(_metadata: Metadata, values: list[Any]) -> bytes:
    for wrong in set(map(type, values)) - {str}:
        _string(next(value for value in values if type(value) is wrong))
    raws = [value.encode() for value in values]
    if max(map(len, raws)) >= STRING_SIZE or b"\0" in b"".join(raws):
        for value in values:
            _string(value)
    return np.array(raws, f"S{STRING_SIZE}").tobytes()


def _string(value: Any) -> bytes:
    raw = checks.string(value)
    if len(raw) >= STRING_SIZE:
        raise BadValueError(f"expected at most {STRING_SIZE - 1} bytes of UTF-8, got {len(raw)}")
    if b"\0" in raw:
        raise BadValueError("expected a string without NUL characters")
    return raw


def _characters(metadata: Metadata, text: str) -> list[int]:
    raw = text.encode()
    if len(raw) >= metadata.count:
        raise BadValueError(f"expected at most {metadata.count - 1} bytes of UTF-8, got {len(raw)}")
    # With its NUL, so that the rest of a longer text is not shown.
    return list(raw + b"\0")


MAX_STATES = 16
MAX_INDEX = 0xFFFF

_ENCODERS: dict[FieldType, Callable[[Metadata, list[Any]], bytes]] = {
    FieldType.STRING: _encode_strings,
    FieldType.ENUM: _encode_enums,
}
