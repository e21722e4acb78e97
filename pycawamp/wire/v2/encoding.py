"""How a client wants its messages: the options of a subscription, as one value.

Clients whose options are equal share the rendered bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from pycawamp.wire.v2.codec import BadMessageError

ARRAY_FORMS = ("json", "base64", "binary")
MAX_RATE = 1000.0
"""Updates per second: the finest that a max_rate can say."""


@attrs.frozen
class Encoding:
    """The options of Version 2; the defaults are Version 1."""

    metadata: bool = False
    """A `metadata` message, and the alarm's severity and status with each update."""
    text: bool = False
    """Each value also as a person reads it."""
    max_rate: float | None = None
    """Updates per second and PV; the newest wins."""
    arrays: str = "json"
    batch: bool = False
    """Each burst of messages as one JSON array."""
    writable: bool = False
    """Whether the clients may write the PV, for its metadata. No option: access decides it."""

    @property
    def content(self) -> Encoding:
        """What decides on a message's bytes; clients that agree on this share them."""
        if self.max_rate is None and not self.batch:
            return self
        return attrs.evolve(self, max_rate=None, batch=False)


VERSION_1 = Encoding()


def parse_options(message: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a request sets; BadMessageError `bad_request` if one cannot be."""
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
}

OPTIONS = tuple(_CHECKS)
"""The names of the options, in the order in which they are told."""
