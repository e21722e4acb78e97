"""Conversion of values to pvAccess, with complete checks. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import numpy as np

from pycawamp.pv import checks
from pycawamp.pv.errors import BadValueError
from pycawamp.pv.pva.description import FIELD_TYPES, Description
from pycawamp.pv.pva.layout import layout_of
from pycawamp.pv.pva.types import DTYPES, FORMATS, Scalar, ScalarArray, Structure, Type
from pycawamp.pv.pva.wire import Order, bit_set, size, text
from pycawamp.pv.text import clip
from pycawamp.pv.values import FieldType, Metadata

MAX_INDEX = 2**31 - 1


@attrs.frozen(eq=False)
class Write:
    """The leaves to write: path, type, and checked elements."""

    leaves: tuple[tuple[str, Scalar | ScalarArray, Any], ...]


def encode(description: Description, metadata: Metadata, value: Any) -> Write:
    """Return the leaves to write for a JSON value.

    Raises:
        BadValueError: The value is not valid for the PV; the text says what was expected.
    """
    if metadata.type in (FieldType.TABLE, FieldType.IMAGE):
        raise BadValueError(f"expected another PV: {metadata.type.value}s cannot be written")
    if metadata.type is FieldType.STRUCTURE:
        return Write(tuple(_fields(description.layout.structure, value, "")))
    slot = description.layout.slots[description.value_path]
    leaf = description.layout.fields[slot]
    assert isinstance(leaf, Scalar | ScalarArray)
    return Write(((description.value_path, leaf, _checked(leaf, metadata, value)),))


def encoded(write: Write, structure: Structure, order: Order) -> bytes | None:
    """Return the bits and values of a PUT; None if the type has changed."""
    layout = layout_of(structure)
    bits: dict[int, bytes] = {}
    for path, leaf, elements in write.leaves:
        slot = layout.slots.get(path)
        if slot is None or layout.fields[slot] != leaf:
            return None
        bits[layout.bits[path]] = _bytes(leaf, elements, order)
    return bit_set(bits, order) + b"".join(bits[bit] for bit in sorted(bits))


def _fields(
    structure: Structure, value: Any, path: str
) -> Iterator[tuple[str, Scalar | ScalarArray, Any]]:
    where = path.rstrip(".") or "the structure"
    if not isinstance(value, dict):
        names = ", ".join(name for name, _ in structure.fields)
        got = checks.described(value)
        raise BadValueError(f"expected an object for {where} with some of {names}; got {got}")
    for name, each in value.items():
        field = structure.field(name)
        if field is None:
            raise BadValueError(
                f"expected a field of {where}, got {clip(repr(name), checks.MAX_SHOWN)}"
            )
        yield from _field(field, each, f"{path}{name}")


def _field(field: Type, value: Any, path: str) -> Iterator[tuple[str, Scalar | ScalarArray, Any]]:
    if isinstance(field, Structure):
        yield from _fields(field, value, f"{path}.")
    elif isinstance(field, Scalar | ScalarArray):
        is_array = isinstance(field, ScalarArray)
        metadata = Metadata(_field_type(field), 0 if is_array else 1)
        try:
            yield path, field, _checked(field, metadata, value)
        except BadValueError as error:
            raise BadValueError(f"{path}: {error}") from None
    else:
        raise BadValueError(f"{path} cannot be written")


def _field_type(field: Scalar | ScalarArray) -> FieldType:
    return FieldType.STRING if field.is_string else FIELD_TYPES[FORMATS[field.code]]


def _checked(leaf: Scalar | ScalarArray, metadata: Metadata, value: Any) -> Any:
    values = checks.elements(metadata, value)
    fixed = leaf.fixed if isinstance(leaf, ScalarArray) else None
    if fixed is not None and len(values) != fixed:
        raise BadValueError(f"expected {fixed} elements, got {len(values)}")
    if leaf.is_string:
        return [checks.string(each) for each in values]
    if metadata.type is FieldType.ENUM:
        labels = metadata.enum_strs
        highest = len(labels) - 1 if labels else MAX_INDEX
        values = list(checks.indices(labels, values, highest))
    if metadata.type is FieldType.BOOL:
        return np.array([_truth(metadata, each) for each in values], np.bool_)
    return checks.numbers(metadata, values, np.dtype(DTYPES[leaf.code]))


def _truth(metadata: Metadata, value: Any) -> bool:
    if value is True or value is False or (type(value) is int and value in (0, 1)):
        return bool(value)
    raise BadValueError(f"expected {checks.expected(metadata)}, got {checks.described(value)}")


def _bytes(leaf: Scalar | ScalarArray, elements: Any, order: Order) -> bytes:
    has_count = isinstance(leaf, ScalarArray) and leaf.fixed is None
    head = size(len(elements), order) if has_count else b""
    if leaf.is_string:
        return head + b"".join(text(each, order) for each in elements)
    raw: bytes = elements.astype(elements.dtype.newbyteorder(order.sign), copy=False).tobytes()
    return head + raw
