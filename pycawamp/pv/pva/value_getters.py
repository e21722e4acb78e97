"""Values of channels: numbers, images, tables and structures. No I/O."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from pycawamp.pv.pva.layout import Layout
from pycawamp.pv.pva.types import Structure, Type
from pycawamp.pv.values import FieldType, Image, Value

MAX_DIMENSIONS = 10

State: TypeAlias = list[Any]
GetValue: TypeAlias = Callable[[State], Value]


def value_getter(kind: FieldType, layout: Layout, path: str) -> GetValue:
    """Return a function that returns the value for a channel's state.

    Args:
        kind: The type of the values.
        layout: The layout of the state.
        path: The path of the value, unless the whole structure is the value.
    """
    if kind is FieldType.STRUCTURE:
        return _tree_getter(layout.structure, layout, "")
    if kind is FieldType.TABLE:
        return _table_getter(layout)
    slot = layout.slots[path]
    if kind is FieldType.IMAGE:
        return _image_getter(layout, slot)
    return lambda state: state[slot]


def _image_getter(layout: Layout, pixels_slot: int) -> GetValue:
    slots, blank, zero = layout.slots, layout.blank, layout.zero
    codec_slot, sizes_slot = slots.get("codec.name", blank), slots.get("dimension", zero)
    attributes_slot = slots.get("attribute", zero)

    def image(state: State) -> Value:
        pixels, codec, dimensions = state[pixels_slot], state[codec_slot], state[sizes_slot]
        if not isinstance(pixels, np.ndarray):
            return None
        shape = _shape(dimensions)
        if not codec and math.prod(shape) == pixels.size:
            pixels = pixels.reshape(shape)
        attributes = state[attributes_slot]
        return Image(pixels, str(codec), shape, attributes if isinstance(attributes, list) else ())

    return image


def _shape(dimensions: Any) -> tuple[int, ...]:
    """Return the shape of an image: the first of its dimensions is the innermost."""
    if not isinstance(dimensions, list):
        return ()
    sizes = [each.get("size") for each in dimensions if isinstance(each, dict)]
    whole = [size for size in sizes if type(size) is int and size >= 0]
    if len(whole) != len(dimensions) or len(whole) > MAX_DIMENSIONS:
        return ()
    return tuple(reversed(whole))


def _table_getter(layout: Layout) -> GetValue:
    columns = layout.structure.field("value")
    assert isinstance(columns, Structure)
    get_columns = _tree_getter(columns, layout, "value.")
    names = [name for name, _ in columns.fields]
    slot = layout.slots.get("labels")

    def table(state: State) -> Value:
        labels = state[slot] if slot is not None else []
        return {"labels": labels or names, "columns": get_columns(state)}

    return table


def _tree_getter(structure: Structure, layout: Layout, path: str) -> GetValue:
    parts = [(name, _part(field, layout, f"{path}{name}")) for name, field in structure.fields]
    return lambda state: {name: get(state) for name, get in parts}


def _part(field: Type, layout: Layout, path: str) -> GetValue:
    if isinstance(field, Structure):
        return _tree_getter(field, layout, f"{path}.")
    slot = layout.slots[path]
    return lambda state: state[slot]
