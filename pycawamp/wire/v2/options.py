"""Parsing of options."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from pycawamp.wire.dialect import ImageForm
from pycawamp.wire.errors import BadMessageError

INT64_FORMS = ("number", "string")
QUALITIES = 1, 100
SIZES = 16, 10_000
"""Minimum and maximum of the size to which images can be reduced, in pixels."""
HAS_PILLOW = find_spec("PIL") is not None
ARRAY_FORMS = ("json", "base64", "binary")
MAX_RATE = 1000.0
"""Maximum of `max_rate`, in updates per second."""


def parse_options(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options in a request.

    Raises:
        BadMessageError: `bad_request` if one is not valid.
    """
    return {key: check(key, message[key]) for key, check in _CHECKS.items() if key in message}


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadMessageError("bad_request", f'expected "{key}" to be true or false')
    return value


def _rate(key: str, value: Any) -> float | None:
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 < value <= MAX_RATE:
        text = f'expected "{key}" to be updates per second, above 0 and at most {MAX_RATE:g}'
        raise BadMessageError("bad_request", text)
    return float(value)


def _array_form(key: str, value: Any) -> str:
    if value not in ARRAY_FORMS:
        raise BadMessageError(
            "bad_request", f'expected "{key}" to be one of {", ".join(ARRAY_FORMS)}'
        )
    return str(value)


def _int64_form(key: str, value: Any) -> str:
    if value not in INT64_FORMS:
        raise BadMessageError(
            "bad_request", f'expected "{key}" to be one of {", ".join(INT64_FORMS)}'
        )
    return str(value)


def _image_form(key: str, value: Any) -> ImageForm | None:
    if value is None:
        return None
    if not isinstance(value, dict) or "jpeg" not in value or value.keys() - {"jpeg", "max"}:
        text = f'expected "{key}" to be null, or an object with "jpeg" and optionally "max"'
        raise BadMessageError("bad_request", text)
    quality = _whole(key, "jpeg", value["jpeg"], *QUALITIES)
    size = _whole(key, "max", value["max"], *SIZES) if "max" in value else None
    if not HAS_PILLOW:
        text = f'this gateway does not support "{key}": it requires pycaserver[images]'
        raise BadMessageError("bad_request", text)
    return ImageForm(quality, size)


def _whole(key: str, part: str, value: Any, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        text = f'expected "{part}" of "{key}" to be a whole number from {low} to {high}'
        raise BadMessageError("bad_request", text)
    return value


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "metadata": _flag,
    "text": _flag,
    "max_rate": _rate,
    "arrays": _array_form,
    "batch": _flag,
    "reason": _flag,
    "alarm_message": _flag,
    "int64": _int64_form,
    "attributes": _flag,
    "image": _image_form,
}

OPTIONS = tuple(_CHECKS)
"""The names of the options, in the order of `configured` messages."""
ALWAYS_REPORTED = OPTIONS[:6]
"""Options that `configured` messages contain even if they are not set."""
