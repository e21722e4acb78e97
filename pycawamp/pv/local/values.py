"""The types and values of local PVs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pycawamp.pv.errors import BadValueError
from pycawamp.pv.local.names import Argument, LocalName, LocalNameError
from pycawamp.pv.values import FieldType, Metadata, Value

MOST_ELEMENTS = 10_000
MOST_CHARACTERS = 10_000
"""Maximum characters of a string, or of all strings of an array."""
_TYPES = ("VDoubleArray", "VDouble", "VStringArray", "VString", "VEnum", "VLong")


def initial(name: LocalName) -> tuple[Metadata, Value]:
    """Return the type and the initial value of a PV.

    Raises:
        LocalNameError: The name has an unknown type, or a value that does not match it.
    """
    arguments = name.arguments or ()
    kind = _natural(arguments) if name.type is None else _type(name.type)
    if kind == "VEnum":
        return _enum(arguments)
    metadata = _METADATA[kind]
    if not arguments:
        return metadata, _EMPTY[kind]
    given: Any = list(arguments) if metadata.is_array else arguments[0]
    if len(arguments) > 1 and not metadata.is_array:
        raise LocalNameError(f"expected one value for a {kind}, got {len(arguments)}")
    if kind == "VLong" and isinstance(given, float) and given.is_integer():
        given = int(given)
    try:
        return metadata, converted(metadata, given)
    except BadValueError as error:
        raise LocalNameError(str(error)) from None


def converted(metadata: Metadata, value: Any) -> Value:
    """Return the value that a PV has after a write of a JSON value.

    Raises:
        BadValueError: The value is not valid for the PV.
    """
    if not metadata.is_array:
        return _CONVERTERS[metadata.type](metadata, value)
    if not isinstance(value, list):
        raise BadValueError("expected an array")
    if len(value) > MOST_ELEMENTS:
        raise BadValueError(f"expected at most {MOST_ELEMENTS} elements, got {len(value)}")
    if metadata.type is FieldType.STRING:
        if not all(isinstance(each, str) for each in value):
            raise BadValueError("expected an array of strings")
        _check_length(sum(map(len, value)))
        return value[:]
    return np.array([_number(metadata, each) for each in value], np.float64)


def _type(text: str) -> str:
    """Return the type that a name specifies; as in Phoebus, `double` also means `VDouble`."""
    for kind in _TYPES:
        if kind[1:].lower() in text.lower():
            return kind
    expected = ", ".join(_TYPES)
    raise LocalNameError(f"there is no type <{text[:32]}> here; expected one of {expected}")


def _natural(arguments: Sequence[Argument]) -> str:
    is_text = bool(arguments) and isinstance(arguments[0], str)
    kind = "VString" if is_text else "VDouble"
    return f"{kind}Array" if len(arguments) > 1 else kind


def _enum(arguments: Sequence[Argument]) -> tuple[Metadata, Value]:
    index, labels = (arguments[0], arguments[1:]) if arguments else (None, ())
    texts = tuple(each for each in labels if isinstance(each, str))
    is_index = isinstance(index, float) and index.is_integer() and 0 <= index < len(labels)
    if not is_index or len(texts) < len(labels):
        raise LocalNameError('expected an index and labels for a VEnum, such as (0, "Off", "On")')
    assert isinstance(index, float)
    return Metadata(FieldType.ENUM, 1, enum_strs=texts), int(index)


def _number(_metadata: Metadata, value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise BadValueError("expected a number")
    return float(value)


def _whole(_metadata: Metadata, value: Any) -> int:
    if type(value) not in (int, float) or not math.isfinite(value) or value != int(value):
        raise BadValueError("expected a whole number")
    if not -(2**31) <= value < 2**31:
        raise BadValueError("expected a 32-bit whole number")
    return int(value)


def _string(_metadata: Metadata, value: Any) -> str:
    if not isinstance(value, str):
        raise BadValueError("expected a string")
    _check_length(len(value))
    return value


def _state(metadata: Metadata, value: Any) -> int:
    labels = metadata.enum_strs
    if isinstance(value, str) and value in labels:
        return labels.index(value)
    if type(value) is int and 0 <= value < len(labels):
        return value
    choices = ", ".join(map(repr, labels))
    raise BadValueError(f"expected one of {choices}, or an index from 0 to {len(labels) - 1}")


def _check_length(length: int) -> None:
    if length > MOST_CHARACTERS:
        raise BadValueError(f"expected at most {MOST_CHARACTERS} characters, got {length}")


_CONVERTERS: dict[FieldType, Callable[[Metadata, Any], Value]] = {
    FieldType.DOUBLE: _number,
    FieldType.LONG: _whole,
    FieldType.STRING: _string,
    FieldType.ENUM: _state,
}
_METADATA = {
    "VDouble": Metadata(FieldType.DOUBLE, 1),
    "VLong": Metadata(FieldType.LONG, 1),
    "VString": Metadata(FieldType.STRING, 1),
    "VDoubleArray": Metadata(FieldType.DOUBLE, MOST_ELEMENTS),
    "VStringArray": Metadata(FieldType.STRING, MOST_ELEMENTS),
}
_EMPTY: dict[str, Value] = {
    "VDouble": 0.0,
    "VLong": 0,
    "VString": "",
    "VDoubleArray": np.zeros(0),
    "VStringArray": [],
}
