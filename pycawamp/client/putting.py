"""Conversion of arguments to the value to put."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import orjson

from pycawamp.client.values import GatewayError
from pycawamp.pv.values import FieldType, Metadata


def value_to_put(
    words: Sequence[str], metadata: Metadata, counted: bool = False, numbers: bool = False
) -> Any:
    """Return the value to put, by the PV's type.

    Words that do not match the type are passed on as they are: the gateway's error says what it
    expects.

    Args:
        words: The arguments of the command line.
        metadata: The PV's metadata.
        counted: Whether the first word is the number of elements, as for `caput -a`.
        numbers: Whether enums are given by their numbers only.

    Raises:
        GatewayError: `bad_value` if the number of elements is not the given one.
    """
    if counted:
        words = _counted(words)
    is_text = metadata.type is FieldType.CHAR and metadata.is_array and not counted
    if is_text or not (metadata.is_array or counted):
        text = " ".join(words)
        return text if is_text else _element(text, metadata, numbers)
    return [_element(word, metadata, numbers) for word in words]


def _counted(words: Sequence[str]) -> Sequence[str]:
    count, *elements = words
    if count != str(len(elements)):
        text = f"expected {count} elements after their number, got {len(elements)}"
        raise GatewayError("bad_value", text)
    return elements


def _element(word: str, metadata: Metadata, numbers: bool) -> Any:
    if metadata.type is FieldType.STRING:
        return word
    if metadata.type is FieldType.STRUCTURE:
        return _parsed(word)
    if metadata.type is FieldType.BOOL and word in _BOOLS:
        return _BOOLS[word]
    if metadata.type is FieldType.ENUM and word in metadata.enum_strs and not numbers:
        return word
    return _number(word)


_BOOLS = {"true": True, "false": False}


def _parsed(word: str) -> Any:
    """Return an object given as JSON."""
    try:
        return orjson.loads(word)
    except orjson.JSONDecodeError:
        return word


def _number(word: str) -> Any:
    for convert in (_whole, float):
        try:
            number = convert(word)
        except ValueError:
            continue
        if math.isfinite(number):
            return number
    return word


def _whole(word: str) -> int:
    """Return an integer, decimal or as 0x1F."""
    return int(word, 0)
