"""Parsing of options."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from pycawamp.wire.errors import BadMessageError

ARRAY_FORMS = ("json", "base64", "binary")
MAX_RATE = 1000.0
"""Updates per second: the finest that a max_rate can say."""


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


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "metadata": _flag,
    "text": _flag,
    "max_rate": _rate,
    "arrays": _array_form,
    "batch": _flag,
    "reason": _flag,
}

OPTIONS = tuple(_CHECKS)
"""The names of the options, in the order in which they are told."""
