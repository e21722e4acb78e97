"""Parsing of epics2web requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pycawamp.pv.text import clip, json_type
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.requests import Connect, Disconnect, Ping, Request
from pycawamp.wire.v2.codec import loads


def parse(payload: bytes) -> Request:
    """Parse a text message.

    Raises:
        BadMessageError: It is not a valid request.
    """
    message = loads(payload)
    if not isinstance(message, dict):
        raise BadMessageError("bad_request", f"expected a JSON object, got {json_type(message)}")
    kind = message.get("type")
    if not isinstance(kind, str):
        raise BadMessageError("bad_request", f'expected "type" with one of {_TYPE_NAMES}')
    make = _MAKERS.get(kind)
    if make is None:
        text = f"unknown type {clip(kind)!r}; expected one of {_TYPE_NAMES}"
        raise BadMessageError("unknown_action", text)
    return make(message)


def _names(message: dict[str, Any]) -> list[str]:
    """Return the names in a message; what cannot be a name is ignored."""
    names = message.get("pvs")
    if not isinstance(names, list):
        raise BadMessageError("bad_request", 'expected "pvs" with a list of PV names')
    return [name for name in names if isinstance(name, str) and name]


_MAKERS: dict[str, Callable[[dict[str, Any]], Request]] = {
    "monitor": lambda message: Connect(_names(message)),
    "clear": lambda message: Disconnect(_names(message)),
    "ping": lambda _message: Ping(),
}
TYPES = tuple(_MAKERS)
"""The types of messages."""
_TYPE_NAMES = ", ".join(TYPES)
