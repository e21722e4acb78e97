"""Options from the environment and from a configuration file."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pycawamp.config.option import PREFIX, Given, Option, OptionError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


_OF_OTHERS = re.compile(f"{PREFIX}(FAST$|PASSWORD$|TOKEN$|TEST_)")
"""Environment variables of the compiled part, the command-line client and the tests."""


def from_environment(
    options: Sequence[Option], environment: Mapping[str, str]
) -> dict[str, list[Given]]:
    """Return the options given by environment variables; empty variables are ignored.

    Raises:
        OptionError: A variable begins with the prefix of options, but is not an option.
    """
    known = {option.variable: option for option in options}
    found = {}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX) or _OF_OTHERS.match(variable):
            continue
        if variable not in known:
            raise OptionError(f"{variable}: no such option{nearest(variable, known)}")
        option = known[variable]
        if text:
            texts = text.split(",") if option.repeated else [text]
            found[option.name] = [Given(each.strip(), variable) for each in texts]
    return found


def from_file(options: Sequence[Option], path: str) -> dict[str, list[Given]]:
    """Return the options in a TOML file; file names in it are relative to its folder.

    Raises:
        OptionError: The file cannot be read, is not TOML, or contains something that is not an
        option.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except OSError as error:
        raise OptionError(f"--config: cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise OptionError(f"{path}: expected a TOML file: {error}") from None
    known = {option.name: option for option in options if option.is_in_files}
    found = {}
    for key, value in table.items():
        where = f"{path}:{_line(text, key)}: {key}"
        if key not in known:
            raise OptionError(f"{where}: no such option{nearest(key, known)}")
        found[key] = _given(known[key], value, where, Path(path).parent)
    return {name: given for name, given in found.items() if given}


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint with the most similar name, if there is one."""
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _given(option: Option, value: Any, where: str, folder: Path) -> list[Given]:
    several = value if option.repeated and isinstance(value, list) else [value]
    texts = [_text(option, each, where) for each in several]
    if option.is_path:
        texts = [str(folder / text) if text else text for text in texts]
    return [Given(text, where) for text in texts]


def _text(option: Option, value: Any, where: str) -> str:
    if option.is_flag:
        if not isinstance(value, bool):
            raise OptionError(f"{where}: expected true or false, got {value!r}")
        return "yes" if value else "no"
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        expected = "a list of strings or numbers" if option.repeated else "a string or a number"
        shown = str(value).lower() if isinstance(value, bool) else repr(value)
        raise OptionError(f"{where}: expected {expected}, got {shown}")
    return str(value)


def _line(text: str, key: str) -> int:
    """Return the line number of a top-level key."""
    # tomllib does not return it. A table's name is a key too.
    pattern = rf"""^\s*\[*\s*["']?{re.escape(key)}["']?\s*[=.\]]"""
    match = re.search(pattern, text, re.MULTILINE)
    return text.count("\n", 0, match.start() + len(match[0])) + 1 if match else 1
