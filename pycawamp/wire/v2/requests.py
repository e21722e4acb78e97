"""What a client sends: bytes to frozen requests, or BadMessageError."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.requests import (
    Configure,
    Connect,
    Disconnect,
    Get,
    Info,
    ListPVs,
    Ping,
    Put,
    Request,
)
from pycawamp.wire.v2.codec import loads
from pycawamp.wire.v2.options import parse_options

MAX_NAME = 500
"""UTF-8 bytes of a PV name, channel filter included: what fits a CA search well."""
MAX_BARE_NAME = 256
"""Characters of a name that is sent without any JSON."""
DEFAULT_TIMEOUT = 10.0
MAX_TIMEOUT = 3600.0
"""Seconds that a put may take."""


def parse(payload: bytes) -> Request:
    """The request that a text message holds; BadMessageError if it holds none."""
    if _is_bare_name(payload):
        return Connect((checked_name(payload.decode()),))
    message = loads(payload)
    if not isinstance(message, dict):
        raise BadMessageError("bad_request", f"expected a JSON object, got {_json_type(message)}")
    request_id = _request_id(message)
    try:
        return _parse_action(message, request_id)
    except BadMessageError as mistake:
        raise attrs.evolve(mistake, id=request_id) from None


def _request_id(message: dict[str, Any]) -> str | float | None:
    request_id = message.get("id")
    if isinstance(request_id, str | int | float) and not isinstance(request_id, bool):
        return request_id
    if request_id is None:
        return None
    raise BadMessageError("bad_request", 'expected "id" to be a string or a number')


def _parse_action(message: dict[str, Any], request_id: str | float | None) -> Request:
    action = message.get("action")
    if not isinstance(action, str):
        raise BadMessageError("bad_request", f'expected "action" with one of {_ACTION_NAMES}')
    make = _ACTIONS.get(action)
    if make is None:
        text = f"unknown action {_clip(action)!r}; expected one of {_ACTION_NAMES}"
        raise BadMessageError("unknown_action", text, action=_clip(action))
    try:
        return make(message, request_id)
    except BadMessageError as mistake:
        pvname = mistake.pvname or _name_in(message)
        raise attrs.evolve(mistake, action=action, pvname=pvname) from None


def _connect(message: dict[str, Any], request_id: str | float | None) -> Connect:
    options = parse_options(message)
    names, mistakes = _names(message)
    return Connect(names, mistakes, options, id=request_id)


def _disconnect(message: dict[str, Any], request_id: str | float | None) -> Disconnect:
    names, mistakes = _names(message)
    return Disconnect(names, mistakes, id=request_id)


def _configure(message: dict[str, Any], request_id: str | float | None) -> Configure:
    return Configure(parse_options(message), id=request_id)


def _get(message: dict[str, Any], request_id: str | float | None) -> Get:
    return Get(checked_name(message.get("pv")), parse_options(message), id=request_id)


def _put(message: dict[str, Any], request_id: str | float | None) -> Put:
    name = checked_name(message.get("pv"))
    if "value" not in message:
        raise BadMessageError("bad_request", 'expected "value" with what to write')
    wait = message.get("wait", True)
    if not isinstance(wait, bool):
        raise BadMessageError("bad_request", 'expected "wait" to be true or false')
    return Put(name, message["value"], wait, _timeout(message), id=request_id)


def _timeout(message: dict[str, Any]) -> float:
    timeout = message.get("timeout", DEFAULT_TIMEOUT)
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not is_number or not 0 < timeout <= MAX_TIMEOUT:
        text = f'expected "timeout" to be seconds, above 0 and at most {MAX_TIMEOUT:g}'
        raise BadMessageError("bad_request", text)
    return float(timeout)


def _info(message: dict[str, Any], request_id: str | float | None) -> Info:
    return Info(checked_name(message.get("pv")), id=request_id)


def _names(message: dict[str, Any]) -> tuple[tuple[str, ...], tuple[BadMessageError, ...]]:
    """The names in `pv` or `pvs`; of a list, those that are names, and the other's mistakes."""
    if "pvs" not in message:
        return (checked_name(message.get("pv")),), ()
    asked = message["pvs"]
    if not isinstance(asked, list) or "pv" in message:
        raise BadMessageError(
            "bad_request", 'expected either "pv" with a name or "pvs" with a list'
        )
    names: dict[str, None] = {}
    mistakes = []
    for name in asked:
        try:
            names[checked_name(name)] = None
        except BadMessageError as mistake:
            mistakes.append(attrs.evolve(mistake, action=message["action"]))
    return tuple(names), tuple(mistakes)


def _is_bare_name(payload: bytes) -> bool:
    """Whether this is the oldest protocol: just a PV's name, which is not JSON."""
    if not payload or payload[:1] in b'{["' or any(byte <= 0x20 for byte in payload):
        return False
    try:
        text = payload.decode()
        loads(payload)
    except UnicodeDecodeError:
        return False
    except BadMessageError:
        return len(text) <= MAX_BARE_NAME
    return False


def checked_name(name: Any) -> str:
    """The PV name itself; BadMessageError `bad_name` if it cannot be one."""
    if not isinstance(name, str):
        raise BadMessageError(
            "bad_request", f'expected "pv" with a PV name, got {_json_type(name)}'
        )
    if not name.strip():
        raise BadMessageError("bad_name", "the PV name is empty", pvname=_clip(name))
    if len(name.encode()) > MAX_NAME:
        text = f"the PV name is longer than {MAX_NAME} bytes"
        raise BadMessageError("bad_name", text, pvname=_clip(name))
    if not name.isprintable():
        text = "the PV name holds control or other unprintable characters"
        raise BadMessageError("bad_name", text, pvname=_clip(name))
    return name


def _name_in(message: dict[str, Any]) -> str | None:
    name = message.get("pv")
    return _clip(name) if isinstance(name, str) else None


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

_ACTIONS: dict[str, Callable[[dict[str, Any], str | float | None], Request]] = {
    Connect.action: _connect,
    Disconnect.action: _disconnect,
    Configure.action: _configure,
    Get.action: _get,
    Put.action: _put,
    Info.action: _info,
    ListPVs.action: lambda _message, request_id: ListPVs(id=request_id),
    Ping.action: lambda _message, request_id: Ping(id=request_id),
}
_ACTION_NAMES = ", ".join(_ACTIONS)
