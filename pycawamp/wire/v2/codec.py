"""JSON encoding and decoding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson

from pycawamp.wire.errors import BadMessageError


def loads(payload: bytes) -> Any:
    """Parse JSON.

    Raises:
        BadMessageError: `bad_json` if it is invalid.
    """
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise BadMessageError("bad_json", f"not JSON: {error}") from None


def dumps(message: Any) -> bytes:
    """Return compact JSON; NaN and infinities are null, numpy arrays are lists."""
    return orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY)


def single(value: float) -> np.float32:
    """Return a number in single precision; infinite if it is too large for that.

    As a double, 0.1 would be written as 0.10000000149011612, with digits that the IOC never had.
    """
    if abs(value) > _LARGEST_SINGLE:
        # numpy would warn.
        value = math.copysign(math.inf, value)
    return np.float32(value)


_LARGEST_SINGLE = float(np.finfo(np.float32).max)
