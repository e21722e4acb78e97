"""Formulas of Phoebus, translated into expressions of calc records.

    formula    = comparison { ("&" | "|") comparison | "?" comparison ":" formula }
    comparison = sum { ("==" | "!=" | "<" | "<=" | ">" | ">=") sum }
    sum        = product { ("+" | "-") product }
    product    = factor { ("*" | "/" | "^" | "%") factor }
    factor     = ["!"] ["-"] operand
    operand    = NUMBER | PV | CONSTANT | FUNCTION "(" formula { "," formula } ")" | "(" formula ")"

Operators of one line are computed from left to right, so 2*3^2 is 36, as it is in Phoebus.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pycawamp.pv.calc import INPUTS
from pycawamp.pv.formula.calc import (
    CONSTANTS,
    FUNCTIONS,
    Calc,
    Function,
    binary,
    choice,
    inverted,
    negated,
    number,
)
from pycawamp.pv.formula.tokens import FormulaError, FormulaToken, FormulaTokenKind

_FIRST = ord("A")
_FUNCTIONS = {name.lower(): function for name, function in FUNCTIONS.items()}
LOGIC, COMPARISON, SUM, PRODUCT = range(1, 5)
_LEVELS = {
    **dict.fromkeys(("&", "&&", "|", "||"), LOGIC),
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), COMPARISON),
    **dict.fromkeys(("+", "-"), SUM),
    **dict.fromkeys(("*", "/", "^", "%"), PRODUCT),
}
MAX_DEPTH = 20
"""Maximum nesting of parentheses."""


class Parser:
    """A recursive descent parser; each method reads the element it is named after."""

    def __init__(self, tokens: Sequence[FormulaToken]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self.inputs: dict[str, Calc] = {}
        """The PV names, in the order in which they occur, and their letters."""
        self.names: set[FormulaToken] = set()
        """The tokens that are names of PVs."""

    def whole(self) -> Calc:
        """Parse the whole formula; raises FormulaError."""
        calc = self._formula()
        if self._next.kind is not FormulaTokenKind.END:
            raise self._next.error("an operator or the end")
        return calc

    @property
    def _next(self) -> FormulaToken:
        return self._tokens[self._at]

    def _take(self) -> FormulaToken:
        token = self._tokens[self._at]
        self._at += token.kind is not FormulaTokenKind.END
        return token

    def _skip(self, mark: str) -> bool:
        """Skip this mark if it is next, and return whether it was."""
        token = self._tokens[self._at]
        found = token.text == mark and token.kind is FormulaTokenKind.MARK
        self._at += found
        return found

    def _expect(self, mark: str) -> None:
        if not self._skip(mark):
            raise self._next.error(repr(mark))

    def _formula(self) -> Calc:
        calc = self._operation(LOGIC)
        if not self._skip("?"):
            return calc
        yes = self._operation(COMPARISON)
        self._expect(":")
        return choice(calc, yes, self._formula())

    def _operation(self, lowest: int) -> Calc:
        """Read operands with operators of this level and of higher ones."""
        calc = self._factor()
        while True:
            token = self._tokens[self._at]
            level = _LEVELS.get(token.text, 0) if token.kind is FormulaTokenKind.MARK else 0
            if level < lowest:
                return calc
            self._at += 1
            calc = binary(token.text, calc, self._operation(level + 1))

    def _factor(self) -> Calc:
        return inverted(self._signed()) if self._skip("!") else self._signed()

    def _signed(self) -> Calc:
        if not self._skip("-"):
            return self._operand(self._take())
        token = self._take()
        operand = self._operand(token)
        return (
            Calc(f"-{operand.text}") if token.kind is FormulaTokenKind.NUMBER else negated(operand)
        )

    def _operand(self, token: FormulaToken) -> Calc:
        if token.kind is FormulaTokenKind.NUMBER:
            return self._number(token)
        if token.kind is FormulaTokenKind.QUOTED:
            return self._input(token)
        if token.kind is FormulaTokenKind.WORD:
            return self._call(token) if self._skip("(") else self._word(token)
        if token.kind is FormulaTokenKind.MARK and token.text == "(":
            calc = self._inner(token)
            self._expect(")")
            return calc
        raise token.error("a number, the name of a PV in backquotes, or a function")

    def _inner(self, token: FormulaToken) -> Calc:
        """Read a formula in parentheses."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise token.error(f"parentheses to be at most {MAX_DEPTH} deep")
        calc = self._formula()
        self._depth -= 1
        return calc

    def _number(self, token: FormulaToken) -> Calc:
        value = float(token.text)
        if not math.isfinite(value):
            raise token.error("a number within the range of a double")
        return number(value)

    def _word(self, token: FormulaToken) -> Calc:
        return CONSTANTS.get(token.text) or self._input(token)

    def _input(self, token: FormulaToken) -> Calc:
        self.names.add(token)
        letter = self.inputs.get(token.text)
        if letter is None:
            if len(self.inputs) >= INPUTS:
                raise token.error(f"at most {INPUTS} PVs in a formula")
            letter = self.inputs[token.text] = Calc(chr(_FIRST + len(self.inputs)))
        return letter

    def _call(self, token: FormulaToken) -> Calc:
        function = _FUNCTIONS.get(token.text.lower())
        if function is None:
            raise token.error(f"a function that calc records have, one of {', '.join(FUNCTIONS)}")
        arguments = self._arguments(token)
        if not function.min_arguments <= len(arguments) <= function.max_arguments:
            raise _count_error(token, function, len(arguments))
        return function.make(arguments)

    def _arguments(self, token: FormulaToken) -> list[Calc]:
        arguments = [self._inner(token)]
        while self._skip(","):
            arguments.append(self._inner(token))
        if not self._skip(")"):
            raise self._next.error("',' or ')'")
        return arguments


def _count_error(token: FormulaToken, function: Function, count: int) -> FormulaError:
    where = f"character {token.place}"
    return FormulaError(f"{where}: expected {function.expected} for {token.text}, found {count}")
