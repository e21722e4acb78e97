"""Rendering of updates.

The parts of a message that do not change are put into a template when a channel connects. An
update then takes one formatting operation, with any options.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import orjson

from pycawamp.pv.routes import Field
from pycawamp.pv.single import single
from pycawamp.pv.values import (
    Array,
    FieldType,
    Image,
    Metadata,
    Reading,
    Status,
    Value,
    length_of,
)
from pycawamp.wire.dialect import Encoding, Template
from pycawamp.wire.v2.codec import dumps
from pycawamp.wire.v2.text import NO_VALUE, Show, formatter_for

Render: TypeAlias = Callable[[Reading], bytes]
Part: TypeAlias = Callable[[Reading], bytes]


def renderer(
    name: str,
    metadata: Metadata,
    encoding: Encoding,
    msg_type: str = "monitor",
    request_id: str | float | None = None,
) -> Render:
    """Return the function that renders a PV's updates as JSON or binary messages."""
    head, units = _head(name, msg_type), _units(metadata)
    tail = b',"id":%b}' % dumps(request_id) if request_id is not None else b"}"
    value, extras = _value_part(metadata, encoding), _extra_parts(metadata, encoding)
    if is_binary(metadata, encoding):
        return _binary(_line(head, _shape, units, extras, tail))
    if metadata.is_array or extras or metadata.type in _COMPOSED:
        return _line(head, value, units, extras, tail)
    return _scalar_line(head, _scalar_json(metadata, encoding), units + tail)


def template(name: str, metadata: Metadata, encoding: Encoding) -> Template | None:
    """Return the template of a scalar's updates; None if they have a text, or digits as one."""
    has_digits = encoding.int64 == "string" and metadata.type in _LONG
    if encoding.text or metadata.is_array or has_digits:
        return None
    alarm = (Field.ALARM,) if encoding.metadata else ()
    head = _head(name, "monitor") + b'"value":'
    before_time = b',"count":1,"timestamp":'
    return Template((head, Field.VALUE, before_time, Field.TIME, _units(metadata), *alarm, b"}"))


def _head(name: str, msg_type: str) -> bytes:
    return b'{"msg_type":%b,"pvname":%b,' % (dumps(msg_type), dumps(name))


def _units(metadata: Metadata) -> bytes:
    return b',"units":%b' % dumps(metadata.units) if metadata.units else b""


def shown_metadata(metadata: Metadata, encoding: Encoding) -> tuple[object, ...]:
    """Return the metadata that updates show; when it changes, the value is sent again."""
    if encoding.text and not metadata.is_array:
        return metadata.units, metadata.precision, metadata.enum_strs
    return (metadata.units,)


def is_binary(metadata: Metadata, encoding: Encoding) -> bool:
    """Return whether a PV's updates are binary messages."""
    return encoding.arrays == "binary" and _has_elements(metadata)


def _scalar_line(head: bytes, value_json: Callable[[Value], bytes], tail: bytes) -> Render:
    # The most frequent case, with a single formatting operation.
    template = b'%b"value":%%b%b%b%b' % (_literal(head), _COUNT, _TIME, _literal(tail))

    def render(reading: Reading) -> bytes:
        _, _, seconds, nanoseconds, value = reading
        if seconds and value is not None:
            return template % (value_json(value), seconds, nanoseconds)
        # In names and units these parts have escaped quotes.
        odd = template.replace(_COUNT, b',"count":%d' % length_of(value))
        if seconds:
            return odd % (value_json(value), seconds, nanoseconds)
        return odd.replace(_TIME, b"") % value_json(value)

    return render


def _line(head: bytes, value: Part, units: bytes, extras: list[Part], tail: bytes) -> Render:
    template = b'%b%%b,"count":%%d%%b%b%%b%b' % tuple(
        _literal(part) for part in (head, units, tail)
    )

    def render(reading: Reading) -> bytes:
        return template % (
            value(reading),
            length_of(reading.value),
            _stamp(reading),
            b"".join([extra(reading) for extra in extras]),
        )

    return render


def _stamp(reading: Reading) -> bytes:
    """Return the time stamp member; nothing if the server sends none."""
    seconds, nanoseconds = reading.seconds, reading.nanoseconds
    return b',"timestamp":%d.%09d' % (seconds, nanoseconds) if seconds else b""


def _literal(template: bytes) -> bytes:
    return template.replace(b"%", b"%%")


def _binary(header: Render) -> Render:
    def render(reading: Reading) -> bytes:
        start = header(reading)
        # Elements start at a multiple of 8 bytes, so that a browser can use them without a copy.
        padding = b" " * (-(4 + len(start)) % 8)
        elements = _little_endian(_array(reading))
        size = len(start).to_bytes(4, "little")
        return b"".join((size, start, padding, elements.data.cast("B")))

    return render


def _value_part(metadata: Metadata, encoding: Encoding) -> Part:
    if encoding.arrays != "json" and _has_elements(metadata):
        return _base64
    if metadata.type is FieldType.IMAGE:
        # As JSON, an image would take ten times its bytes.
        return lambda reading: b'"value":null,' + _shape(reading)
    value_json = _scalar_json(metadata, encoding)
    if metadata.is_array and value_json is _digits:
        return lambda reading: b'"value":[%b]' % b",".join(map(_digits, _array(reading).tolist()))
    if metadata.is_array or metadata.type in (FieldType.TABLE, FieldType.STRUCTURE):
        return lambda reading: b'"value":' + dumps(reading.value)
    return lambda reading: b'"value":' + value_json(reading.value)


def _scalar_json(metadata: Metadata, encoding: Encoding) -> Callable[[Value], bytes]:
    if encoding.int64 == "string" and metadata.type in _LONG:
        return _digits
    if metadata.type is FieldType.FLOAT:
        return lambda value: dumps(None if value is None else single(value))  # type: ignore[arg-type]
    return orjson.dumps


def _digits(value: Value) -> bytes:
    """Return a whole number as a string: other languages do not have 64-bit integers."""
    return orjson.dumps(None if value is None else str(value))


def _base64(reading: Reading) -> bytes:
    array = _little_endian(_array(reading))
    return b'"value":{%b,"base64":"%b"}' % (_shape(reading), b64encode(array.data))


def _shape(reading: Reading) -> bytes:
    array = _array(reading)
    dtype = array.dtype.newbyteorder("<").str.encode()
    image = reading.value
    if isinstance(image, Image) and image.codec:
        described = b'"dtype":"%b","shape":%b,"codec":%b,"image_shape":%b'
        return described % (dtype, dumps(array.shape), dumps(image.codec), dumps(image.shape))
    return b'"dtype":"%b","shape":%b' % (dtype, dumps(array.shape))


def _little_endian(array: Array) -> Array:
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _array(reading: Reading) -> Array:
    value = reading.value
    if value is None:
        return _NO_PIXELS
    if isinstance(value, Image):
        value = value.pixels
    assert isinstance(value, np.ndarray)
    # As bytes that are 0 or 1: other languages have no arrays of booleans.
    return value.view(np.uint8) if value.dtype == np.bool_ else value


def _has_elements(metadata: Metadata) -> bool:
    is_numeric_array = metadata.is_array and metadata.type is not FieldType.STRING
    return is_numeric_array or metadata.type is FieldType.IMAGE


def _extra_parts(metadata: Metadata, encoding: Encoding) -> list[Part]:
    parts: list[Part] = []
    if encoding.metadata:
        parts.append(_alarm)
    if encoding.alarm_message:
        parts.append(_alarm_message)
    if encoding.attributes and metadata.type is FieldType.IMAGE:
        parts.append(_attributes)
    show = formatter_for(metadata) if encoding.text else None
    if show is not None:
        parts.append(lambda reading: b',"text":' + dumps(_text(show, reading.value)))
    return parts


def _text(show: Show, value: Value) -> str:
    return NO_VALUE if value is None else show(value)


def _alarm(reading: Reading) -> bytes:
    names = (reading.severity_name.encode(), reading.status_name.encode())
    return b',"severity":"%b","status":"%b"' % names


def _alarm_message(reading: Reading) -> bytes:
    status = reading.status
    return b',"alarm_message":' + dumps(status.message) if isinstance(status, Status) else b""


def _attributes(reading: Reading) -> bytes:
    image = reading.value
    attributes = image.attributes if isinstance(image, Image) else ()
    named = {each["name"]: each.get("value") for each in attributes if "name" in each}
    return b',"attributes":' + dumps(named)


_COUNT = b',"count":1'
_TIME = b',"timestamp":%d.%09d'
_LONG = (FieldType.INT64, FieldType.UINT64)
_COMPOSED = (FieldType.TABLE, FieldType.IMAGE, FieldType.STRUCTURE)
_NO_PIXELS: Array = np.zeros(0, np.uint8)
