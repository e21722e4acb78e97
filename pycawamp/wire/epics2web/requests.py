"""Parsing of epics2web requests."""

from __future__ import annotations

from typing import Any

from pycawamp.wire import typed
from pycawamp.wire.requests import Connect, Disconnect, Ping, Request
from pycawamp.wire.v2.codec import loads


def parse(payload: bytes) -> Request:
    """Parse a text message.

    Raises:
        BadMessageError: It is not a valid request.
    """
    return typed.request(loads(payload), _MAKERS, TYPES)


def _names(message: dict[str, Any]) -> list[str]:
    """Return the names in a message; what cannot be a name is ignored."""
    return [name for name in typed.pv_names(message) if isinstance(name, str) and name]


_MAKERS: typed.Makers = {
    "monitor": lambda message: Connect(_names(message)),
    "clear": lambda message: Disconnect(_names(message)),
    "ping": lambda _message: Ping(),
}
TYPES = tuple(_MAKERS)
"""The types of messages."""
