"""Parsing of PVWS requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pycawamp.pv.text import clip, json_type
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.names import checked_name
from pycawamp.wire.requests import Connect, Disconnect, Echo, ListPVs, Ping, Put, Request
from pycawamp.wire.v2.codec import dumps, loads

PUT_TIMEOUT = 10.0
"""Seconds within which a PV must be connected to be written."""


def parse(payload: bytes) -> Request:
    """Parse a text message.

    Raises:
        BadMessageError: It is not a valid request.
    """
    message = loads(payload)
    if not isinstance(message, dict):
        raise BadMessageError("bad_request", f"expected a JSON object, got {json_type(message)}")
    kind = message.get("type")
    if kind == "echo":
        return Echo(payload)
    if not isinstance(kind, str):
        raise BadMessageError("bad_request", f'expected "type" with one of {_TYPE_NAMES}')
    make = _MAKERS.get(kind)
    if make is None:
        text = f"unknown type {clip(kind)!r}; expected one of {_TYPE_NAMES}"
        raise BadMessageError("unknown_action", text)
    return make(message)


def _subscribe(message: dict[str, Any]) -> Request:
    return Connect(_names(message))


def _clear(message: dict[str, Any]) -> Request:
    return Disconnect(_names(message))


def _write(message: dict[str, Any]) -> Request:
    if "pv" not in message or "value" not in message:
        text = 'expected "pv" with a PV name and "value" with what to write'
        raise BadMessageError("bad_request", text, action=Put.action)
    name = _text(message["pv"])
    # Nobody waits for the record to finish: the next write goes out at once, as in PVWS.
    return Put(checked_name(name), message["value"], wait=False, timeout=PUT_TIMEOUT)


def _names(message: dict[str, Any]) -> list[str]:
    names = message.get("pvs")
    if not isinstance(names, list):
        raise BadMessageError("bad_request", 'expected "pvs" with a list of PV names')
    return [_text(name) for name in names]


def _text(name: Any) -> str:
    """Return a name like PVWS: anything that is not a string is converted to text."""
    if isinstance(name, str):
        return name
    return "" if isinstance(name, list | dict) else dumps(name).decode()


_MAKERS: dict[str, Callable[[dict[str, Any]], Request]] = {
    "subscribe": _subscribe,
    "monitor": _subscribe,
    "clear": _clear,
    "list": lambda _message: ListPVs(),
    "write": _write,
    "ping": lambda _message: Ping(),
}
TYPES = (*_MAKERS, "echo")
"""The types of messages."""
_TYPE_NAMES = ", ".join(TYPES)
