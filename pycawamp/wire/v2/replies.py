"""Messages other than updates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from pycawamp.pv.values import Metadata
from pycawamp.wire.dialect import Encoding
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.requests import Request
from pycawamp.wire.v2.codec import dumps
from pycawamp.wire.v2.options import ALWAYS_REPORTED, OPTIONS


def connection(name: str, connected: bool, reason: str | None = None) -> bytes:
    """Return a `connection` message, with the reason if there is one."""
    message = {"msg_type": "connection", "pvname": name, "conn": connected}
    return dumps(message | _without_none({"reason": reason}))


def error(mistake: BadMessageError) -> bytes:
    """Return an `error` message."""
    known = {"action": mistake.action, "pvname": mistake.pvname, "id": mistake.id}
    message = {"msg_type": "error", "code": mistake.code, "message": mistake.message}
    return dumps(message | _without_none(known))


def refused(name: str, reason: str, metadata: Metadata | None) -> bytes:
    """Return the `error` message for a PV whose value its source, mostly an IOC, does not send."""
    is_ioc = metadata is None or metadata.host
    text = f"the IOC does not send the value: {reason}" if is_ioc else reason
    return error(BadMessageError("refused", text, "connect", name))


def metadata(
    name: str, described: Metadata, writable: bool, request: Request | None = None
) -> bytes:
    """Return a `metadata` message, without keys that do not apply.

    `writable` is whether the gateway allows the client to write, in addition to the IOC.
    """
    applies = {
        "units": described.units or None,
        "precision": described.precision,
        "enum_strs": described.enum_strs or None,
        "display_limits": described.display_limits,
        "control_limits": described.control_limits,
        "alarm_limits": described.alarm_limits,
        "warning_limits": described.warning_limits,
        "description": described.description or None,
        "form": described.form or None,
    }
    return _reply(
        request,
        "metadata",
        pvname=name,
        type=described.type.value,
        count=described.count,
        **_without_none(applies),
        read_access=described.read_access,
        write_access=writable and described.write_access,
        host=described.host,
        **_without_none({"refusal": described.refusal or None}),
    )


def configured(request: Request, encoding: Encoding) -> bytes:
    """Return a `configured` message with the options in force."""
    usual = Encoding(encoding.dialect)
    options = {
        key: getattr(encoding, key)
        for key in OPTIONS
        if key in ALWAYS_REPORTED or getattr(encoding, key) != getattr(usual, key)
    }
    if encoding.image is not None:
        options["image"] = _without_none(attrs.asdict(encoding.image))
    return _reply(request, "configured", **options)


def listed(request: Request, names: Iterable[str]) -> bytes:
    """Return a `list` message."""
    return _reply(request, "list", pvs=list(names))


def pong(request: Request) -> bytes:
    """Return a `pong` message."""
    return _reply(request, "pong")


def written(request: Request, name: str) -> bytes:
    """Return the reply to a successful put."""
    return _reply(request, "put", pvname=name, ok=True)


def _reply(request: Request | None, msg_type: str, **keys: Any) -> bytes:
    known = {"id": request.id if request is not None else None}
    return dumps({"msg_type": msg_type} | keys | _without_none(known))


def _without_none(keys: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if value is not None}
