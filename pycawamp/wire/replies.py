"""What the server says: messages to JSON payloads.

What is said for every update is a function made once per PV, with all that does not
change already in its template: an update costs one formatting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import orjson

from pycawamp.pv.values import FieldType, Metadata, Reading, Value
from pycawamp.wire.codec import BadMessage, dumps

Render: TypeAlias = Callable[[Reading], bytes]


def connection(name: str, connected: bool) -> bytes:
    """The payload of a `connection` message."""
    return dumps({"msg_type": "connection", "pvname": name, "conn": connected})


def error(mistake: BadMessage) -> bytes:
    """The payload of an `error` message."""
    message = {"msg_type": "error", "code": mistake.code, "message": mistake.message}
    for key in ("action", "pvname"):
        if getattr(mistake, key) is not None:
            message[key] = getattr(mistake, key)
    return dumps(message)


def monitor(name: str, metadata: Metadata) -> Render:
    """The function that renders the `monitor` messages of a PV."""
    head = b'{"msg_type":"monitor","pvname":%b,"value":' % dumps(name)
    tail = b"}" if not metadata.units else b',"units":%b}' % dumps(metadata.units)
    render = _array_monitor if metadata.is_array else _scalar_monitor
    return render(_literal(head), _literal(tail), _value_json(metadata))


def _literal(template: bytes) -> bytes:
    return template.replace(b"%", b"%%")


def _scalar_monitor(head: bytes, tail: bytes, value_json: Callable[[Value], bytes]) -> Render:
    template = head + b'%b,"count":1,"timestamp":%d.%09d' + tail

    def render(reading: Reading) -> bytes:
        _, _, seconds, nanoseconds, value = reading
        return template % (value_json(value), seconds, nanoseconds)

    return render


def _array_monitor(head: bytes, tail: bytes, value_json: Callable[[Value], bytes]) -> Render:
    template = head + b'%b,"count":%d,"timestamp":%d.%09d' + tail

    def render(reading: Reading) -> bytes:
        _, _, seconds, nanoseconds, value = reading
        return template % (value_json(value), len(value), seconds, nanoseconds)  # type: ignore[arg-type]

    return render


def _value_json(metadata: Metadata) -> Callable[[Value], bytes]:
    if metadata.type is FieldType.FLOAT and not metadata.is_array:
        # As a double, 0.1 would read 0.10000000149011612: digits that the IOC never had.
        return lambda value: dumps(np.float32(value))  # type: ignore[arg-type]
    return dumps if metadata.is_array else orjson.dumps
