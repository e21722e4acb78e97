"""The types and values of local PVs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pycawamp.pv.errors import BadValueError
from pycawamp.pv.local.names import Argument, LocalName, LocalNameError
from pycawamp.pv.local.tables import table
from pycawamp.pv.values import FieldType, Metadata, Value

MAX_ELEMENTS = 10_000
MAX_CHARACTERS = 10_000
"""Maximum characters of a string, or of all strings of an array."""
_TYPES = ("VDoubleArray", "VDouble", "VStringArray", "VString", "VEnum", "VLong", "VTable")


def initial(name: LocalName) -> tuple[Metadata, Value]:
    """Return the type and the initial value of a PV.

    Raises:
        LocalNameError: The name has an unknown type, or a value that does not match it.
    """
    arguments = name.arguments
    kind = _natural(arguments) if name.type is None else _type(name.type)
    if kind == "VEnum":
        return _enum(arguments)
    metadata = METADATA[kind]
    if len(arguments) > 1 and kind in ("VDouble", "VLong", "VString"):
        raise LocalNameError(f"expected one value for a {kind}, got {len(arguments)}")
    try:
        return metadata, _FIRST[kind](arguments)
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
    if len(value) > MAX_ELEMENTS:
        raise BadValueError(f"expected at most {MAX_ELEMENTS} elements, got {len(value)}")
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
    is_text = any(each.is_quoted for each in arguments)
    kind = "VString" if is_text else "VDouble"
    return f"{kind}Array" if len(arguments) > 1 else kind


def _numbers(arguments: Sequence[Argument]) -> list[float]:
    numbers = [number for each in arguments for number in each.numbers]
    if len(numbers) > len(arguments):
        raise LocalNameError("expected commas between numbers")
    return numbers


def _first_number(arguments: Sequence[Argument]) -> float:
    # Unlike a written value, it may be NaN, for which JSON has no number.
    (number,) = _numbers(arguments) or [0.0]
    return number


def _first_whole(arguments: Sequence[Argument]) -> int:
    return _whole(METADATA["VLong"], _first_number(arguments))


def _first_string(arguments: Sequence[Argument]) -> str:
    return arguments[0].text if arguments else ""


def _first_columns(arguments: Sequence[Argument]) -> Value:
    """Return a table without rows; the arguments are the names of its columns."""
    return table({"columns": {each.text: [] for each in arguments}})


def _enum(arguments: Sequence[Argument]) -> tuple[Metadata, Value]:
    labels = tuple(each.text for each in arguments[1:])
    (index,) = _numbers(arguments[:1]) or [-1.0]
    if not index.is_integer() or not 0 <= index < len(labels):
        raise LocalNameError('expected an index and labels for a VEnum, such as (0, "Off", "On")')
    return Metadata(FieldType.ENUM, 1, enum_strs=labels), int(index)


def _number(_metadata: Metadata, value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise BadValueError("expected a number")
    return float(value)


def _whole(_metadata: Metadata, value: Any) -> int:
    if type(value) not in (int, float) or not math.isfinite(value) or value != int(value):
        raise BadValueError("expected a whole number")
    if not -(2**63) <= value < 2**63:
        raise BadValueError("expected a whole number of 64 bits")
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
    if length > MAX_CHARACTERS:
        raise BadValueError(f"expected at most {MAX_CHARACTERS} characters, got {length}")


_CONVERTERS: dict[FieldType, Callable[[Metadata, Any], Value]] = {
    FieldType.DOUBLE: _number,
    FieldType.INT64: _whole,
    FieldType.STRING: _string,
    FieldType.ENUM: _state,
    FieldType.TABLE: lambda _, value: table(value),
}
METADATA = {
    "VDouble": Metadata(FieldType.DOUBLE, 1),
    "VLong": Metadata(FieldType.INT64, 1),
    "VString": Metadata(FieldType.STRING, 1),
    "VDoubleArray": Metadata(FieldType.DOUBLE, MAX_ELEMENTS),
    "VStringArray": Metadata(FieldType.STRING, MAX_ELEMENTS),
    "VTable": Metadata(FieldType.TABLE, 1, capacity=8 * MAX_ELEMENTS),
}
_FIRST: dict[str, Callable[[Sequence[Argument]], Value]] = {
    "VDouble": _first_number,
    "VLong": _first_whole,
    "VString": _first_string,
    "VDoubleArray": lambda arguments: np.array(_numbers(arguments), np.float64),
    "VStringArray": lambda arguments: [each.text for each in arguments],
    "VTable": _first_columns,
}
