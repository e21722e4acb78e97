"""Formulas in the language of Phoebus, computed by libCom."""

from __future__ import annotations

import ctypes
import ctypes.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.calc import INPUTS, MAX_OPERATORS
from pycawamp.pv.formula.calc import FUNCTIONS
from pycawamp.pv.formula.formula import Formula
from pycawamp.pv.formula.parser import MAX_DEPTH
from pycawamp.pv.formula.tokens import FormulaError
from tests.support.examples import examples

VALUES = {"a": 2.0, "b:c": -3.5, "ca://X.VAL": 0.0, "d": math.nan, "e": 1e10}
"""Return the values of the PVs of formulas."""


def computed(text: str) -> float:
    """Return the result of a formula."""
    formula = Formula.parse(text)
    result = formula.expression.evaluate([VALUES[name] for name in formula.inputs], 0.0)
    assert result is not None
    return result


class LanguageTests(SynchronousTestCase):
    """The language of Phoebus."""

    def test_computed(self) -> None:
        """Operators are computed in the order of Phoebus, functions are those of Phoebus."""
        for text, value in (
            ("1 + 2*3", 7),
            ("2*3^2", 36),
            ("2^3^2", 64),
            ("-2^2", 4),
            ("-`a`^2", 4),
            ("10 - 2 - 3", 5),
            ("16/4/2", 2),
            ("10 - (2 - 3)", 11),
            ("16/(4/2)", 8),
            ("2^(3^2)", 512),
            ("(2 + 3)*4", 20),
            ("-(2 - 3)", 1),
            ("3 > (2 > 0)", 1),
            ("7.5 % 2", 1.5),
            ("!`a` + 1", 1),
            ("!0", 1),
            ("!(1 - 1)", 1),
            ("!(2^0)", 0),
            ("1 < 2", 1),
            ("3 >= 2 == 1", 1),
            ("1 != 1", 0),
            ("5 & 2", 1),
            ("0 || 3", 1),
            ("1 | 0 & 0", 0),
            ("`a` > 1 ? 10 : 20", 10),
            ("`a` > 9 ? 10 : `a` > 1 ? 30 : 40", 30),
            ("(1 ? 0 : 1) ? 5 : 6", 6),
            ("`a` ? 1 : 2", 1),
            ("`a` - 2 ? 1 : 2", 2),
            ("1 ? (0 ? 1 : 2) : 3", 2),
            ("(1 ? 2 : 3) + 4", 6),
            ("pow(2, pow(3, 2))", 512),
            ("pow(2, 3)^2", 64),
            ("'a' * `b:c`", -7),
            ("a * b:c", -7),
            ("`ca://X.VAL` + 1", 1),
            ("1e3 + .5 + 2. + 1E-1", 1002.6),
            ("PI", math.pi),
            ("E", math.e),
            ("log(E)", 1),
            ("log10(1000)", 3),
            ("atan2(1, -1)", math.atan2(1, -1)),
            ("pow(2, 10)", 1024),
            ("round(2.5)", 3),
            ("round(-2.5)", -2),
            ("toDegrees(PI)", 180),
            ("toRadians(180)", math.pi),
            ("max(1, `a`, -4)", 2),
            ("min(3, 4)", 3),
            ("SQRT(16)", 4),
            ("bitAND(12, 10)", 8),
            ("bitOR(12, 10)", 14),
            ("bitXOR(12, 10)", 6),
            ("bitNOT(0)", -1),
            ("bitLeftShift(1, 4)", 16),
            ("bitRightShift(16, 2)", 4),
            ("1/0", math.inf),
            ("-1/0", -math.inf),
            ("1/-`ca://X.VAL`", math.inf),
        ):
            np.testing.assert_allclose(computed(text), value, err_msg=text)
        nan = ("0/0", "5 % 0", "sqrt(-1)", "`d`+1", "`d` ? 1 : 2", "`d` + 1 ? 1 : 2", "max(1, `d`)")
        for text in nan:
            self.assertTrue(math.isnan(computed(text)), text)
        self.assertTrue(0 <= computed("rnd(5)") <= 5)

    def test_documented(self) -> None:
        """The documentation lists all functions."""
        page = Path(__file__).parents[3] / "docs" / "local.md"
        (line,) = (each for each in page.read_text().splitlines() if "| functions |" in each)
        self.assertEqual(sorted(FUNCTIONS), sorted(line.split("`")[1].split()))

    def test_refused(self) -> None:
        """Errors have the position, and what was expected."""
        for text, error in (
            ("", "character 1: expected a number, the name of a PV in backquotes, or a function"),
            ("1 +", "character 4: expected a number, the name of a PV in backquotes, or a"),
            ("1 2", "character 3: expected an operator or the end, found '2'"),
            ("(1", "character 3: expected ')', found the end"),
            ("1)", "character 2: expected an operator or the end, found ')'"),
            ("`a", "character 1: expected another ` after the name"),
            ("'a", "character 1: expected another ' after the name"),
            ("1+` `", "character 3: expected the name of a PV in quotes"),
            ("1 = 2", "character 3: expected a number, the name of a PV in backquotes"),
            ("sinn(1)", "character 1: expected a function that calc records have, one of abs"),
            ("hypot(3,4)", "character 1: expected a function that calc records have, one of abs"),
            ("sin(1, 2)", "character 1: expected 1 argument for sin, found 2"),
            ("max(1)", "character 1: expected at least 2 arguments for max, found 1"),
            ("pow(1)", "character 1: expected 2 arguments for pow, found 1"),
            ("sin()", "character 5: expected a number"),
            ("sin(1;2)", "character 6: expected"),
            ("1 ? 2", "character 6: expected ':'"),
            ('"text"', "character 1: expected a number, as formulas compute no texts"),
            ("1e999", "character 1: expected a number within the range of a double"),
            ("0x10", "character 2: expected an operator or the end, found 'x10'"),
            ("+1", "character 1: expected a number"),
            ("A := 1", "character 4: expected"),
            ("`a`; 1", "character 4: expected"),
            ("1\n+2", "character 2: expected"),
        ):
            with self.assertRaises(FormulaError, msg=text) as caught:
                Formula.parse(text)
            self.assertIn(error, str(caught.exception), text)

    def test_bounds(self) -> None:
        """Long and deeply nested formulas are an error, soon."""
        names = [f"`a{number}`" for number in range(INPUTS + 1)]
        self.assertEqual(len(Formula.parse("+".join(names[:-1])).inputs), INPUTS)
        depth = "(" * MAX_DEPTH + "1" + ")" * MAX_DEPTH
        self.assertEqual(computed(depth), 1)
        for text, error in (
            ("+".join(names), f"expected at most {INPUTS} PVs in a formula, found 'a21'"),
            (f"({depth})", f"at most {MAX_DEPTH} deep"),
            ("(" * 100_000, f"at most {MAX_OPERATORS} operators"),
            ("1+" * 100_000 + "1", f"at most {MAX_OPERATORS} operators"),
            ("sin(" * 30 + "1" + ")" * 30, f"at most {MAX_DEPTH} deep"),
            ("!(" * 30, f"at most {MAX_DEPTH} deep"),
            ("1?" * 70, "expected ':'"),
            ("`a`?1:" * 20 + "2", "calc records cannot compute it: More than 70 operators"),
        ):
            with self.assertRaises(FormulaError, msg=text[:40]) as caught:
                Formula.parse(text)
            self.assertIn(error, str(caught.exception), text[:40])

    def test_renamed(self) -> None:
        """PVs are renamed, in quotes; nothing else is changed."""
        formula = Formula.parse("`E` + E*sin ( sin ) +'ca://X.VAL' - a:b?1:2")
        self.assertEqual(formula.inputs, ("E", "sin", "ca://X.VAL", "a:b"))
        text = formula.text(str.upper)
        self.assertEqual(text, "`E`+E*sin(`SIN`)+`CA://X.VAL`-`A:B`?1:2")
        self.assertEqual(Formula.parse(text).text(str), text)
        self.assertEqual(formula.text(lambda _: "eq://`x`+1").count("'eq://`x`+1'"), 4)
        self.assertRaises(FormulaError, formula.text, lambda _: "eq://`x`+'y'")


Pair = tuple[str, float]
"""A formula, and its expected result."""

Compute = Callable[..., Any]


def in_c(name: str, count: int = 1) -> Compute:
    """A function of the C library, which libCom calls too, so that no digit differs."""
    function = getattr(ctypes.CDLL(ctypes.util.find_library("m")), name)
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_double] * count
    made: Compute = function
    return made


PRODUCTS: dict[str, Compute] = {
    "*": np.multiply,
    "/": np.divide,
    "^": in_c("pow", 2),
    "%": in_c("fmod", 2),
}
SUMS: dict[str, Compute] = {"+": np.add, "-": np.subtract}
COMPARISONS: dict[str, Compute] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
LOGIC: dict[str, Compute] = {
    "&": np.logical_and,
    "&&": np.logical_and,
    "|": np.logical_or,
    "||": np.logical_or,
}
ONE: dict[str, Compute] = {
    "abs": np.abs,
    "log10": in_c("log10"),
    **{
        name: in_c(name) for name in ("acos", "asin", "atan", "ceil", "cos", "cosh", "exp", "floor")
    },
    **{name: in_c(name) for name in ("log", "sin", "sinh", "sqrt", "tan", "tanh")},
}
TWO: dict[str, Compute] = {
    "atan2": in_c("atan2", 2),
    "max": np.maximum,
    "min": np.minimum,
    "pow": in_c("pow", 2),
}


def quiet(compute: Callable[..., Any], *values: float) -> float:
    """Return a number as C computes it, without exceptions."""
    with np.errstate(all="ignore"):
        return float(compute(*map(np.float64, values)))


def chained(parts: st.SearchStrategy[Pair], operators: dict[str, Compute]) -> Any:
    """Return operands with operators between them, from left to right."""

    def chain(first: Pair, rest: list[tuple[str, Pair]]) -> Pair:
        text, value = first
        for mark, (more, operand) in rest:
            text = f"{text} {mark}{more}"
            value = quiet(operators[mark], value, operand)
        return text, value

    following = st.tuples(st.sampled_from(sorted(operators)), parts)
    return st.builds(chain, parts, st.lists(following, max_size=2))


def chosen(condition: Pair, yes: Pair, no: Pair) -> Pair:
    """Return a conditional expression; one whose condition is not finite is that condition."""
    text = f"{condition[0]}?{yes[0]} : {no[0]}"
    if not math.isfinite(condition[1]):
        return text, condition[1]
    return text, yes[1] if condition[1] else no[1]


def called(name: str, first: Pair, second: Pair) -> Pair:
    """A call of a function with one argument or two."""
    if name in ONE:
        return f"{name}({first[0]})", quiet(ONE[name], first[1])
    return f"{name}({first[0]}, {second[0]})", quiet(TWO[name], first[1], second[1])


def deeper(formulas: st.SearchStrategy[Pair]) -> Any:
    """Return nested formulas, by the grammar of Phoebus."""
    operands = st.one_of(
        formulas.map(lambda each: (f"({each[0]})", each[1])),
        st.builds(called, st.sampled_from([*ONE, *TWO]), formulas, formulas),
    )
    factors = st.one_of(
        operands,
        operands.map(lambda each: (f"!{each[0]}", float(each[1] == 0))),
        operands.map(lambda each: (f"-{each[0]}", quiet(np.subtract, 0.0, each[1]))),
    )
    comparisons = chained(chained(chained(factors, PRODUCTS), SUMS), COMPARISONS)
    logic = chained(comparisons, LOGIC)
    return st.one_of(logic, st.builds(chosen, logic, comparisons, logic))


NUMBERS = st.one_of(
    st.integers(0, 20).map(lambda number: (str(number), float(number))),
    st.floats(0, 1e6, allow_subnormal=False).map(lambda number: (repr(number), number)),
)
OPERANDS = st.one_of(
    NUMBERS,
    NUMBERS.map(lambda each: (f"-{each[0]}", -each[1])),
    st.sampled_from([(f"`{name}`", value) for name, value in VALUES.items()]),
)


class RandomTests(SynchronousTestCase):
    """Properties of every formula."""

    @settings(deadline=None, max_examples=examples(250))
    @given(st.recursive(OPERANDS, deeper, max_leaves=8))
    def test_computed(self, pair: Pair) -> None:
        """Any formula has the result of Phoebus's grammar, or is too long."""
        text, expected = pair
        try:
            result = computed(text)
        except FormulaError as error:
            self.assertIn("operators", str(error), text)
            return
        np.testing.assert_equal(result, expected, text)

    @settings(deadline=None, max_examples=examples(300))
    @given(st.text(alphabet="`'\"ab1.eE+-*/^%<>=!&|?:(),;[] \t\0é", max_size=40))
    def test_any_text(self, text: str) -> None:
        """Any text is computed as without blanks, or an error says what was expected."""
        try:
            formula = Formula.parse(text)
        except FormulaError as error:
            self.assertIn("expected", str(error))
            return
        values = [1.5] * len(formula.inputs)
        again = Formula.parse(formula.text(str))
        self.assertEqual(again.inputs, formula.inputs)
        results = [each.expression.evaluate(values, 0.0) for each in (formula, again)]
        self.assertEqual(str(results[0]), str(results[1]))
