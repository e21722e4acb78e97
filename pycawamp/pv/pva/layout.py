"""Updates of a structure: which leaves a bit set names, and how they lie in a message. No I/O.

Nearly all updates of a channel name the same leaves. What these bits mean is worked out once,
for all channels of the type.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from struct import Struct
from typing import Any

from pycawamp.pv.pva.types import (
    FORMATS,
    Scalar,
    Structure,
    Type,
    TypeReader,
    bits_of,
    decode,
    empty,
    leaves,
)
from pycawamp.pv.pva.wire import LITTLE, DecodeError, Order, Reader

MAX_PLANS = 200
"""Bit sets that are kept for a type and a byte order."""


class Plan:
    """What one bit set means: the leaves that it names, in the order in which they come.

    `head` is the struct of the numbers that come first; `head_slots` is where they go. `rest` has
    the leaves after them. `slots` are those of all leaves.
    """

    __slots__ = ("head", "head_slots", "rest", "size", "slots")

    def __init__(self, named: list[tuple[int, Type]], order: Order) -> None:
        fixed = 0
        for _, field in named:
            if not isinstance(field, Scalar) or field.is_string:
                break
            fixed += 1
        forms = [FORMATS[field.code] for _, field in named[:fixed] if isinstance(field, Scalar)]
        self.head = Struct(order.sign + "".join(forms))
        self.size = self.head.size
        self.head_slots = tuple(slot for slot, _ in named[:fixed])
        self.rest = tuple(named[fixed:])
        self.slots = frozenset(slot for slot, _ in named)

    def apply(self, reader: Reader, state: list[Any], types: TypeReader) -> None:
        """Take the leaves' values into a channel's state."""
        values = reader.unpack(self.head)
        for slot, value in zip(self.head_slots, values, strict=True):
            state[slot] = value
        for slot, field in self.rest:
            state[slot] = decode(field, reader, types)


class Layout:
    """A type's leaves and their bits. A channel's state has a value for each leaf, by its slot.

    Slots are counted depth first. Two more follow, for what a type lacks: 0 and "".
    """

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        found = list(leaves(structure))
        self.fields = tuple(field for _, _, field in found)
        self.slots = {path: slot for slot, (_, path, _) in enumerate(found)}
        """The slots of the leaves, by their paths with dots."""
        self.bits = {path: bit for bit, path, _ in found}
        self.zero = len(found)
        self.blank = len(found) + 1
        self._slot_at = {bit: slot for slot, (bit, _, _) in enumerate(found)}
        self._ends = dict(_ends(structure))
        self._plans: dict[bytes, Plan] = {}
        self._big_plans: dict[bytes, Plan] = {}

    def state(self) -> list[Any]:
        """Return the state of a channel that has told nothing yet."""
        return [*map(empty, self.fields), 0, ""]

    def plans(self, order: Order) -> dict[bytes, Plan]:
        """Return the plans that are known, by their bit sets."""
        return self._plans if order is LITTLE else self._big_plans

    def plan(self, bits: bytes, order: Order) -> Plan:
        """Return what a bit set means."""
        plans = self.plans(order)
        plan = plans.get(bits)
        if plan is None:
            if len(plans) >= MAX_PLANS:
                plans.clear()
            plan = plans[bits] = Plan(list(self._named(bits)), order)
        return plan

    def _named(self, bits: bytes) -> Iterator[tuple[int, Type]]:
        field, bit, whole_until = int.from_bytes(bits, "little"), 0, 0
        if field.bit_length() > self.structure.bits:
            raise DecodeError(f"bit {field.bit_length() - 1} of a type with {self.structure.bits}")
        for bit in range(self.structure.bits):
            if field >> bit & 1:
                whole_until = max(whole_until, self._ends[bit])
            if bit < whole_until and bit in self._slot_at:
                slot = self._slot_at[bit]
                yield slot, self.fields[slot]


def _ends(structure: Structure, bit: int = 0) -> Iterator[tuple[int, int]]:
    """Yield each bit, and the one after the last that it stands for."""
    yield bit, bit + structure.bits
    bit += 1
    for _, field in structure.fields:
        if isinstance(field, Structure):
            yield from _ends(field, bit)
        else:
            yield bit, bit + 1
        bit += bits_of(field)


layout_of = lru_cache(maxsize=512)(Layout)
