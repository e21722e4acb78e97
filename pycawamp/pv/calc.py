"""CALC expressions, evaluated by EPICS's own engine (libCom), as in calc records."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_double, c_long, c_short, c_ulong
from functools import cache

from attrs import field, frozen
from epicscorelibs.lib import Com_dsoinfo

INPUTS = 21
"""The inputs A to U; versions of EPICS before 7.0.10 have A to L."""
MAX_OPERATORS = 70
"""Maximum number of operators, functions and parentheses in an expression.

`postfix` stores pending operators in an array of 80 elements without checking its bounds: 80
parentheses crash the process.
"""

_OPERATOR = re.compile(r"[A-Za-z_]\w+|[^\w\s.]", re.ASCII)


@cache
def _libcom() -> ctypes.CDLL:
    """Return libCom. It is loaded when first used, as it must not be used after a fork."""
    library = ctypes.CDLL(Com_dsoinfo.sofilename)
    library.postfix.restype = c_long
    library.postfix.argtypes = (c_char_p, c_char_p, POINTER(c_short))
    library.calcErrorStr.restype = c_char_p
    library.calcErrorStr.argtypes = (c_short,)
    library.calcArgUsage.restype = c_long
    library.calcArgUsage.argtypes = (c_char_p, POINTER(c_ulong), POINTER(c_ulong))
    library.calcPerform.restype = c_long
    library.calcPerform.argtypes = (POINTER(c_double), POINTER(c_double), c_char_p)
    return library


class ExpressionError(ValueError):
    """The expression is invalid; the text is the engine's message."""


@frozen
class Expression:
    """A compiled expression without assignments.

    Raises:
        ExpressionError: The text is not a valid expression, or too long.
    """

    text: str
    inputs: int = field(init=False, eq=False)
    """A bit for each input that the expression uses: 1 is A, 2 is B, …"""
    _compiled: ctypes.Array[ctypes.c_char] = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if len(_OPERATOR.findall(self.text)) > MAX_OPERATORS:
            raise ExpressionError(f"More than {MAX_OPERATORS} operators and parentheses")
        encoded = self.text.encode()
        # INFIX_TO_POSTFIX_SIZE of postfix.h, and a margin for short expressions.
        compiled = ctypes.create_string_buffer((len(encoded) + 1) * 21 // 6 + 32)
        error = c_short()
        if _libcom().postfix(encoded, compiled, byref(error)):
            raise ExpressionError(_libcom().calcErrorStr(error).decode())
        used, stored = c_ulong(), c_ulong()
        _libcom().calcArgUsage(compiled, byref(used), byref(stored))
        if stored.value:
            raise ExpressionError("Assignment operator used")
        object.__setattr__(self, "inputs", used.value)
        object.__setattr__(self, "_compiled", compiled)

    def evaluate(self, values: Sequence[float], previous: float) -> float | None:
        """Return the result, or None if it cannot be computed.

        Args:
            values: The values of A, B, …
            previous: The value of VAL in the expression.
        """
        arguments = (c_double * INPUTS)(*values)
        result = c_double(previous)
        failed = _libcom().calcPerform(arguments, byref(result), self._compiled)
        return None if failed else result.value
