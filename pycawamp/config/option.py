"""One option, however it is given: as an argument, by the environment, in a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from pycawamp.config import types as values


def _shown(default: object) -> str | None:
    """A default as a user would write it."""
    return (
        default if default is None else f"{default:g}" if type(default) is float else f"{default}"
    )


@attrs.frozen
class Option:
    """An option: everything that its users are told of it, and how its value is checked."""

    name: str
    default: str | None = attrs.field(converter=_shown)
    help: str
    parse: Callable[[str], Any]
    """Text to value; raises ValueError with what was expected."""
    short: str | None = None
    repeated: bool = False
    """Whether it may be given several times; `parse` then returns a list."""
    is_in_files: bool = True
    """Whether it may be in a configuration file."""

    @property
    def is_flag(self) -> bool:
        """Whether it takes no value on the command line."""
        return self.parse is values.flag

    @property
    def is_path(self) -> bool:
        """Whether its value is the name of a file."""
        return self.parse is values.path

    @property
    def variable(self) -> str:
        """The environment variable that gives it."""
        return PREFIX + self.name.upper().replace("-", "_")

    def value(self, given: list[Given]) -> Any:
        """The value of what was given, once or several times.

        Raises:
            OptionError: it is not what the option takes.
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
    """The value that was given for an option, and where."""

    text: str
    where: str


class OptionError(ValueError):
    """An option is not as it should be; the text says which, where, and what was expected."""


PREFIX = "PYCASERVER_"
"""Begins the environment variables that give options."""
