"""Names of local PVs: `name<Type>(first, "second")`, as Phoebus has them."""

from __future__ import annotations

import re
from typing import TypeAlias

import attrs

Argument: TypeAlias = "float | str"

_NAME = re.compile(r"([^<(]+)(?:<(\w+)>)?(?:\((.*)\))?", re.DOTALL)
_ARGUMENT = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^",]+))\s*(,|$)', re.DOTALL)


class LocalNameError(ValueError):
    """The name stands for no local PV; the text says why."""


@attrs.frozen
class LocalName:
    """A name, taken apart."""

    base: str
    type: str | None
    """As in `<VDouble>`."""
    arguments: tuple[Argument, ...] | None
    """What is in parentheses; None if there are none."""

    @classmethod
    def parse(cls, text: str) -> LocalName:
        """Take a name apart; raises LocalNameError."""
        match = _NAME.fullmatch(text)
        if match is None or not match[1].strip():
            raise LocalNameError('expected a name such as x, x(5), x("text") or x<VLong>(5)')
        arguments = None if match[3] is None else _arguments(match[3])
        return cls(match[1].strip(), match[2], arguments)

    @property
    def numbers(self) -> list[float]:
        """The arguments, all of which must be numbers; raises LocalNameError."""
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
            raise LocalNameError('expected numbers or "texts" between commas, in parentheses')
        quoted, plain, end = match.groups()
        found.append(_number(plain) if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        at, is_more = match.end(), end == ","
    return tuple(found)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        expected = f"expected a number or a text in quotes, got {text.strip()[:32]!r}"
        raise LocalNameError(expected) from None
