"""A formula, as given by the name of its PV."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from pycawamp.pv.calc import Expression, ExpressionError
from pycawamp.pv.formula.parser import Parser
from pycawamp.pv.formula.tokens import FormulaError, FormulaToken, quoted, tokens


@attrs.frozen
class Formula:
    """A parsed formula."""

    inputs: tuple[str, ...]
    """The names of the PVs whose values are A, B, … in the expression."""
    expression: Expression
    _tokens: tuple[FormulaToken, ...]
    _names: frozenset[FormulaToken]
    """The tokens that are PV names."""

    @classmethod
    def parse(cls, text: str, start: int = 0) -> Formula:
        """Return the formula in a text from `start` on, after its scheme; raises FormulaError."""
        found = tuple(tokens(text, start))
        parser = Parser(found)
        calc = parser.whole()
        try:
            expression = Expression(calc.text)
        except ExpressionError as error:
            raise FormulaError(f"calc records cannot compute it: {error}") from None
        return cls(tuple(parser.inputs), expression, found, frozenset(parser.names))

    def text(self, name: Callable[[str], str]) -> str:
        """Return the text without blanks, with other names for its PVs, in quotes."""
        return "".join(self._named(token, name) for token in self._tokens)

    def _named(self, token: FormulaToken, name: Callable[[str], str]) -> str:
        return quoted(name(token.text)) if token in self._names else token.text
