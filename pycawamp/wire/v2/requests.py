"""What a client can ask for: bytes to frozen requests, or BadMessageError."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import attrs

from pycawamp.wire.v2.codec import BadMessageError, loads
from pycawamp.wire.v2.encoding import parse_options

MAX_NAME = 500
"""UTF-8 bytes of a PV name, channel filter included: what fits a CA search well."""
MAX_BARE_NAME = 256
"""Characters of a name that is sent without any JSON."""
MAX_BARE_BYTES = 4 * MAX_BARE_NAME
"""UTF-8 bytes of such a name: a character takes four at most."""
MAX_ID = 256
"""UTF-8 bytes of a request's id: every reply to the request repeats it."""
MAX_BRACKETS = 100_000
"""Arrays and objects of a message: each takes thirty times the memory of its brackets."""
DEFAULT_TIMEOUT = 10.0
MAX_TIMEOUT = 3600.0
"""Seconds that a put may take."""


@attrs.frozen(kw_only=True)
class Request:
    """What a client asks for; `id` is repeated in every reply to it."""

    action: ClassVar[str]
    id: str | float | None = None

    @property
    def pvname(self) -> str | None:
        """The PV that it is about; None if there is none or more than one."""
        return None


@attrs.frozen
class PVsRequest(Request):
    """About any number of PVs."""

    names: Sequence[Any]
    """As they were sent: a list may be long, so `checked_name` is called for a part at a time."""

    @property
    def pvname(self) -> str | None:
        """The PV that it is about; None if there is none or more than one."""
        name = self.names[0] if len(self.names) == 1 else None
        return _clip(name, MAX_NAME) if isinstance(name, str) else None


@attrs.frozen
class PVRequest(Request):
    """About one PV."""

    name: str

    @property
    def pvname(self) -> str:
        """The PV that it is about."""
        return self.name


@attrs.frozen
class Connect(PVsRequest):
    """Subscribes this client to PVs."""

    action = "connect"
    options: Mapping[str, Any] = attrs.Factory(dict)


@attrs.frozen
class Disconnect(PVsRequest):
    """Ends subscriptions; of none, it is silently ignored."""

    action = "disconnect"


@attrs.frozen
class Configure(Request):
    """Sets this connection's defaults from now on."""

    action = "configure"
    options: Mapping[str, Any]


@attrs.frozen
class Get(PVRequest):
    """Reads a PV once."""

    action = "get"
    options: Mapping[str, Any]


@attrs.frozen
class Put(PVRequest):
    """Writes a PV."""

    action = "put"
    value: Any
    wait: bool
    """Whether the reply waits until the record has finished processing."""
    timeout: float
    """Seconds."""


@attrs.frozen
class Info(PVRequest):
    """Asks for a PV's metadata."""

    action = "info"


@attrs.frozen
class ListPVs(Request):
    """Asks what this client is subscribed to."""

    action = "list"


@attrs.frozen
class Ping(Request):
    """Asks for a sign of life."""

    action = "ping"


def parse(payload: bytes) -> Request:
    """The request that a text message holds; BadMessageError if it holds none."""
    if _is_bare_name(payload):
        return Connect((checked_name(payload.decode()),))
    if len(payload) > MAX_BRACKETS and payload.count(b"[") + payload.count(b"{") > MAX_BRACKETS:
        raise BadMessageError("bad_json", f"expected at most {MAX_BRACKETS} arrays and objects")
    message = loads(payload)
    if not isinstance(message, dict):
        raise BadMessageError("bad_request", f"expected a JSON object, got {_json_type(message)}")
    request_id = _request_id(message)
    try:
        return _parse_action(message, request_id)
    except BadMessageError as mistake:
        raise attrs.evolve(mistake, id=request_id) from None


def about(request: Request, mistake: BadMessageError) -> BadMessageError:
    """A mistake together with what is known of the request."""
    return attrs.evolve(mistake, action=request.action, pvname=request.pvname, id=request.id)


def _request_id(message: dict[str, Any]) -> str | float | None:
    request_id = message.get("id")
    if isinstance(request_id, str) and len(request_id.encode()) > MAX_ID:
        # Without the id: the error would be as long.
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
        text = f"unknown action {_clip(action)!r}; expected one of {_ACTION_NAMES}"
        raise BadMessageError("unknown_action", text, action=_clip(action))
    try:
        return make(message, request_id)
    except BadMessageError as mistake:
        pvname = mistake.pvname or _name_in(message)
        raise attrs.evolve(mistake, action=action, pvname=pvname) from None


def _connect(message: dict[str, Any], request_id: str | float | None) -> Connect:
    options = parse_options(message)
    return Connect(_names(message), options, id=request_id)


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
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not is_number or not 0 < timeout <= MAX_TIMEOUT:
        text = f'expected "timeout" to be seconds, above 0 and at most {MAX_TIMEOUT:g}'
        raise BadMessageError("bad_request", text)
    return float(timeout)


def _info(message: dict[str, Any], request_id: str | float | None) -> Info:
    return Info(checked_name(message.get("pv")), id=request_id)


def _names(message: dict[str, Any]) -> Sequence[Any]:
    """The name in `pv`, which is checked, or the list in `pvs`, which is not."""
    if "pvs" not in message:
        return (checked_name(message.get("pv")),)
    names = message["pvs"]
    if not isinstance(names, list) or "pv" in message:
        raise BadMessageError(
            "bad_request", 'expected either "pv" with a name or "pvs" with a list'
        )
    return names


def _is_bare_name(payload: bytes) -> bool:
    """Whether this is the oldest protocol: just a PV's name, which is not JSON."""
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
