"""Names of local PVs: `name<Type>(first, "second")`, as in Phoebus."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from pycawamp.pv.text import clip

_NAME = re.compile(r"([^<(]+)(?:<(\w+)>)?(?:\((.*)\))?", re.DOTALL)
_ARGUMENT = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^",]+))\s*(,|$)', re.DOTALL)


class LocalNameError(ValueError):
    """The name is not a valid local PV; the text says why."""


@attrs.frozen
class Argument:
    """A value in the parentheses of a name."""

    text: str
    """Without quotes."""
    is_quoted: bool

    @property
    def numbers(self) -> list[float]:
        """The number, or several between blanks; raises LocalNameError."""
        if self.is_quoted:
            raise LocalNameError(f"expected numbers in parentheses, got the text {self._shown}")
        return [self._number(part) for part in self.text.split() or [""]]

    def _number(self, text: str) -> float:
        try:
            if text.startswith("0x"):
                return float(int(text, 16))
            # Java's numbers have no underscores.
            return float(text.replace("_", "?"))
        except ValueError:
            expected = f"expected a number or a quoted string, got {self._shown}"
            raise LocalNameError(expected) from None

    @property
    def _shown(self) -> str:
        return repr(clip(self.text, 32))


@attrs.frozen
class LocalName:
    """A parsed name."""

    base: str
    type: str | None
    """The text between `<` and `>`, such as VDouble."""
    arguments: tuple[Argument, ...]
    """The text in parentheses."""

    @classmethod
    def parse(cls, text: str) -> LocalName:
        """Parse a name.

        Raises:
            LocalNameError: The name is invalid.
        """
        match = _NAME.fullmatch(text)
        if match is None or not match[1].strip():
            raise LocalNameError('expected a name such as x, x(5), x("text") or x<VLong>(5)')
        return cls(match[1].strip(), match[2], tuple(_arguments(match[3] or "")))

    @property
    def numbers(self) -> list[float]:
        """Return the arguments as numbers.

        Raises:
            LocalNameError: One is not a number.
        """
        return [number for argument in self.arguments for number in argument.numbers]


def _arguments(text: str) -> Iterator[Argument]:
    at, is_more = 0, bool(text.strip())
    while is_more:
        match = _ARGUMENT.match(text, at)
        if match is None:
            raise LocalNameError(
                'expected numbers or "strings" in parentheses, separated by commas'
            )
        quoted, plain, end = match.groups()
        if quoted is None:
            yield Argument(plain.strip(), is_quoted=False)
        else:
            yield Argument(quoted.replace('\\"', '"'), is_quoted=True)
        at, is_more = match.end(), end == ","
