"""Numbers of single precision, rounded as in C."""

from __future__ import annotations

import math

import numpy as np

from pycawamp.pv.values import Array


def single(value: float) -> np.float32:
    """Return a number in single precision; infinite if it is too large for that.

    As a double, 0.1 would be written as 0.10000000149011612, with digits that the IOC never had.
    """
    if abs(value) >= _TOO_LARGE:
        # numpy would warn.
        value = math.copysign(math.inf, value)
    return np.float32(value)


def singles(values: Array) -> Array:
    """Return numbers as `single` does, all at once."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


_TOO_LARGE = 2.0**128 - 2.0**103
"""The largest number of single precision and half of its last digit."""
