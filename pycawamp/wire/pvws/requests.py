"""Parsing of PVWS requests."""

from __future__ import annotations

from typing import Any

from pycawamp.wire import typed
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
    if isinstance(message, dict) and message.get("type") == "echo":
        return Echo(payload)
    return typed.request(message, _MAKERS, TYPES)


def _subscribe(message: dict[str, Any]) -> Request:
    return Connect(_names(message))


def _clear(message: dict[str, Any]) -> Request:
    return Disconnect(_names(message))


def _write(message: dict[str, Any]) -> Request:
    if "pv" not in message or "value" not in message:
        text = 'expected "pv" with a PV name and "value" with what to write'
        raise BadMessageError("bad_request", text, action=Put.action)
    name = _text(message["pv"])
    # Without waiting for the record: the next write is sent immediately, as with PVWS.
    return Put(checked_name(name), message["value"], wait=False, timeout=PUT_TIMEOUT)


def _names(message: dict[str, Any]) -> list[str]:
    return [_text(name) for name in typed.pv_names(message)]


def _text(name: Any) -> str:
    """Return a name like PVWS: anything that is not a string is converted to text."""
    if isinstance(name, str):
        return name
    return "" if isinstance(name, list | dict) else dumps(name).decode()


_MAKERS: typed.Makers = {
    "subscribe": _subscribe,
    "monitor": _subscribe,
    "clear": _clear,
    "list": lambda _message: ListPVs(),
    "write": _write,
    "ping": lambda _message: Ping(),
}
TYPES = (*_MAKERS, "echo")
"""The types of messages."""
