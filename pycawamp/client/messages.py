"""Decoding of the gateway's messages."""

from __future__ import annotations

import math
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from pycawamp.client.values import GatewayError, History, Update, Value
from pycawamp.pv.values import Array, FieldType, Limits, Metadata
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.v2.codec import loads

Message: TypeAlias = dict[str, Any]

_SIZE_BYTES = 4
_ALIGNMENT = 8


def decode(payload: bytes, is_binary: bool) -> list[Message]:
    """Return the messages in a frame: several if it is a batch.

    Raises:
        GatewayError: `bad_frame` if the frame is invalid.
    """
    try:
        if is_binary:
            return [_decode_binary(payload)]
        content = loads(payload)
    except (BadMessageError, ValueError, KeyError, TypeError) as error:
        raise GatewayError("bad_frame", f"invalid message: {error}") from None
    messages = content if isinstance(content, list) else [content]
    if not all(isinstance(message, dict) for message in messages):
        raise GatewayError("bad_frame", "expected a JSON object, or an array of them")
    _keep_nanoseconds(payload, messages)
    return messages


def _decode_binary(payload: bytes) -> Message:
    size = int.from_bytes(payload[:_SIZE_BYTES], "little")
    message: Message = loads(payload[_SIZE_BYTES : _SIZE_BYTES + size])
    start = _SIZE_BYTES + size
    _keep_nanoseconds(payload[_SIZE_BYTES:start], [message])
    start += -start % _ALIGNMENT
    # The array is a read-only view of the payload.
    message["value"] = _array(memoryview(payload)[start:], message.pop("dtype"), message["shape"])
    return message


def _array(raw: bytes | memoryview, name: str, shape: list[int]) -> Array:
    """Return the elements, or the bytes themselves if numpy does not have the type."""
    if not _NUMBERS.fullmatch(name):
        return np.frombuffer(raw, np.uint8)
    return np.frombuffer(raw, np.dtype(name), math.prod(shape)).reshape(shape)


# Not any text that numpy accepts, which may be an expression.
_NUMBERS = re.compile(r"[<>|=]?([biu]1|[iu][248]|f[248]|c(8|16))")


def _keep_nanoseconds(payload: bytes, messages: list[Message]) -> None:
    """Add exact time stamps in nanoseconds, which the parser's floats do not have."""
    stamped = [message for message in messages if "timestamp" in message]
    stamps = _STAMP.findall(payload) if stamped else []
    if len(stamps) == len(stamped):
        for message, (seconds, fraction) in zip(stamped, stamps, strict=True):
            message["timestamp_ns"] = int(seconds + fraction[:9].ljust(9, b"0"))


# Quotes within JSON strings are escaped, so this matches keys only.
_STAMP = re.compile(rb'"timestamp":\s*(\d+)\.(\d+)(?=[,}\s])')


def update(message: Mapping[str, Any]) -> Update:
    """Return the update in a `monitor` or `value` message.

    Raises:
        GatewayError: `bad_frame` if the message is invalid.
    """
    exact = {key: message[key] for key in ("timestamp_ns",) if key in message}
    try:
        return Update(
            **exact,
            name=message["pvname"],
            value=_value(message["value"], message["count"]),
            **_compression(message),
            count=message["count"],
            timestamp=message.get("timestamp", 0.0),
            units=message.get("units", ""),
            severity=message.get("severity"),
            status=message.get("status"),
            text=message.get("text"),
            alarm_message=message.get("alarm_message"),
            attributes=message.get("attributes"),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise GatewayError("bad_frame", f"invalid update: {error!r}") from None


def _value(value: Any, count: int) -> Value:
    if value is None:
        return math.nan if count else None
    if isinstance(value, dict) and "base64" in value:
        return _array(b64decode(value["base64"], validate=True), value["dtype"], value["shape"])
    if isinstance(value, list):
        return _listed(value)
    return value  # type: ignore[no-any-return]


def _compression(message: Mapping[str, Any]) -> dict[str, Any]:
    value = message["value"]
    described = value if isinstance(value, dict) and "base64" in value else message
    if "codec" not in described:
        return {}
    shape = tuple(described.get("image_shape", ()))
    return {"codec": str(described["codec"]), "image_shape": shape}


def _listed(values: list[Any]) -> Value:
    if values and isinstance(values[0], str):
        return tuple(values)
    # A null is NaN or infinite; None becomes NaN as a float.
    array: Array = np.array(values, float if None in values or not values else None)
    is_whole = bool(values) and type(values[0]) is int and set(map(type, values)) == {int}
    if array.dtype.kind == "f" and is_whole and min(values) >= 0:
        # numpy uses doubles if some integers need 64 bits without a sign.
        array = np.array(values, np.uint64)
    array.setflags(write=False)
    return array


def history(message: Mapping[str, Any]) -> History:
    """Return the numbers in a `history` message.

    Raises:
        GatewayError: `bad_frame` if the message is invalid.
    """
    try:
        found = History(
            message["pvname"],
            np.array(message["timestamps"], np.float64),
            # null is NaN.
            np.array(message["values"], np.float64),
            np.array(message["severities"], np.uint8),
        )
        if not len(found.timestamps) == len(found.values) == len(found.severities):
            raise ValueError("lists of different lengths")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise GatewayError("bad_frame", f"invalid history: {error!r}") from None
    return found


def metadata(message: Mapping[str, Any]) -> Metadata:
    """Return the metadata in a `metadata` message.

    Raises:
        GatewayError: `bad_frame` if the message is invalid.
    """
    try:
        return Metadata(
            type=_field_type(message["type"]),
            count=message["count"],
            host=message.get("host", ""),
            read_access=message.get("read_access", True),
            write_access=message.get("write_access", True),
            units=message.get("units", ""),
            precision=message.get("precision"),
            enum_strs=tuple(message.get("enum_strs", ())),
            description=message.get("description", ""),
            form=message.get("form", ""),
            refusal=message.get("refusal", ""),
            display_limits=_limits(message.get("display_limits")),
            control_limits=_limits(message.get("control_limits")),
            alarm_limits=_limits(message.get("alarm_limits")),
            warning_limits=_limits(message.get("warning_limits")),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GatewayError("bad_frame", f"invalid metadata: {error!r}") from None


def _field_type(name: str) -> FieldType:
    """Return the type, or the name of a type that a later gateway may have."""
    try:
        return FieldType(name)
    except ValueError:
        return FieldType.STRUCTURE


def _limits(limits: Any) -> Limits | None:
    if limits is None:
        return None
    low, high = (math.nan if limit is None else limit for limit in limits)
    return low, high


def error(message: Mapping[str, Any]) -> GatewayError:
    """Return the error in an `error` message."""
    text = str(message.get("message", ""))
    return GatewayError(str(message.get("code", "internal")), text, message.get("pvname"))
