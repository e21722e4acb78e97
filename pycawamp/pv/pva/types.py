"""pvAccess types and their values. No I/O.

A type is a frozen value. A structure has fields and bits: bit 0 is the structure itself, the others
are its fields, depth first. A field that is not a structure is a leaf.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any, TypeAlias

import attrs
import numpy as np

from pycawamp.pv.pva.wire import LITTLE, DecodeError, Order, Reader, size, text

MAX_FIELDS = 5000
"""Maximum number of fields of a type, including nested ones."""
MAX_CACHED = 1000
"""Maximum number of types that a server may cache in this client."""
MAX_KNOWN = 100
"""Maximum number of type descriptions of a server that are recognized by their bytes."""
COPIED = 1 << 16
"""Maximum bytes of an array that is copied; otherwise it would keep the whole buffer alive."""

_NULL, _ID, _NEW_ID = 0xFF, 0xFE, 0xFD
_STRUCTURE, _UNION, _ANY, _BOUNDED_STRING, _STRING = 0x80, 0x81, 0x82, 0x83, 0x60
_ARRAY, _BOUNDED, _FIXED, _KIND = 0x08, 0x10, 0x18, 0x18

FORMATS = {
    0x00: "?",
    0x20: "b",
    0x21: "h",
    0x22: "i",
    0x23: "q",
    0x24: "B",
    0x25: "H",
    0x26: "I",
    0x27: "Q",
    0x42: "f",
    0x43: "d",
}
"""Formats of the struct module by type code; a bool is a number here."""
DTYPES = {
    code: {"?": "b1", "b": "i1", "h": "i2", "i": "i4", "q": "i8", "B": "u1", "H": "u2"}.get(
        form, {"I": "u4", "Q": "u8", "f": "f4", "d": "f8"}.get(form, "")
    )
    for code, form in FORMATS.items()
}
"""numpy types by type code, without the byte order."""
DOUBLE, INT, LONG, STRING = 0x43, 0x22, 0x23, _STRING


@attrs.frozen
class Scalar:
    """The type of a number or a string."""

    code: int

    @property
    def is_string(self) -> bool:
        """Whether it is a string."""
        return self.code == STRING


@attrs.frozen
class ScalarArray:
    """The type of an array of numbers or strings, with `fixed` of a fixed size."""

    code: int
    fixed: int | None = None

    @property
    def is_string(self) -> bool:
        """Whether its elements are strings."""
        return self.code == STRING


@attrs.frozen
class Union:
    """The type of a value that is one of several fields, or null."""

    name: str
    fields: tuple[tuple[str, Type], ...]


@attrs.frozen
class Variant:
    """The type of a value that is sent with its own type."""


@attrs.frozen
class ObjectArray:
    """The type of an array of structures, unions or variants."""

    element: Structure | Union | Variant


@attrs.frozen(cache_hash=True)
class Structure:
    """The type of a structure: its fields in order."""

    name: str
    fields: tuple[tuple[str, Type], ...]
    bits: int = attrs.field(init=False, eq=False, repr=False)
    """Number of bits: one of its own, and those of its fields."""

    @bits.default
    def _count(self) -> int:
        return 1 + sum(bits_of(field) for _, field in self.fields)

    def field(self, name: str) -> Type | None:
        """Return the type of a field; None if there is no such field."""
        return next((field for each, field in self.fields if each == name), None)


Type: TypeAlias = Scalar | ScalarArray | Structure | Union | Variant | ObjectArray


def bits_of(field: Type) -> int:
    """Return the number of bits of a field."""
    return field.bits if isinstance(field, Structure) else 1


def leaves(structure: Structure, bit: int = 0, path: str = "") -> Iterator[tuple[int, str, Type]]:
    """Yield for each leaf, depth first, its bit, path and type."""
    bit += 1
    for name, field in structure.fields:
        where = f"{path}{name}"
        if isinstance(field, Structure):
            yield from leaves(field, bit, f"{where}.")
        else:
            yield bit, where, field
        bit += bits_of(field)


# Descriptions of types

Registry: TypeAlias = dict[int, Type]
"""The types cached for a server, by number."""


class TypeReader:
    """Decodes the type descriptions of a connection."""

    def __init__(self) -> None:
        self._registry: Registry = {}
        # Descriptions at the end of a message: most channels have one of a few types.
        self._known: dict[bytes, Type] = {}

    def type(self, reader: Reader) -> Type | None:
        """Decode a type; None for a null type."""
        return _Description(reader, self._registry).type()

    @property
    def has_numbers(self) -> bool:
        """Whether the server has cached types."""
        return bool(self._registry)

    def rest(self, reader: Reader) -> Type | None:
        """Decode a type that is the rest of the message."""
        position = reader.position
        raw = reader.raw(reader.left)
        known = self._known.get(raw)
        if known is not None:
            return known
        reader.position = position
        description = _Description(reader, self._registry)
        described = description.type()
        # With numbers of cached types, the same bytes may mean another type later.
        if described is not None and description.is_self_contained:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[raw] = described
        return described


class _Description:
    def __init__(self, reader: Reader, registry: Registry) -> None:
        self._reader = reader
        self._registry = registry
        self._fields = MAX_FIELDS
        self.is_self_contained = True

    def type(self) -> Type | None:
        reader = self._reader
        code = reader.byte()
        if code == _NULL:
            return None
        if code in (_ID, _NEW_ID):
            self.is_self_contained = False
        if code == _ID:
            number = reader.u16()
            known = self._registry.get(number)
            if known is None:
                raise DecodeError(f"unknown type ID {number}")
            self._count(bits_of(known))
            return known
        if code == _NEW_ID:
            return self._registered(reader.u16())
        with reader.within():
            return self._described(code)

    def _registered(self, number: int) -> Type:
        with self._reader.within():
            described = self._some()
        if number not in self._registry and len(self._registry) >= MAX_CACHED:
            raise DecodeError(f"more than {MAX_CACHED} cached types")
        self._registry[number] = described
        return described

    def _some(self) -> Type:
        described = self.type()
        if described is None:
            raise DecodeError("a null type where a type is required")
        return described

    def _described(self, code: int) -> Type:
        self._count(1)
        kind, scalar = code & _KIND, code & ~_KIND
        if scalar in FORMATS or scalar == _STRING:
            return self._scalar(scalar, kind)
        if code == _BOUNDED_STRING:
            self._reader.count()
            return Scalar(STRING)
        if kind == _ARRAY and scalar in (_STRUCTURE, _UNION, _ANY):
            return ObjectArray(Variant() if scalar == _ANY else self._element())
        if code == _ANY:
            return Variant()
        if code in (_STRUCTURE, _UNION):
            make = Structure if code == _STRUCTURE else Union
            return make(self._reader.text(), self._named_fields())
        raise DecodeError(f"unknown type code {code:#x}")

    def _scalar(self, scalar: int, kind: int) -> Type:
        if not kind:
            return Scalar(scalar)
        if kind == _ARRAY:
            return ScalarArray(scalar)
        count = self._reader.count()
        return ScalarArray(scalar, count if kind == _FIXED else None)

    def _element(self) -> Structure | Union:
        element = self._some()
        if not isinstance(element, Structure | Union):
            raise DecodeError("an array of neither structures nor unions")
        return element

    def _named_fields(self) -> tuple[tuple[str, Type], ...]:
        reader = self._reader
        number = reader.count()
        self._count(number)
        return tuple((reader.text(), self._some()) for _ in reader.objects(number))

    def _count(self, number: int) -> None:
        self._fields -= number
        if self._fields < 0:
            raise DecodeError(f"a type with more than {MAX_FIELDS} fields")


def describe(described: Type | None, order: Order) -> bytes:
    """Encode a type; only the kinds that this client sends are supported."""
    if described is None:
        return bytes((_NULL,))
    if isinstance(described, Scalar):
        return bytes((described.code,))
    if isinstance(described, ScalarArray):
        return bytes((described.code | _ARRAY,))
    assert isinstance(described, Structure)
    fields = [text(name, order) + describe(field, order) for name, field in described.fields]
    head = bytes((_STRUCTURE,)) + text(described.name, order) + size(len(fields), order)
    return head + b"".join(fields)


# Values


def decode(field: Type, reader: Reader, types: TypeReader) -> Any:
    """Decode a value: a number, string, array, list, dict, or None."""
    if isinstance(field, Scalar):
        return _scalar(field, reader)
    if isinstance(field, ScalarArray):
        return _scalar_array(field, reader)
    with reader.within():
        if isinstance(field, Structure):
            reader.charge(1)
            return {name: decode(each, reader, types) for name, each in field.fields}
        if isinstance(field, ObjectArray):
            return [
                decode(field.element, reader, types) if reader.byte() else None
                for _ in reader.objects(reader.count())
            ]
        if isinstance(field, Union):
            return _union(field, reader, types)
        inner = types.type(reader)
        return None if inner is None else decode(inner, reader, types)


def _scalar(field: Scalar, reader: Reader) -> Any:
    if field.is_string:
        return reader.text()
    return reader.unpack(_struct(reader.order, FORMATS[field.code]))[0]


def _scalar_array(field: ScalarArray, reader: Reader) -> Any:
    count = reader.count() if field.fixed is None else field.fixed
    if field.is_string:
        return [reader.text() for _ in reader.objects(count)]
    dtype = np.dtype(reader.order.sign + DTYPES[field.code])
    start = reader.skip(count * dtype.itemsize)
    array = np.frombuffer(reader.buffer, dtype, count, start)
    if array.nbytes <= COPIED or not dtype.isnative:
        return array.astype(dtype.newbyteorder("="))
    return array


def _union(field: Union, reader: Reader, types: TypeReader) -> Any:
    selected = reader.size()
    if selected is None:
        return None
    if selected >= len(field.fields):
        raise DecodeError(f"field {selected} of a union of {len(field.fields)}")
    return decode(field.fields[selected][1], reader, types)


def empty(field: Type) -> Any:
    """Return the value of a field that the server has not sent."""
    if isinstance(field, Scalar):
        return "" if field.is_string else _EMPTY.get(FORMATS[field.code], 0)
    if isinstance(field, ScalarArray):
        return [] if field.is_string else np.zeros(0, DTYPES[field.code])
    return [] if isinstance(field, ObjectArray) else None


def _struct(order: Order, form: str) -> Struct:
    return _STRUCTS[order is LITTLE][form]


_EMPTY = {"?": False, "f": 0.0, "d": 0.0}
_STRUCTS = [{form: Struct(sign + form) for form in FORMATS.values()} for sign in "><"]
