"""The basic encodings of pvAccess: sizes, strings, bit sets, status. No I/O.

They follow the pvAccess Protocol Specification. Data of a server is not trusted: invalid data
raises DecodeError, and all counts are bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from struct import Struct
from typing import NamedTuple

MAX_OBJECTS = 1_000_000
"""Maximum strings, structures and unions in a message; each takes more memory than its bytes."""
MAX_DEPTH = 32
"""Maximum nesting of types and values."""

_SMALL = 254
"""Sizes from this one on take four more bytes."""
_NULL = 255


class DecodeError(Exception):
    """A server sent invalid data, or more than is accepted."""


MALFORMED = (DecodeError, struct.error, IndexError, ValueError, OverflowError, RecursionError)
"""The exceptions that decoding may raise."""


class Order(NamedTuple):
    """A byte order, and the structs that use it."""

    sign: str
    """`<` or `>`, as in struct and numpy."""
    flag: int
    """The flag in a message's header."""
    u16: Struct
    u32: Struct
    u64: Struct
    operation: Struct
    """The header of an operation's message: its number and the subcommand."""


def _order(sign: str, flag: int) -> Order:
    forms = (Struct(sign + form) for form in ("H", "I", "Q", "IB"))
    return Order(sign, flag, *forms)


LITTLE = _order("<", 0)
BIG = _order(">", 0x80)
ORDERS = (LITTLE, BIG)


class RequestStatus(NamedTuple):
    """The outcome of a request."""

    kind: int
    """-1 or 0: success; 1: success with a warning; otherwise a failure."""
    text: str = ""

    @property
    def is_success(self) -> bool:
        """Whether the request has succeeded."""
        return self.kind <= 1


class Reader:
    """Decodes a message. Every method raises DecodeError at the message's end."""

    __slots__ = ("_depth", "_objects", "buffer", "end", "order", "position")

    def __init__(self, buffer: bytes, position: int, end: int, order: Order) -> None:
        self.buffer = buffer
        self.position = position
        self.end = end
        self.order = order
        self._depth = 0
        self._objects = MAX_OBJECTS

    @property
    def left(self) -> int:
        """Number of remaining bytes."""
        return self.end - self.position

    def skip(self, count: int) -> int:
        """Skip bytes; return where they begin."""
        start = self.position
        if count > self.end - start:
            raise DecodeError(f"expected {count} more bytes, got {self.end - start}")
        self.position = start + count
        return start

    def unpack(self, form: Struct) -> tuple[float | int | bool, ...]:
        """Decode fields of a fixed length."""
        return form.unpack_from(self.buffer, self.skip(form.size))

    def byte(self) -> int:
        """Decode an unsigned 8-bit integer."""
        return self.buffer[self.skip(1)]

    def u16(self) -> int:
        """Decode an unsigned 16-bit integer."""
        return int(self.unpack(self.order.u16)[0])

    def u32(self) -> int:
        """Decode an unsigned 32-bit integer."""
        return int(self.unpack(self.order.u32)[0])

    def raw(self, count: int) -> bytes:
        """Return a number of bytes."""
        start = self.skip(count)
        return self.buffer[start : start + count]

    def size(self) -> int | None:
        """Decode a size; None for null."""
        size = self.byte()
        if size < _SMALL:
            return size
        return None if size == _NULL else self.u32()

    def count(self) -> int:
        """Decode a number of elements; 0 for null."""
        return self.size() or 0

    def text(self) -> str:
        """Decode a string of UTF-8, up to its NUL if it has one; invalid bytes are replaced."""
        raw = self.raw(self.count())
        if b"\0" in raw:
            raw = raw.split(b"\0", 1)[0]
        return raw.decode("utf-8", "replace")

    def charge(self, count: int) -> None:
        """Count objects that are created from the message."""
        self._objects -= count
        if self._objects < 0:
            raise DecodeError(f"more than {MAX_OBJECTS} strings and structures")

    def objects(self, count: int) -> range:
        """Count objects to be decoded, each of which takes at least one byte."""
        if count > self.left:
            raise DecodeError(f"expected {count} more elements, got {self.left} bytes")
        self.charge(count)
        return range(count)

    @contextmanager
    def within(self) -> Iterator[None]:
        """Count a level of nesting."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise DecodeError(f"nested more than {MAX_DEPTH} levels deep")
        try:
            yield
        finally:
            self._depth -= 1

    def bits(self) -> bytes:
        """Decode a bit set; return its bytes, lowest bits first."""
        count = self.count()
        raw = self.raw(count)
        return raw if self.order is LITTLE else little_bits(raw)

    def status(self) -> RequestStatus:
        """Decode a status."""
        kind = self.byte()
        if kind == _NULL:
            return RequestStatus(-1)
        text, _call_tree = self.text(), self.text()
        return RequestStatus(kind, text)


def little_bits(raw: bytes) -> bytes:
    """Return the bytes of a bit set: 64-bit integers, the last without leading zeros."""
    whole = len(raw) // 8 * 8
    words = [raw[start : start + 8][::-1] for start in range(0, whole, 8)]
    return b"".join(words) + raw[whole:]


def size(count: int, order: Order) -> bytes:
    """Encode a size."""
    return bytes((count,)) if count < _SMALL else b"\xfe" + order.u32.pack(count)


def text(string: str | bytes, order: Order) -> bytes:
    """Encode a string."""
    raw = string.encode() if isinstance(string, str) else string
    return size(len(raw), order) + raw


def bit_set(numbers: Iterable[int], order: Order) -> bytes:
    """Encode a set of bits."""
    field = sum(1 << number for number in set(numbers))
    raw = field.to_bytes((field.bit_length() + 7) // 8, "little")
    return size(len(raw), order) + (raw if order is LITTLE else little_bits(raw))
