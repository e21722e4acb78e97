"""Bursts, the messages from ingests to edges, as bytes. No I/O.

A burst is a header and sections. A section is either many scalar readings, of fixed size, or one
record of another kind (metadata, a connection, an array) in msgpack. They are in the order of the
IOC. Numbers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from itertools import groupby
from struct import Struct
from typing import Any, NamedTuple, TypeAlias, cast

import attrs
import msgpack
import numpy as np

from pycawamp.bus.errors import BadBusMessageError
from pycawamp.pv.values import FieldType, Image, Metadata, Reading, Status

VERSION = 2
"""The newest format of messages. Version 2 has the maximum rate of each PV."""
VERSIONS = (1, 2)
"""The supported versions: the newest, and the previous one."""

HEADER = Struct("<BxxxQII")
"""Version, the ingest's run, the stream's epoch, the burst's number."""
_SECTION = Struct("<BxxxI")
"""RecordKind, bytes."""
_SCALAR = Struct("<IBBBxIId")
"""PV number, severity, status, kind of number, seconds, nanoseconds, value."""
_FLOAT, _INT = 0, 1
_EXACT = 2**53
"""Whole numbers up to this one are exact as a double."""
_SCALARS, _OTHER = 0, 1
BURST = 2**16
"""Maximum bytes of a burst, unless a single record is larger: it is handled without a pause."""


class RecordKind(IntEnum):
    """The kinds of records beside scalar readings."""

    OPENED = 1
    """The number that an edge's PV has from now on: the edge's own number for it."""
    METADATA = 2
    CONNECTION = 3
    REFUSED = 4
    OVERLOADED = 5
    READING = 6


class Other(NamedTuple):
    """A record that is not a scalar reading."""

    pid: int
    kind: RecordKind
    payload: bytes


Record: TypeAlias = "bytes | Other"
"""A record of one PV: bytes for a scalar reading."""
Piece: TypeAlias = Record
"""A record, or the bytes of any number of scalar readings."""
SCALAR_HEAD = Struct("<I")
"""The PV's number, at the start of a scalar reading. The compiled part writes the rest."""


class Burst(NamedTuple):
    """The header of a burst."""

    version: int
    run: int
    epoch: int
    number: int


# From values to bytes


def reading_record(pid: int, reading: Reading) -> Record:
    """Return the record of an update."""
    status, severity, seconds, nanoseconds, value = reading
    kind = type(value)
    is_whole = kind is int and -_EXACT <= value <= _EXACT  # type: ignore[operator]
    if is_whole or kind is float:
        number = _INT if is_whole else _FLOAT
        try:
            return _SCALAR.pack(pid, severity, status, number, seconds, nanoseconds, value)
        except struct.error:
            pass  # A status by name, or a time before 1970.
    return other(pid, RecordKind.READING, tuple(reading))


def metadata_record(pid: int, metadata: Metadata) -> Other:
    """Return the record of metadata."""
    return other(pid, RecordKind.METADATA, _described(metadata))


def other(pid: int, kind: RecordKind, content: Any) -> Other:
    """Return a record of another kind than a scalar reading."""
    return Other(pid, kind, pack([pid, int(kind), content]))


def key(record: Record) -> object:
    """Return the key of a record: a newer record with the same key replaces it."""
    if isinstance(record, bytes):
        return record[: SCALAR_HEAD.size]
    if record.kind is RecordKind.READING:
        return SCALAR_HEAD.pack(record.pid)
    if record.kind in _STATES:
        return record.pid, RecordKind.CONNECTION
    return record.pid, record.kind


def bodies(pieces: Iterable[Piece]) -> Iterator[tuple[list[Piece], bytes]]:
    """Divide records into the bodies of bursts, each with the records in it."""
    part: list[Piece] = []
    size = 0
    for piece in _divided(pieces):
        more = len(piece) if isinstance(piece, bytes) else len(piece.payload)
        if size and size + more > BURST:
            yield part, _sections(part)
            part, size = [], 0
        part.append(piece)
        size += more
    if part:
        yield part, _sections(part)


def each_record(pieces: Iterable[Piece]) -> Iterator[Record]:
    """Return the records, each scalar reading by itself."""
    for piece in pieces:
        if isinstance(piece, bytes):
            for start in range(0, len(piece), _SCALAR.size):
                yield piece[start : start + _SCALAR.size]
        else:
            yield piece


def _divided(pieces: Iterable[Piece]) -> Iterator[Piece]:
    step = BURST // _SCALAR.size * _SCALAR.size
    for piece in pieces:
        if isinstance(piece, bytes) and len(piece) > step:
            for start in range(0, len(piece), step):
                yield piece[start : start + step]
        else:
            yield piece


def _sections(pieces: Iterable[Piece]) -> bytes:
    sections: list[bytes] = []
    for is_scalar, some in groupby(pieces, lambda piece: isinstance(piece, bytes)):
        if is_scalar:
            sections.append(_section(_SCALARS, b"".join(cast("Iterator[bytes]", some))))
        else:
            sections += [_section(_OTHER, cast("Other", each).payload) for each in some]
    return b"".join(sections)


def _section(kind: int, content: bytes) -> bytes:
    return _SECTION.pack(kind, len(content)) + content


def pack(content: Any) -> bytes:
    """Return the content of a message as msgpack.

    Raises:
        ValueError: It is nested too deeply, or has a number of more than 64 bits.
    """
    try:
        packed: bytes = msgpack.packb(
            content, default=_extended, strict_types=True, unicode_errors="surrogatepass"
        )
    except (OverflowError, TypeError) as error:
        raise ValueError(str(error)) from None
    return packed


# From bytes to values


def burst(message: bytes) -> Burst:
    """Return the header of a burst; raises BadBusMessageError."""
    if len(message) < HEADER.size:
        raise BadBusMessageError(f"a burst of {len(message)} bytes")
    header = Burst._make(HEADER.unpack_from(message))
    if header.version not in VERSIONS:
        raise BadBusMessageError(f"a burst of version {header.version}")
    return header


Scalar: TypeAlias = "tuple[int, int, int, int, int, int, float]"
"""A PV's number, severity, status, kind of number (1 is whole), seconds, nanoseconds, and value."""


def scalars(message: bytes, place: slice) -> Iterator[Scalar]:
    """Return the scalar readings of a section."""
    found: Iterator[Any] = _SCALAR.iter_unpack(memoryview(message)[place])
    return found


def sections(message: bytes) -> Iterator[tuple[slice | None, list[Any]]]:
    """Return the sections of a burst: the place of scalar readings, or None and another record.

    Raises:
        BadBusMessageError: It is not a burst.
    """
    view = memoryview(message)
    position = HEADER.size
    while position < len(message):
        content, kind, position = _next_section(view, position)
        if kind == _SCALARS:
            if len(content) % _SCALAR.size:
                raise BadBusMessageError(f"scalar readings of {len(content)} bytes")
            yield slice(position - len(content), position), []
        elif kind == _OTHER:
            record = unpack(content)
            if not isinstance(record, list) or len(record) != 3:
                raise BadBusMessageError("a record without PV, kind and content")
            yield None, record


def _next_section(view: memoryview, position: int) -> tuple[memoryview, int, int]:
    try:
        kind, size = _SECTION.unpack_from(view, position)
    except struct.error as error:
        raise BadBusMessageError(str(error)) from None
    start = position + _SECTION.size
    content = view[start : start + size]
    if len(content) < size:
        raise BadBusMessageError("a truncated burst")
    return content, kind, start + size


def unpack(content: bytes | memoryview) -> Any:
    """Return the content that `pack` has packed; raises BadBusMessageError."""
    try:
        return msgpack.unpackb(
            content, ext_hook=_restored, strict_map_key=False, unicode_errors="surrogatepass"
        )
    except (ValueError, msgpack.UnpackException, struct.error, TypeError, RecursionError) as error:
        raise BadBusMessageError(f"not msgpack: {error}") from None


def as_reading(content: Any) -> Reading:
    """Return the reading of a record; raises BadBusMessageError."""
    if not isinstance(content, list) or len(content) != len(Reading._fields):
        raise BadBusMessageError("a reading without all its parts")
    return Reading._make(content)


def as_metadata(content: Any) -> Metadata:
    """Return the metadata of a record; raises BadBusMessageError."""
    if not isinstance(content, dict):
        raise BadBusMessageError("metadata that is no map")
    known = {name: _restore(content[name]) for name in _FIELDS if name in content}
    try:
        return Metadata(**{**known, "type": FieldType(content["type"])})
    except (KeyError, TypeError, ValueError) as error:
        raise BadBusMessageError(f"invalid metadata: {error}") from None


def _described(metadata: Metadata) -> Mapping[str, Any]:
    found = {name: getattr(metadata, name) for name in _FIELDS}
    return {**found, "type": metadata.type.value}


def _restore(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _extended(value: Any) -> Any:
    """Return what msgpack packs in place of a value of another type."""
    if isinstance(value, Image):
        content = [value.pixels, value.codec, value.shape, value.attributes]
        return msgpack.ExtType(_IMAGE, pack(content))
    if isinstance(value, np.ndarray) and value.dtype.kind in _KINDS:
        shape = list(value.shape)
        head = msgpack.packb([value.dtype.newbyteorder("<").str, shape])
        little = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False)
        return msgpack.ExtType(_ARRAY, head + little.tobytes())
    if isinstance(value, Status):
        return msgpack.ExtType(_STATUS, pack([str(value), value.message]))
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, int):
        return int(value)
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _restored(code: int, data: bytes) -> Any:
    if code == _IMAGE:
        pixels, codec, shape, attributes = unpack(data)
        return Image(pixels, codec, tuple(shape), attributes or ())
    if code == _STATUS:
        return Status(*unpack(data))
    if code == _ARRAY:
        head = msgpack.Unpacker()
        head.feed(data[:_LONGEST_HEAD])
        name, shape = head.unpack()
        dtype = np.dtype(name)
        if dtype.kind not in _KINDS:
            raise ValueError(f"an array of {name}")
        return np.frombuffer(data, dtype, offset=head.tell()).reshape(shape)
    raise ValueError(f"an extension {code}")


_FIELDS = tuple(field.name for field in attrs.fields(Metadata))
_STATES = frozenset((RecordKind.CONNECTION, RecordKind.REFUSED, RecordKind.OVERLOADED))
_ARRAY, _IMAGE, _STATUS = 1, 2, 3
_KINDS = "biuf"
_LONGEST_HEAD = 200
