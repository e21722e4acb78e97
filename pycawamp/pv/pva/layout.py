"""Updates of structures: the leaves in a bit set, and their layout in a message. No I/O.

Almost all updates of a channel have the same bit set. Each bit set is analyzed once for all
channels of the type.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from struct import Struct
from typing import Any

from pycawamp.pv.pva.types import (
    FORMATS,
    STRING,
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

SHORT = 100
"""Maximum bytes of a string for which a struct with its size is cached."""
MAX_FORMS = 100
"""Maximum number of strings for which structs are cached per plan."""
MAX_PLANS = 200
"""Maximum number of cached bit sets per type and byte order."""


def _is_number(field: Type) -> bool:
    return isinstance(field, Scalar) and not field.is_string


def _form(named: list[tuple[int, Type]]) -> str:
    return "".join(FORMATS[field.code] for _, field in named if isinstance(field, Scalar))


class Plan:
    """The leaves in a bit set, in the order of their values.

    `slots` are those of all leaves. If they are numbers, with at most one short string, as in most
    updates, one struct decodes them all: `quick`.
    """

    __slots__ = (
        "_fixed",
        "_forms",
        "_head",
        "_offset",
        "_plain",
        "_sign",
        "_tail",
        "_text_slot",
        "is_quick",
        "named",
        "slots",
    )

    def __init__(self, named: list[tuple[int, Type]], order: Order) -> None:
        self.named = tuple(named)
        self._sign = order.sign
        self.slots = frozenset(slot for slot, _ in named)
        numbers = [(slot, field) for slot, field in named if _is_number(field)]
        others = [(slot, field) for slot, field in named if not _is_number(field)]
        place = next((n for n, (_, field) in enumerate(named) if not _is_number(field)), len(named))
        self.is_quick = not others or (len(others) == 1 and others[0][1] == Scalar(STRING))
        """Whether `quick` may be called."""
        self._fixed = tuple(slot for slot, _ in numbers)
        self._head = _form(named[:place])
        self._tail = _form(named[place + 1 :]) if self.is_quick else ""
        self._plain = Struct(order.sign + self._head)
        self._offset = self._plain.size
        self._text_slot = others[0][0] if others else None
        # By the string's bytes, including its size: the struct for all leaves, and the string.
        self._forms: dict[bytes, tuple[Struct, str]] = {}

    def quick(self, buffer: bytes, start: int, end: int, state: list[Any]) -> bool:
        """Decode the leaves that end before the last byte; return False if they do not."""
        text_slot = self._text_slot
        if text_slot is None:
            form = self._plain
            if start + form.size + 1 != end:
                return False
        else:
            place = start + self._offset
            raw = buffer[place : place + 1 + buffer[place]]
            known = self._forms.get(raw) or self._add_form(raw)
            if known is None or start + known[0].size + 1 != end:
                return False
            form, state[text_slot] = known
        for slot, value in zip(self._fixed, form.unpack_from(buffer, start)):  # noqa: B905
            state[slot] = value
        return True

    def _add_form(self, raw: bytes) -> tuple[Struct, str] | None:
        if len(raw) > SHORT or not raw:
            return None
        if len(self._forms) >= MAX_FORMS:
            self._forms.clear()
        form = Struct(f"{self._sign}{self._head}{len(raw)}x{self._tail}")
        # As a reader decodes it.
        text = Reader(raw, 0, len(raw), LITTLE).text()
        known = self._forms[raw] = form, text
        return known

    def apply(self, reader: Reader, state: list[Any], types: TypeReader) -> None:
        """Decode the leaves into a channel's state."""
        for slot, field in self.named:
            state[slot] = decode(field, reader, types)


class Layout:
    """The leaves of a type and their bits. A channel's state has a value for each leaf, by slot.

    Slots are numbered depth first. Two more follow for missing leaves: 0 and "".
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
        """Return the initial state of a channel."""
        return [*map(empty, self.fields), 0, ""]

    def plans(self, order: Order) -> dict[bytes, Plan]:
        """The known plans, by their bit sets."""
        return self._plans if order is LITTLE else self._big_plans

    def plan(self, bits: bytes, order: Order) -> Plan:
        """Return the plan for a bit set."""
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
    """Yield each bit, and the end of the range of bits that it stands for."""
    yield bit, bit + structure.bits
    bit += 1
    for _, field in structure.fields:
        if isinstance(field, Structure):
            yield from _ends(field, bit)
        else:
            yield bit, bit + 1
        bit += bits_of(field)


layout_of = lru_cache(maxsize=512)(Layout)
