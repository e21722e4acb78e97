"""Helpers for error messages."""

from __future__ import annotations

from typing import Any


def clip(text: str, length: int = 64) -> str:
    """Truncate a text to a number of characters, so that errors do not repeat long input."""
    return text if len(text) <= length else text[:length] + "…"


def json_type(value: Any) -> str:
    """Return the JSON type of a value as text."""
    return _JSON_TYPES.get(type(value), "nothing")


_JSON_TYPES = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}
