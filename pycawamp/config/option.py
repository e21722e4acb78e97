"""Options, given as arguments, by environment variables, or in a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from pycawamp.config import types as values


def _shown(default: object) -> str | None:
    """Return a default as users write it."""
    return (
        default if default is None else f"{default:g}" if type(default) is float else f"{default}"
    )


@attrs.frozen
class Option:
    """An option: its name, description, default, and parser."""

    name: str
    default: str | None = attrs.field(converter=_shown)
    help: str
    parse: Callable[[str], Any]
    """Returns the value of a text; raises ValueError with what was expected."""
    short: str | None = None
    repeated: bool = False
    """Whether it may be given several times; `parse` then returns a list."""
    is_in_files: bool = True
    """Whether it may be in a configuration file."""

    @property
    def is_flag(self) -> bool:
        """Whether it has no value on the command line."""
        return self.parse is values.flag

    @property
    def is_path(self) -> bool:
        """Whether its value is a file name."""
        return self.parse is values.path

    @property
    def variable(self) -> str:
        """The name of its environment variable."""
        return PREFIX + self.name.upper().replace("-", "_")

    def value(self, given: list[Given]) -> Any:
        """Return the value of the text or texts that were given.

        Raises:
            OptionError: A text is invalid.
        """
        parsed = [self._parsed(each) for each in given]
        return [one for several in parsed for one in several] if self.repeated else parsed[-1]

    def _parsed(self, given: Given) -> Any:
        try:
            return self.parse(given.text)
        except ValueError as error:
            raise OptionError(f"{given.where}: expected {error}, got {given.text!r}") from None


@attrs.frozen
class Given:
    """A text that was given for an option, and where."""

    text: str
    where: str


class OptionError(ValueError):
    """An option is invalid; the text says which, where, and what was expected."""


PREFIX = "PYCASERVER_"
"""The prefix of the options' environment variables."""
