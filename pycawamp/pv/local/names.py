"""Names of local PVs: `name<Type>(first, "second")`, as in Phoebus."""

from __future__ import annotations

import re
from typing import TypeAlias

import attrs

Argument: TypeAlias = "float | str"

_NAME = re.compile(r"([^<(]+)(?:<(\w+)>)?(?:\((.*)\))?", re.DOTALL)
_ARGUMENT = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^",]+))\s*(,|$)', re.DOTALL)


class LocalNameError(ValueError):
    """The name is not a valid local PV; the text says why."""


@attrs.frozen
class LocalName:
    """A parsed name."""

    base: str
    type: str | None
    """The text between `<` and `>`, such as VDouble."""
    arguments: tuple[Argument, ...] | None
    """The text in parentheses; None without parentheses."""

    @classmethod
    def parse(cls, text: str) -> LocalName:
        """Parse a name.

        Raises:
            LocalNameError: The name is invalid.
        """
        match = _NAME.fullmatch(text)
        if match is None or not match[1].strip():
            raise LocalNameError('expected a name such as x, x(5), x("text") or x<VLong>(5)')
        arguments = None if match[3] is None else _arguments(match[3])
        return cls(match[1].strip(), match[2], arguments)

    @property
    def numbers(self) -> list[float]:
        """Return the arguments as numbers.

        Raises:
            LocalNameError: One is not a number.
        """
        numbers = [each for each in self.arguments or () if not isinstance(each, str)]
        if len(numbers) < len(self.arguments or ()):
            raise LocalNameError("expected numbers in parentheses")
        return numbers


def _arguments(text: str) -> tuple[Argument, ...]:
    found: list[Argument] = []
    at, is_more = 0, bool(text.strip())
    while is_more:
        match = _ARGUMENT.match(text, at)
        if match is None:
            raise LocalNameError(
                'expected numbers or "strings" in parentheses, separated by commas'
            )
        quoted, plain, end = match.groups()
        found.append(_number(plain) if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        at, is_more = match.end(), end == ","
    return tuple(found)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        expected = f"expected a number or a quoted string, got {text.strip()[:32]!r}"
        raise LocalNameError(expected) from None
