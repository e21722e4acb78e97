"""Descriptions of types: how channels of a type are shown, as readings and metadata. No I/O."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from pycawamp.pv import direct
from pycawamp.pv.pva.layout import Layout, Plan, layout_of
from pycawamp.pv.pva.types import (
    FORMATS,
    STRING,
    Scalar,
    ScalarArray,
    Structure,
    Type,
    Union,
    Variant,
)
from pycawamp.pv.pva.value_getters import State, value_getter
from pycawamp.pv.pva.wire import LITTLE, Order, little_bits
from pycawamp.pv.values import (
    LARGE,
    STATUSES,
    FieldType,
    Image,
    Limits,
    Metadata,
    Reading,
    Status,
    Value,
)

NANOSECONDS = 1_000_000_000

FIELD_TYPES = {
    "?": FieldType.BOOL,
    "b": FieldType.INT8,
    "h": FieldType.SHORT,
    "i": FieldType.LONG,
    "q": FieldType.INT64,
    "B": FieldType.UINT8,
    "H": FieldType.UINT16,
    "I": FieldType.UINT32,
    "Q": FieldType.UINT64,
    "f": FieldType.FLOAT,
    "d": FieldType.DOUBLE,
}

MAX_QUICK = 50
"""Maximum number of cached plans of value updates per type and byte order."""

_STATUS_NAMES = ("NO_ALARM", "DEVICE", "DRIVER", "RECORD", "DB", "CONF", "UNDEFINED", "CLIENT")
_STATUS_NUMBERS = {name: number for number, name in enumerate(STATUSES)}
_SHOWN = frozenset(
    ["value", "alarm", "timeStamp", "display", "control", "valueAlarm", "descriptor"]
)
"""The top-level fields of a structure that is shown by its value, whatever its type ID."""
_SHOWN_BY_VALUE = ("NTScalar", "NTScalarArray", "NTEnum")
"""Normative types whose other fields describe the value. In other types, they are values too."""
_COMPOSED = (FieldType.STRUCTURE, FieldType.TABLE, FieldType.IMAGE)
_LARGE_TYPES = (*_COMPOSED, FieldType.STRING)
_FLOATING = (FieldType.DOUBLE, FieldType.FLOAT)


class Description:
    """How channels of a type are converted; shared by all of them."""

    def __init__(self, structure: Structure) -> None:
        self.layout: Layout = layout_of(structure)
        self.type, self.is_array, self.value_path = _kind(structure)
        slots = self.layout.slots
        self._severity = self._whole("alarm.severity")
        self._status = self._whole("alarm.status")
        self._message = self._text("alarm.message")
        self._seconds = self._whole("timeStamp.secondsPastEpoch")
        self._nanoseconds = self._whole("timeStamp.nanoseconds")
        self.value_code = self._number_code()
        """The code of values that are numbers, as in struct; empty where they are not."""
        self._leaf_slots = (
            *(self._severity, self._status, self._message, self._seconds, self._nanoseconds),
            slots.get(self.value_path, self.layout.zero),
        )
        self._get_value = value_getter(self.type, self.layout, self.value_path)
        self._text_slots = tuple(slot for path, slot in slots.items() if path.endswith(".choices"))
        self._quick: dict[bytes, Plan] = {}
        self._quick_big: dict[bytes, Plan] = {}
        self.may_be_large = self.is_array or self.type in _LARGE_TYPES
        """Whether values may have to be counted by the memory budget."""
        self.reading_slots = frozenset(
            slot for path, slot in slots.items() if self._is_in_reading(path)
        )
        """The slots whose changes make a new reading."""

    def quick_plans(self, order: Order) -> dict[bytes, Plan]:
        """The plans of value updates, by their bit sets with their size."""
        return self._quick if order is LITTLE else self._quick_big

    def add_quick_plan(self, bits: bytes, order: Order, plan: Plan) -> None:
        """Cache the plan of a value update."""
        plans = self.quick_plans(order)
        if len(plans) >= MAX_QUICK:
            plans.clear()
        raw = bits if order is LITTLE else little_bits(bits)
        plans[bytes((len(bits),)) + raw] = plan

    def leaves(self, plan: Plan) -> bytes | None:
        """Return the argument of `direct.Form.add` for a plan; None unless it has only scalars."""
        names = dict(zip(self._leaf_slots, direct.LEAVES, strict=True))
        leaves: list[str] = []
        for slot, field in plan.named:
            if not isinstance(field, Scalar):
                return None
            code = direct.TEXT if field.is_string else FORMATS[field.code]
            leaves.append(code + names.get(slot, direct.OTHER))
        return "".join(leaves).encode()

    def leaf_values(self, state: State) -> direct.Fields:
        """Return a number's value, alarm and time stamp from a state."""
        return tuple(state[slot] for slot in self._leaf_slots)

    def store(self, fields: direct.Fields, state: State) -> None:
        """Store the result of `leaf_values`."""
        for slot, value in zip(self._leaf_slots, fields, strict=True):
            state[slot] = value

    def _number_code(self) -> str:
        slot = self.layout.slots.get(self.value_path)
        field = self.layout.fields[slot] if slot is not None else None
        if self.type in _COMPOSED or not isinstance(field, Scalar) or field.is_string:
            return ""
        return FORMATS[field.code].replace("?", "")

    def _whole(self, path: str) -> int:
        """Return the slot of an integer, or that of 0 if there is none."""
        slot = self.layout.slots.get(path)
        return self.layout.zero if slot is None or not _is_whole(self.layout.fields[slot]) else slot

    def _text(self, path: str) -> int:
        """Return the slot of a string, or that of "" if there is none."""
        slot = self.layout.slots.get(path)
        is_text = slot is not None and self.layout.fields[slot] == Scalar(STRING)
        return slot if slot is not None and is_text else self.layout.blank

    def _is_in_reading(self, path: str) -> bool:
        if self.type in _COMPOSED:
            return True
        top = path.partition(".")[0]
        return path == self.value_path or top in ("alarm", "timeStamp")

    def reading(self, state: State) -> Reading:
        """Return the reading for a channel's state."""
        seconds, nanoseconds = state[self._seconds], state[self._nanoseconds]
        if not 0 <= nanoseconds < NANOSECONDS:
            seconds, nanoseconds = (
                seconds + nanoseconds // NANOSECONDS,
                nanoseconds % NANOSECONDS,
            )
        if seconds < 0:
            seconds = nanoseconds = 0
        number, message = state[self._status], state[self._message]
        return Reading(
            status(number, message) if number or message else 0,
            state[self._severity],
            seconds,
            nanoseconds,
            self._get_value(state),
        )

    def metadata(self, state: State, host: str, write_access: bool | None) -> Metadata:
        """Return the metadata for a channel's state."""
        slots, type_ = self.layout.slots, self.type
        for slot in self._text_slots:
            if isinstance(state[slot], list):
                state[slot] = _same_texts(tuple(state[slot]))

        def text(path: str) -> str:
            return str(state[self._text(path)])

        choices = state[slots["value.choices"]] if type_ is FieldType.ENUM else ()
        precision = state[slots["display.precision"]] if "display.precision" in slots else None
        return Metadata(
            type=type_,
            count=0 if self.is_array else 1,
            is_array=self.is_array,
            host=host,
            write_access=write_access,
            units=text("display.units"),
            description=text("display.description") or text("descriptor"),
            form=self._form(state),
            precision=precision if type_ in _FLOATING and isinstance(precision, int) else None,
            enum_strs=tuple(choices),
            display_limits=self._limits(state, "display.limitLow", "display.limitHigh"),
            control_limits=self._limits(state, "control.limitLow", "control.limitHigh"),
            alarm_limits=self._limits(
                state, "valueAlarm.lowAlarmLimit", "valueAlarm.highAlarmLimit"
            ),
            warning_limits=self._limits(
                state, "valueAlarm.lowWarningLimit", "valueAlarm.highWarningLimit"
            ),
        )

    def _form(self, state: State) -> str:
        slots = self.layout.slots
        index = state[slots.get("display.form.index", self.layout.zero)]
        choices = state[slots.get("display.form.choices", self.layout.blank)]
        if not isinstance(choices, list) or type(index) is not int or not 0 < index < len(choices):
            return ""
        return str(choices[index])

    def _limits(self, state: State, low: str, high: str) -> Limits | None:
        slots = self.layout.slots
        if low not in slots or high not in slots:
            return None
        limits = state[slots[low]], state[slots[high]]
        if not all(isinstance(limit, int | float) for limit in limits):
            return None
        # The same NaN each time, so that equal limits compare equal.
        first, second = (math.nan if limit != limit else limit for limit in limits)  # noqa: PLR0124
        return first, second


description_of = lru_cache(maxsize=512)(Description)


@lru_cache(maxsize=1024)
def _same_texts(texts: tuple[str, ...]) -> list[str]:
    return list(texts)


@lru_cache(maxsize=1024)
def same_metadata(metadata: Metadata) -> Metadata:
    """Return metadata that equals this, the same object each time: many channels are similar."""
    return metadata


def status(number: int, message: str) -> int | str:
    """Return an alarm's status: the Channel Access status if that is the alarm's message."""
    known = _STATUS_NUMBERS.get(message)
    if known is not None:
        return known
    name = _STATUS_NAMES[number] if 0 <= number < len(_STATUS_NAMES) else str(number)
    if message:
        return Status(name, message)
    return name if number else 0


def bytes_of(value: Value) -> int:
    """Return the approximate bytes of a value, as far as it is worth counting."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, Image):
        return value.pixels.nbytes
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return sum(map(bytes_of, value))
    return sum(map(bytes_of, value.values())) if isinstance(value, dict) else 8


def capacity_for(size: int) -> int:
    """Return the reported size for values of this size: a power of two, if large."""
    return 0 if size <= LARGE else 1 << (size - 1).bit_length()


def _kind(structure: Structure) -> tuple[FieldType, bool, str]:
    """Return the type of the values, whether they are arrays, and the path of the value."""
    name = structure.name.partition(":1.")[0].removeprefix("epics:nt/")
    value = structure.field("value")
    if name == "NTTable" and isinstance(value, Structure):
        return FieldType.TABLE, False, "value"
    # QSRV serves images of records with a value of any type.
    if name == "NTNDArray" and isinstance(value, Union | Variant):
        return FieldType.IMAGE, False, "value"
    is_normative = structure.name.startswith("epics:nt/") and name in _SHOWN_BY_VALUE
    if not is_normative and not _is_plain(structure):
        return FieldType.STRUCTURE, False, ""
    if isinstance(value, Scalar | ScalarArray):
        return _field_type(value), isinstance(value, ScalarArray), "value"
    if isinstance(value, Structure) and _is_enum(value):
        return FieldType.ENUM, False, "value.index"
    return FieldType.STRUCTURE, False, ""


def _is_plain(structure: Structure) -> bool:
    return {name for name, _ in structure.fields} <= _SHOWN


def _is_enum(value: Structure) -> bool:
    index, choices = value.field("index"), value.field("choices")
    return _is_whole(index) and isinstance(choices, ScalarArray) and choices.is_string


def _is_whole(field: Type | None) -> bool:
    return isinstance(field, Scalar) and FORMATS.get(field.code, "?") not in "?fd"


def _field_type(value: Scalar | ScalarArray) -> FieldType:
    return FieldType.STRING if value.is_string else FIELD_TYPES[FORMATS[value.code]]
