"""Random events of scalars, for Hypothesis."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import strategies as st

from pycawamp.pv.values import FieldType
from tests.support.dbr_bytes import TIME


def time_bytes(
    field_type: FieldType, values: list[Any], alarm: tuple[int, int], stamp: tuple[int, int]
) -> bytes:
    """DBR_TIME bytes."""
    padding, code = TIME[field_type]
    head = struct.pack("=hhII", *alarm, *stamp) + b"\xee" * padding
    return head + struct.pack(f"={code * len(values)}", *values)


def integers(bits: int, signed: bool) -> st.SearchStrategy[int]:
    """All integers of a size."""
    return (
        st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        if signed
        else st.integers(0, 2**bits - 1)
    )


ELEMENTS: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.STRING: st.one_of(
        st.binary(max_size=40), st.text(max_size=40).map(lambda text: text.encode()[:40])
    ),
    FieldType.SHORT: integers(16, True),
    FieldType.FLOAT: st.one_of(
        st.floats(width=32), integers(32, False).map(lambda bits: unpack("=I", "=f", bits))
    ),
    FieldType.ENUM: integers(16, False),
    FieldType.CHAR: integers(8, False),
    FieldType.LONG: integers(32, True),
    FieldType.DOUBLE: st.one_of(
        st.floats(), integers(64, False).map(lambda bits: unpack("=Q", "=d", bits))
    ),
}


def unpack(source: str, target: str, bits: int) -> float:
    """Return the number with these bits."""
    (number,) = struct.unpack(target, struct.pack(source, bits))
    return float(number)


ALARMS = st.one_of(
    st.tuples(st.integers(0, 21), st.integers(0, 3)),
    st.tuples(integers(16, True), integers(16, True)),
)
STAMPS = st.tuples(integers(32, False), st.one_of(st.integers(0, 999_999_999), integers(32, False)))


@st.composite
def events(draw: Any, field_type: FieldType) -> tuple[bytes, int]:
    """Return the bytes of an event of a scalar, and its count; sometimes there is no value."""
    count = draw(st.sampled_from([1, 1, 1, 1, 0]))
    values = [draw(ELEMENTS[field_type]) for _ in range(count)]
    return time_bytes(field_type, values, draw(ALARMS), draw(STAMPS)), count
