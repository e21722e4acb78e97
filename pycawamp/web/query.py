"""Parameters of URLs: PV names, and options of the protocol."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import attrs

from pycawamp.pv.text import clip
from pycawamp.wire.errors import BadMessageError

NAME = "name"
"""The parameter that names a PV."""


@attrs.frozen
class Query:
    """The parameters of a query; options are converted to the types of the protocol if possible."""

    names: tuple[str, ...]
    options: Mapping[str, Any]

    @classmethod
    def parse(
        cls, parameters: Mapping[bytes, Sequence[bytes]], known: Collection[str], named: bool
    ) -> Query:
        """Return the query in some parameters.

        Args:
            parameters: The decoded parameters.
            known: The options that are allowed; their values are checked by the protocol.
            named: Whether PV names are allowed.

        Raises:
            BadMessageError: `bad_request` if a parameter is invalid.
        """
        names: tuple[str, ...] = ()
        options: dict[str, Any] = {}
        for raw, values in parameters.items():
            key = text_of(raw)
            if key == NAME and named:
                names = tuple(text_of(value) for value in values)
            elif key in known:
                options[key] = _value(key, values)
            else:
                raise _unknown(key, [NAME, *known] if named else known)
        return cls(names, options)


def text_of(raw: bytes) -> str:
    """Return the decoded text in a part of a URL.

    Raises:
        BadMessageError: `bad_request` if it is not UTF-8.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise BadMessageError("bad_request", "expected a URL in UTF-8, percent-encoded") from None


def _value(key: str, values: Sequence[bytes]) -> Any:
    if len(values) > 1:
        raise BadMessageError("bad_request", f'expected "{key}" once, got it {len(values)} times')
    text = text_of(values[0])
    return _READ[key](text) if key in _READ else text


def _unknown(key: str, known: Collection[str]) -> BadMessageError:
    expected = f"one of {', '.join(known)}" if known else "none"
    text = f'unknown parameter "{clip(key)}"; expected {expected}'
    return BadMessageError("bad_request", text)


def _flag(text: str) -> bool | str:
    return _FLAGS.get(text, text)


def _number(text: str) -> float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


_FLAGS = {"1": True, "true": True, "0": False, "false": False}
_READ: Mapping[str, Callable[[str], Any]] = {
    "metadata": _flag,
    "text": _flag,
    "wait": _flag,
    "reason": _flag,
    "max_rate": _number,
    "timeout": _number,
}
