"""Building blocks of the expressions of calc records."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import attrs

# The precedence of operators, lowest first, as in postfix.c of libCom.
CHOICE, OR, AND, COMPARISON, SUM, PRODUCT, POWER, ATOM = range(8)


class Calc(NamedTuple):
    """An expression. A NamedTuple, for the same reason as `FormulaToken`."""

    text: str
    rank: int = ATOM
    """The precedence of its outermost operator."""
    is_truth: bool = False
    """Whether it is 0 or 1 whatever its inputs are."""

    def within(self, rank: int) -> str:
        """Return the text for an operator that needs an operand with this rank at least."""
        return self.text if self.rank >= rank else f"({self.text})"


@attrs.frozen
class Function:
    """A function of Phoebus, and how calc records compute it."""

    min_arguments: int
    max_arguments: float
    """Arguments."""
    make: Callable[[Sequence[Calc]], Calc]

    @property
    def expected(self) -> str:
        """The number of arguments as text."""
        count = (
            str(self.min_arguments)
            if self.min_arguments == self.max_arguments
            else f"at least {self.min_arguments}"
        )
        return f"{count} argument" if self.max_arguments == 1 else f"{count} arguments"


Binary: TypeAlias = "tuple[str, int]"
"""An operator of calc records, and its rank."""

OPERATORS: dict[str, Binary] = {
    "&": ("&&", AND),
    "&&": ("&&", AND),
    "|": ("||", OR),
    "||": ("||", OR),
    **{each: (each, COMPARISON) for each in ("==", "!=", "<", "<=", ">", ">=")},
    "+": ("+", SUM),
    "-": ("-", SUM),
    "*": ("*", PRODUCT),
    "/": ("/", PRODUCT),
    "^": ("^", POWER),
}


def binary(mark: str, left: Calc, right: Calc) -> Calc:
    """Return an operation of Phoebus on two operands."""
    if mark == "%":
        return call("FMOD", left, right)
    operator, rank = OPERATORS[mark]
    # All operators are computed from left to right.
    text = f"{left.within(rank)}{operator}{right.within(rank + 1)}"
    return Calc(text, rank, is_truth=rank <= COMPARISON)


def negated(operand: Calc) -> Calc:
    """Return 0 minus an operand, which is what Phoebus computes."""
    return binary("-", Calc("0"), operand)


def inverted(operand: Calc) -> Calc:
    """Return whether an operand is 0."""
    return Calc(f"!{operand.within(ATOM)}", is_truth=True)


def choice(condition: Calc, yes: Calc, no: Calc) -> Calc:
    """Return one of two values; a condition that is not finite is the value itself."""
    chosen = f"{condition.within(OR)}?{yes.within(OR)}:{no.text}"
    if condition.is_truth:
        return Calc(chosen, CHOICE)
    return Calc(f"FINITE({condition.text})?({chosen}):{condition.within(OR)}", CHOICE)


def call(name: str, *arguments: Calc) -> Calc:
    """Return a call of a function of calc records."""
    return Calc(f"{name}({','.join(each.text for each in arguments)})")


def number(value: float) -> Calc:
    """Return a constant."""
    return Calc(repr(value))


def _direct(name: str, count: int = 1) -> Function:
    return Function(count, count, lambda arguments: call(name, *arguments))


def _operation(text: str, rank: int) -> Function:
    """A function of two arguments for which calc records have an operator."""
    return Function(
        2,
        2,
        lambda each: Calc(f"{each[0].within(rank)}{text}{each[1].within(rank + 1)}", rank),
    )


def _scaled(factor: str) -> Function:
    return Function(1, 1, lambda each: binary("*", each[0], Calc(factor)))


_HALF = number(0.5)

CONSTANTS = {"E": number(math.e), "PI": Calc("PI")}

FUNCTIONS: dict[str, Function] = {
    **{
        name: _direct(name.upper())
        for name in (
            *("abs", "acos", "asin", "atan", "ceil", "cos", "cosh", "exp", "floor"),
            *("sin", "sinh", "sqrt", "tan", "tanh"),
        )
    },
    "log": _direct("LN"),
    "log10": _direct("LOG"),
    "round": Function(1, 1, lambda each: call("FLOOR", binary("+", each[0], _HALF))),
    "toDegrees": _scaled("R2D"),
    "toRadians": _scaled("D2R"),
    "rnd": _scaled("RNDM"),
    # Arguments in reverse order: ATAN2 of calc records takes x first.
    "atan2": Function(2, 2, lambda each: call("ATAN2", each[1], each[0])),
    "pow": _operation("^", POWER),
    "min": Function(2, math.inf, lambda each: call("MIN", *each)),
    "max": Function(2, math.inf, lambda each: call("MAX", *each)),
    "bitAND": _operation("&", AND),
    "bitOR": _operation("|", OR),
    "bitXOR": _operation(" XOR ", OR),
    "bitNOT": Function(1, 1, lambda each: Calc(f"~{each[0].within(ATOM)}")),
    "bitLeftShift": _operation("<<", AND),
    "bitRightShift": _operation(">>", AND),
}
