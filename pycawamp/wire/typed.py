"""Parsing of messages with a `type`, as in the protocols of other gateways."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from pycawamp.pv.text import clip, json_type
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.requests import Request

Makers: TypeAlias = Mapping[str, Callable[[dict[str, Any]], Request]]
"""Functions that return the request of a message, by type."""


def request(message: object, makers: Makers, types: Sequence[str]) -> Request:
    """Return the request of a JSON message.

    Args:
        message: The message.
        makers: The functions for the types.
        types: The names of the types, for errors.

    Raises:
        BadMessageError: It is not a valid request.
    """
    if not isinstance(message, dict):
        raise BadMessageError("bad_request", f"expected a JSON object, got {json_type(message)}")
    kind = message.get("type")
    if not isinstance(kind, str):
        raise BadMessageError("bad_request", f'expected "type" with one of {", ".join(types)}')
    make = makers.get(kind)
    if make is None:
        text = f"unknown type {clip(kind)!r}; expected one of {', '.join(types)}"
        raise BadMessageError("unknown_action", text)
    return make(message)


def pv_names(message: dict[str, Any]) -> list[Any]:
    """Return the unchecked names in a message.

    Raises:
        BadMessageError: There is no list of them.
    """
    names = message.get("pvs")
    if not isinstance(names, list):
        raise BadMessageError("bad_request", 'expected "pvs" with a list of PV names')
    return names
