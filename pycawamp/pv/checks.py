"""Checks of values to write, for all protocols.

A value is JSON: a number, a string, a boolean, or a list of them. BadValueError says what was wrong
and what was expected.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pycawamp.pv.errors import BadValueError
from pycawamp.pv.single import singles
from pycawamp.pv.text import clip, json_type
from pycawamp.pv.values import Array, FieldType, Metadata


def elements(metadata: Metadata, value: Any) -> list[Any]:
    """Return the elements of a value, or a scalar in a list.

    Raises:
        BadValueError: An array is given for a scalar, or has too many elements.
    """
    if not metadata.is_array:
        if isinstance(value, list | dict):
            raise BadValueError(f"expected {expected(metadata)}, got {described(value)}")
        return [value]
    if not isinstance(value, list):
        raise BadValueError(f"expected an array of {expected(metadata)}, got {described(value)}")
    if metadata.count and len(value) > metadata.count:
        raise BadValueError(f"expected at most {metadata.count} elements, got {len(value)}")
    return value


def numbers(metadata: Metadata, values: list[Any], dtype: np.dtype[Any]) -> Array:
    """Return numbers as an array of a type that holds each of them exactly.

    Raises:
        BadValueError: An element is not a number, or not within the channel's range.
    """
    # By a set of types instead of each value: a million numbers are checked in C.
    for wrong in set(map(type, values)) - {int, float}:
        example = next(value for value in values if type(value) is wrong)
        raise BadValueError(f"expected {expected(metadata)}, got {described(example)}")
    checked = np.array(values, dtype=np.float64)
    if not np.isfinite(checked).all():
        raise BadValueError("expected finite numbers")
    if dtype.kind != "f" and not (checked == np.floor(checked)).all():
        raise BadValueError(f"expected {expected(metadata)}, got a fraction")
    if dtype.kind != "f" and dtype.itemsize == _LARGEST:
        return _large_integers(values, dtype)
    if dtype == np.float32:
        checked = singles(checked)
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    low, high = float(limits.min), float(limits.max)
    if len(values) and (checked.min() < low or checked.max() > high):
        raise BadValueError(f"expected numbers from {low:.10g} to {high:.10g}")
    return checked.astype(dtype)


def _large_integers(values: list[Any], dtype: np.dtype[Any]) -> Array:
    """Return integers with more digits than a double has, without loss."""
    limits = np.iinfo(dtype)
    whole = [int(value) for value in values]
    if whole and not int(limits.min) <= min(whole) <= max(whole) <= int(limits.max):
        raise BadValueError(f"expected numbers from {limits.min} to {limits.max}")
    return np.array(whole, dtype)


def index(labels: tuple[str, ...], value: Any, highest: int) -> int:
    """Return the index of an enum's state, given its label or index.

    Raises:
        BadValueError: There is no such state.
    """
    if isinstance(value, str) and value in labels:
        return labels.index(value)
    if type(value) is int and 0 <= value <= highest:
        return value
    choices = f"one of {', '.join(map(repr, filter(None, labels)))}, or " if any(labels) else ""
    raise BadValueError(
        f"expected {choices}an index from 0 to {highest}, got {clip(repr(value), MAX_SHOWN)}"
    )


def indices(labels: tuple[str, ...], values: list[Any], highest: int) -> Iterator[int]:
    """Return the indices of an enum's states, as `index` does for each.

    Raises:
        BadValueError: There is no such state.
    """
    # Each distinct value once: an array may have half a million elements.
    wrong = set(map(type, values)) - {int, str}
    if wrong:
        index(labels, next(value for value in values if type(value) in wrong), highest)
    known = {value: index(labels, value, highest) for value in dict.fromkeys(values)}
    return map(known.__getitem__, values)


def string(value: Any) -> bytes:
    """Return a string as UTF-8.

    Raises:
        BadValueError: The value is not a string.
    """
    if not isinstance(value, str):
        raise BadValueError(f"expected a string, got {described(value)}")
    return value.encode()


def expected(metadata: Metadata) -> str:
    """Return a text for the type of a channel's elements."""
    return _EXPECTED.get(metadata.type, "whole numbers" if metadata.is_array else "a whole number")


def described(value: Any) -> str:
    """Return a text with the JSON type of a value, and the value itself if it is a scalar."""
    kind = json_type(value)
    if value is None or isinstance(value, list | dict):
        return kind
    return f"the {kind.removeprefix('a ')} {clip(repr(value), MAX_SHOWN)}"


MAX_SHOWN = 40
"""Maximum characters of a value in an error message."""
_LARGEST = 8
"""Bytes of the smallest integer type that a double cannot hold exactly."""
_EXPECTED = {
    FieldType.STRING: "a string",
    FieldType.DOUBLE: "a number",
    FieldType.FLOAT: "a number",
    FieldType.ENUM: "a label or an index",
    FieldType.BOOL: "true or false",
}
