"""The command line of a program, with the environment and a file below it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, ClassVar, NoReturn

from twisted.python import usage

from pycawamp.config import types as values
from pycawamp.config.describe import configuration_file
from pycawamp.config.option import Given, Option, OptionError
from pycawamp.config.sources import from_environment, from_file, nearest


class CommandLine(usage.Options):
    """The options of a program, as twistd wants them. A subclass says which they are."""

    synopsis = "[options]"
    available: ClassVar[Sequence[Option]] = ()
    """The options that it has."""
    known: ClassVar[Sequence[Option]] = ()
    """Those of other programs too: their environment variables are no mistake."""
    optParameters: Sequence[Sequence[Any]] = []
    optFlags: Sequence[Sequence[Any]] = []

    def __init_subclass__(cls) -> None:
        """Make what twisted.python.usage looks for."""
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
        # The defaults were for --help: what remains empty may be given elsewhere.
        self.update(dict.fromkeys(self))
        self._several: dict[str, list[str]] = {}

    def take(self, given: dict[str, Any]) -> None:
        """Make settings of the values of the options; raises OptionError if they do not go."""
        raise NotImplementedError

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse, or end the process with one line that says what was wrong."""
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
        """Take an option that may be repeated."""
        self._several.setdefault(name, []).append(text)

    def postOptions(self) -> None:
        """Check all values before anything is opened."""
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
        """What was given: an option's arguments count before its variable, that before a file."""
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
    """What twisted.python.usage calls for an option that may be repeated."""

    def collect(self: CommandLine, text: str) -> None:
        self.add(option.name, text)

    collect.__doc__ = f"{option.help}; may be repeated"
    if option.default is not None:
        collect.__doc__ += f" [default: {option.default}]"
    return collect


def _with_hint(problem: str, available: Sequence[Option]) -> str:
    """What getopt says, with the option that may have been meant."""
    unknown = re.fullmatch(r"option --(.*) not recognized", problem)
    return (
        problem
        if unknown is None
        else problem + nearest(unknown[1], [each.name for each in available])
    )


def _spelled_out(argument: str) -> str:
    """The argument, with the value that `--allow-put` has when none is given."""
    # getopt knows options with and without a value, but no optional ones.
    is_bare = len(argument) > len("--allow-") and "--allow-put".startswith(argument)
    return f"--allow-put={values.LOGGED_IN}" if is_bare else argument


def refuse(problem: str) -> NoReturn:
    """End the process: one line on stderr, exit status 1."""
    raise SystemExit(f"pycaserver: {problem}")
