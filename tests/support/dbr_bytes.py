"""DBR bytes, laid out as in db_access.h."""

from __future__ import annotations

import struct
from typing import Any

from pycawamp.pv.values import FieldType

# For each type: the padding between stamp and value, and the struct code of an element.
TIME = {
    FieldType.STRING: (0, "40s"),
    FieldType.SHORT: (2, "h"),
    FieldType.FLOAT: (0, "f"),
    FieldType.ENUM: (2, "H"),
    FieldType.CHAR: (3, "B"),
    FieldType.LONG: (0, "i"),
    FieldType.DOUBLE: (4, "d"),
}


def time_bytes(field_type: FieldType, *values: Any, status: int = 3, severity: int = 2) -> bytes:
    """Return a DBR_TIME value with the time stamp 1990-01-02 00:00:00.000000789."""
    padding, code = TIME[field_type]
    head = struct.pack("=hhII", status, severity, 86400, 789) + b"\xee" * padding
    return head + struct.pack(f"={code * len(values)}", *values)


def control_bytes(head: bytes, units: bytes, limits: str) -> bytes:
    """Return a DBR_CTRL value: limits 1 to 8 in the order of db_access.h, then a value."""
    body = struct.pack(f"=8s8{limits}{limits}", units, *range(1, 9), 0)
    return struct.pack("=hh", 0, 0) + head + body
