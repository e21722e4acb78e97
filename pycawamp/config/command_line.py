"""The command line of a program, with options from the environment and a file."""

from __future__ import annotations

import os
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, ClassVar, NoReturn

from twisted.python import usage

from pycawamp.config import types as values
from pycawamp.config.describe import configuration_file
from pycawamp.config.option import Given, Option, OptionError
from pycawamp.config.sources import from_environment, from_file, nearest


class CommandLine(usage.Options, ABC):
    """The options of a program, for twistd. Subclasses define which."""

    synopsis = "[options]"
    available: ClassVar[Sequence[Option]] = ()
    """The options of this program."""
    known: ClassVar[Sequence[Option]] = ()
    """All options, including those of other programs, whose environment variables are valid too."""
    optParameters: Sequence[Sequence[Any]] = []
    optFlags: Sequence[Sequence[Any]] = []

    def __init_subclass__(cls) -> None:
        """Add what twisted.python.usage expects."""
        super().__init_subclass__()
        cls.optParameters = [
            [each.name, each.short, each.default, each.help]
            for each in cls.available
            if not each.is_flag and not each.repeated
        ]
        cls.optFlags = [
            *([each.name, None, each.help] for each in cls.available if each.is_flag),
            ["print-config", None, "Print a configuration file with these options, and exit"],
        ]
        for option in cls.available:
            if option.repeated:
                collect = _collector(option)
                setattr(cls, f"opt_{option.name.replace('-', '_')}", collect)
                if option.short is not None:
                    setattr(cls, f"opt_{option.short}", collect)

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # The defaults were only for --help: values may come from the environment or a file.
        self.update(dict.fromkeys(self))
        self._several: dict[str, list[str]] = {}

    @abstractmethod
    def take(self, given: dict[str, Any]) -> None:
        """Set the settings from the values of the options.

        Raises:
            OptionError: The options contradict each other.
        """

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the arguments, or exit with a line that says what is wrong."""
        given = sys.argv[1:] if options is None else options
        try:
            super().parseOptions([_spelled_out(each) for each in given])  # type: ignore[no-untyped-call]
        except (usage.UsageError, OptionError) as error:
            refuse(_with_hint(str(error), self.available))

    def parseArgs(self, *arguments: str) -> None:
        """Take no arguments."""
        if arguments:
            raise usage.UsageError(f"unexpected argument {arguments[0]!r}; options start with --")

    def opt_version(self) -> NoReturn:
        """Print the version and exit."""
        print(f"pycaserver {version('pycaserver')}")
        sys.exit(0)

    def add(self, name: str, text: str) -> None:
        """Add the value of an option that may be repeated."""
        self._several.setdefault(name, []).append(text)

    def postOptions(self) -> None:
        """Check all values."""
        texts = self._texts()
        defaults = {
            each.name: [Given(each.default, f"--{each.name}")]
            for each in self.available
            if each.default is not None
        }
        given = {
            each.name: each.value((defaults | texts)[each.name])
            for each in self.available
            if each.name in defaults | texts
        }
        self.take(given)
        if self["print-config"]:
            print(configuration_file(self.available, texts), end="")
            sys.exit(0)

    def _texts(self) -> dict[str, list[Given]]:
        """Return what was given; arguments take precedence over variables, these over the file."""
        arguments = self._arguments()
        names = {each.name for each in self.available}
        environment = from_environment(self.known or self.available, os.environ)
        own = {name: given for name, given in environment.items() if name in names}
        found = own | arguments
        if "config" not in found:
            return found
        (config,) = found.pop("config")
        return from_file(self.available, os.path.abspath(config.text)) | found

    def _arguments(self) -> dict[str, list[Given]]:
        texts = dict(self._several)
        for each in self.available:
            if each.is_flag and self[each.name]:
                texts[each.name] = ["yes"]
            elif not each.repeated and self[each.name] is not None:
                texts[each.name] = [self[each.name]]
        return {
            name: [Given(text, f"--{name}") for text in several] for name, several in texts.items()
        }


def _collector(option: Option) -> Callable[[CommandLine, str], None]:
    """Return the method for an option that may be repeated, for twisted.python.usage."""

    def collect(self: CommandLine, text: str) -> None:
        self.add(option.name, text)

    collect.__doc__ = f"{option.help}; may be repeated"
    if option.default is not None:
        collect.__doc__ += f" [default: {option.default}]"
    return collect


def _with_hint(problem: str, available: Sequence[Option]) -> str:
    """Return getopt's message, with the most similar option."""
    unknown = re.fullmatch(r"option --(.*) not recognized", problem)
    return (
        problem
        if unknown is None
        else problem + nearest(unknown[1], [each.name for each in available])
    )


def _spelled_out(argument: str) -> str:
    """Return the argument, with the default value of `--allow-put`."""
    # getopt has options with and without a value, but none with an optional value.
    is_bare = len(argument) > len("--allow-") and "--allow-put".startswith(argument)
    return f"--allow-put={values.LOGGED_IN}" if is_bare else argument


def refuse(problem: str) -> NoReturn:
    """Exit with status 1, and one line on stderr."""
    raise SystemExit(f"pycaserver: {problem}")
