"""Parsing of requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from pycawamp.pv.history import MAX_SAMPLES, Past
from pycawamp.pv.text import clip, json_type
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.names import checked_name
from pycawamp.wire.requests import (
    Configure,
    Connect,
    Disconnect,
    Get,
    Info,
    ListPVs,
    Ping,
    Put,
    ReadHistory,
    Request,
)
from pycawamp.wire.v2.codec import loads
from pycawamp.wire.v2.options import parse_options

MAX_BARE_NAME = 256
"""Maximum characters of a name without JSON."""
MAX_BARE_BYTES = 4 * MAX_BARE_NAME
"""Maximum UTF-8 bytes of a name without JSON."""
MAX_ID = 256
"""Maximum UTF-8 bytes of a request's id, which every reply repeats."""
MAX_BRACKETS = 100_000
"""Maximum arrays and objects in a message; each takes thirty times the memory of its text."""
DEFAULT_TIMEOUT = 10.0
MAX_TIMEOUT = 3600.0
"""Maximum timeout of a put in seconds."""
MAX_TIME = 2**32 - 1
"""Maximum UNIX seconds, in 2106."""
MIN_POINTS = 12
MAX_HISTORY = 86400.0
"""Maximum seconds of history sent with a subscription."""


def parse(payload: bytes) -> Request:
    """Parse a text message.

    Raises:
        BadMessageError: It is not a valid request.
    """
    if _is_bare_name(payload):
        return Connect((checked_name(payload.decode()),))
    message = load(payload)
    if not isinstance(message, dict):
        raise BadMessageError("bad_request", f"expected a JSON object, got {json_type(message)}")
    request_id = _request_id(message) if "id" in message else None
    try:
        return _parse_action(message, request_id)
    except BadMessageError as mistake:
        raise attrs.evolve(mistake, id=request_id) from None


def load(payload: bytes) -> Any:
    """Return the value of a client's JSON text.

    Raises:
        BadMessageError: `bad_json` if it is not valid.
    """
    if len(payload) > MAX_BRACKETS and payload.count(b"[") + payload.count(b"{") > MAX_BRACKETS:
        raise BadMessageError("bad_json", f"expected at most {MAX_BRACKETS} arrays and objects")
    return loads(payload)


def _request_id(message: dict[str, Any]) -> str | float | None:
    request_id = message.get("id")
    if isinstance(request_id, str) and len(request_id.encode()) > MAX_ID:
        # Without the id, which is too long.
        raise BadMessageError("bad_request", f'expected "id" to have at most {MAX_ID} bytes')
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
        text = f"unknown action {clip(action)!r}; expected one of {_ACTION_NAMES}"
        raise BadMessageError("unknown_action", text, action=clip(action))
    try:
        return make(message, request_id)
    except BadMessageError as mistake:
        pvname = mistake.pvname or _name_in(message)
        raise attrs.evolve(mistake, action=action, pvname=pvname) from None


def _connect(message: dict[str, Any], request_id: str | float | None) -> Connect:
    if len(message) == 2 and ("pv" in message or "pvs" in message):
        # Most requests have only an action and names.
        return Connect(_names(message), id=request_id)
    options = parse_options(message)
    return Connect(_names(message), options, _past(message), id=request_id)


def _disconnect(message: dict[str, Any], request_id: str | float | None) -> Disconnect:
    return Disconnect(_names(message), id=request_id)


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
    if not _is_number(timeout) or not 0 < timeout <= MAX_TIMEOUT:
        text = f'expected "timeout" to be seconds, above 0 and at most {MAX_TIMEOUT:g}'
        raise BadMessageError("bad_request", text)
    return float(timeout)


def _history(message: dict[str, Any], request_id: str | float | None) -> ReadHistory:
    name = checked_name(message.get("pv"))
    start = _time(message, "from")
    end = _time(message, "to") if message.get("to") is not None else None
    if end is not None and end < start:
        raise BadMessageError("bad_request", 'expected "to" to be after "from"')
    return ReadHistory(name, start, end, _points(message), id=request_id)


def _time(message: dict[str, Any], key: str) -> float:
    value: Any = message.get(key)
    if not _is_number(value) or not 0 <= value <= MAX_TIME:
        text = f'expected "{key}" to be UNIX seconds, at most {MAX_TIME}'
        raise BadMessageError("bad_request", text)
    return float(value)


def _past(message: dict[str, Any]) -> Past | None:
    seconds = message.get("history", 0)
    if not _is_number(seconds) or not 0 <= seconds <= MAX_HISTORY:
        text = f'expected "history" to be seconds, at most {MAX_HISTORY:g}'
        raise BadMessageError("bad_request", text)
    points = _points(message)
    return Past(float(seconds), points) if seconds else None


def _points(message: dict[str, Any]) -> int:
    points = message.get("points", MAX_SAMPLES)
    if type(points) is not int or not MIN_POINTS <= points <= MAX_SAMPLES:
        text = f'expected "points" to be a number of samples from {MIN_POINTS} to {MAX_SAMPLES}'
        raise BadMessageError("bad_request", text)
    return points


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _info(message: dict[str, Any], request_id: str | float | None) -> Info:
    return Info(checked_name(message.get("pv")), id=request_id)


def _names(message: dict[str, Any]) -> Sequence[Any]:
    """Return the name in `pv`, which is checked, or the list in `pvs`, which is not."""
    if "pvs" not in message:
        return (checked_name(message.get("pv")),)
    names = message["pvs"]
    if not isinstance(names, list) or "pv" in message:
        raise BadMessageError(
            "bad_request", 'expected either "pv" with a name or "pvs" with a list'
        )
    return names


def _is_bare_name(payload: bytes) -> bool:
    """Return whether a message is a PV name without JSON, as in the oldest protocol."""
    if not payload or payload[:1] in b'{["' or len(payload) > MAX_BARE_BYTES:
        return False
    if any(byte <= 0x20 for byte in payload):
        return False
    try:
        text = payload.decode()
        loads(payload)
    except UnicodeDecodeError:
        return False
    except BadMessageError:
        return len(text) <= MAX_BARE_NAME
    return False


def _name_in(message: dict[str, Any]) -> str | None:
    name = message.get("pv")
    return clip(name) if isinstance(name, str) else None


_ACTIONS: dict[str, Callable[[dict[str, Any], str | float | None], Request]] = {
    Connect.action: _connect,
    Disconnect.action: _disconnect,
    Configure.action: _configure,
    Get.action: _get,
    Put.action: _put,
    Info.action: _info,
    ReadHistory.action: _history,
    ListPVs.action: lambda _message, request_id: ListPVs(id=request_id),
    Ping.action: lambda _message, request_id: Ping(id=request_id),
}
_ACTION_NAMES = ", ".join(_ACTIONS)
