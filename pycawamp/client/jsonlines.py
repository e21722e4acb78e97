"""The output of --json: one object per line, with the keys of the gateway's messages."""

from __future__ import annotations

from typing import Any

import attrs
from orjson import Fragment

from pycawamp.client.values import History, Update
from pycawamp.pv.values import Metadata
from pycawamp.wire.v2.codec import dumps


def connection(name: str, connected: bool, reason: str | None = None) -> str:
    """Return the line for a PV that is connected or disconnected, with the reason if known."""
    why = {"reason": reason} if reason is not None else {}
    return _line(msg_type="connection", pvname=name, conn=connected, **why)


def update(msg_type: str, update: Update) -> str:
    """Return the line for an update (`monitor`) or a reply to get (`value`). NaN is null."""
    return _line(msg_type=msg_type, pvname=update.name, **_content(update))


def history(history: History) -> str:
    """Return the line for the updates before the first one. NaN is null."""
    keys = {key: getattr(history, key) for key in ("timestamps", "values", "severities")}
    return _line(msg_type="history", pvname=history.name, **keys)


def written(name: str, old: Update, new: Update) -> str:
    """Return the line for a put, with the values before and after."""
    return _line(msg_type="put", pvname=name, ok=True, old=_content(old), new=_content(new))


def metadata(name: str, metadata: Metadata) -> str:
    """Return the line for metadata."""
    keys = _present(attrs.asdict(metadata))
    return _line(msg_type="metadata", pvname=name, **{**keys, "type": metadata.type.name.lower()})


def _content(update: Update) -> dict[str, Any]:
    keys = attrs.asdict(update, filter=lambda field, _: field.name not in _SHOWN_OTHERWISE)
    seconds, nanoseconds = divmod(update.timestamp_ns, 1_000_000_000)
    # As in the gateway's messages: an exact decimal, unlike a float.
    keys["timestamp"] = Fragment(f"{seconds}.{nanoseconds:09d}")
    return {"value": update.value, **_present(keys)}


_SHOWN_OTHERWISE = ("name", "value", "timestamp_ns")


def _present(keys: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if value not in (None, "", ())}


def _line(**keys: Any) -> str:
    return dumps(keys).decode()
