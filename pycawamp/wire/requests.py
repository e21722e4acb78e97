"""What a client can ask for: bytes to frozen requests, or BadMessage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import attrs

from pycawamp.wire.codec import BadMessage, loads

MAX_NAME = 500
"""UTF-8 bytes of a PV name, channel filter included: what fits a CA search well."""
MAX_BARE_NAME = 256
"""Characters of a name that is sent without any JSON."""


@attrs.frozen
class Connect:
    """Subscribes this client to a PV."""

    pv: str


@attrs.frozen
class Disconnect:
    """Ends a subscription; of none, it is silently ignored."""

    pv: str


Request: TypeAlias = Connect | Disconnect


def parse(payload: bytes) -> Request:
    """The request that a text message holds; BadMessage if it holds none."""
    if _is_bare_name(payload):
        return Connect(checked_name(payload.decode()))
    message = loads(payload)
    if not isinstance(message, dict):
        raise BadMessage("bad_request", f"expected a JSON object, got {_json_type(message)}")
    action = message.get("action")
    if not isinstance(action, str):
        raise BadMessage("bad_request", f'expected "action" with one of {_ACTION_NAMES}')
    return _parse_action(action, message)


def _parse_action(action: str, message: dict[str, Any]) -> Request:
    make = _ACTIONS.get(action)
    if make is None:
        text = f"unknown action {_clip(action)!r}; expected one of {_ACTION_NAMES}"
        raise BadMessage("unknown_action", text, action=_clip(action))
    try:
        return make(message)
    except BadMessage as mistake:
        raise attrs.evolve(mistake, action=action) from None


def _is_bare_name(payload: bytes) -> bool:
    """Whether this is the oldest protocol: just a PV's name, which is not JSON."""
    if not payload or payload[:1] in b'{["' or any(byte <= 0x20 for byte in payload):
        return False
    try:
        loads(payload)
    except BadMessage:
        return len(payload.decode(errors="replace")) <= MAX_BARE_NAME
    return False


def checked_name(name: Any) -> str:
    """The PV name itself; BadMessage `bad_name` if it cannot be one."""
    if not isinstance(name, str):
        raise BadMessage("bad_request", f'expected "pv" with a PV name, got {_json_type(name)}')
    if not name.strip():
        raise BadMessage("bad_name", "the PV name is empty", pvname=_clip(name))
    if len(name.encode()) > MAX_NAME:
        text = f"the PV name is longer than {MAX_NAME} bytes"
        raise BadMessage("bad_name", text, pvname=_clip(name))
    if not name.isprintable():
        text = "the PV name holds control or other unprintable characters"
        raise BadMessage("bad_name", text, pvname=_clip(name))
    return name


def _clip(text: str, most: int = 64) -> str:
    """Enough of a client's text to know it again: an error never echoes a flood."""
    return text if len(text) <= most else text[:most] + "…"


def _json_type(value: Any) -> str:
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

_ACTIONS: dict[str, Callable[[dict[str, Any]], Request]] = {
    "connect": lambda message: Connect(checked_name(message.get("pv"))),
    "disconnect": lambda message: Disconnect(checked_name(message.get("pv"))),
}
_ACTION_NAMES = ", ".join(_ACTIONS)
