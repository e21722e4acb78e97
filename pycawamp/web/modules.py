"""Joins ES modules into one script, so that a page loads with few requests.

Only some forms of import and export are supported; ESLint reports others (js/eslint.config.js).
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Container
from pathlib import Path

_FROM = r'\{([^{}]*)\} from "(\.[^"]+)";'
_IMPORT = re.compile(rf"^import {_FROM}", re.MULTILINE)
_REEXPORT = re.compile(rf"^export {_FROM}", re.MULTILINE)
_EXPORT = re.compile(
    r"^export (?=(?:const|class|function\*?|async function\*?) (\w+))", re.MULTILINE
)
_COMMENT = re.compile(r"^[ \t]*(?:/\*\*(?:[^*]|\*(?!/))*\*/|//.*)\n", re.MULTILINE)
"""A comment on lines of its own."""
_OTHER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


class ModuleError(Exception):
    """A module cannot be joined; the text is the reason."""


class Bundle:
    """The module `entry` of a folder, joined with those that it imports except for other entries.

    Comments on lines of their own are left out.

    Each module becomes a function that is called once, in the order of imports. Other entries are
    still imported, so that their exports are the same objects for all scripts of a page.

    Raises:
        ModuleError: A module has an unsupported form of import or export.
    """

    def __init__(self, folder: Path, entry: str, entries: Container[str]) -> None:
        self._folder = folder
        self._entry = entry
        self._entries = entries
        self._imports: dict[str, str] = {}
        self._modules: dict[str, str] = {}
        body = _with_constants(entry, self._read(entry, ()))
        self.text = "".join((*self._imports.values(), *self._modules.values(), body))

    def _read(self, path: str, above: tuple[str, ...]) -> str:
        """Return the text of a module, after adding those that it imports."""
        way = (*above, path)
        if path in above:
            raise ModuleError(f"circular import: {' → '.join(way)}")
        try:
            text = _COMMENT.sub("", (self._folder / path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ModuleError(f"{' → '.join(way)}: {error}") from None
        other = _OTHER.search(_EXPORT.sub("", _REEXPORT.sub("", _IMPORT.sub("", text))))
        if other is not None:
            raise ModuleError(f"{path}: unsupported form of import or export: {other[0]}")
        for found in (*_IMPORT.finditer(text), *_REEXPORT.finditer(text)):
            self._add(_target(path, found[2]), way)
        return text

    def _add(self, path: str, above: tuple[str, ...]) -> None:
        if path in self._entries and path != self._entry:
            where = os.path.relpath(path, os.path.dirname(self._entry) or ".")
            reference = where if where.startswith(".") else f"./{where}"
            self._imports[path] = f'import * as {_name(path)} from "{reference}";\n'
        elif path not in self._modules:
            self._modules[path] = _as_function(path, self._read(path, above))


def _as_function(path: str, text: str) -> str:
    """Return a module as a constant: the object with its exports."""
    exported = [name for found in _REEXPORT.finditer(text) for name in _names(found[1])]
    exported += [found[1] for found in _EXPORT.finditer(text)]
    inner = re.sub(r"^export ", "", _with_constants(path, text), flags=re.MULTILINE)
    return f"const {_name(path)} = (() => {{\n{inner}return {{ {', '.join(exported)} }};\n}})();\n"


def _with_constants(path: str, text: str) -> str:
    """Return the text of a module that uses the constants of other modules for imports."""

    def constants(found: re.Match[str]) -> str:
        return f"const {{{found[1].replace(' as ', ': ')}}} = {_name(_target(path, found[2]))};"

    text = _IMPORT.sub(constants, text)
    return _REEXPORT.sub(lambda found: f"export {constants(found)}", text)


def _names(text: str) -> list[str]:
    """Return the exported names of `A, B as C`: A and C."""
    return [name.split(" as ")[-1].strip() for name in text.split(",") if name.strip()]


def _target(path: str, reference: str) -> str:
    return os.path.normpath(os.path.join(os.path.dirname(path), reference))


def _name(path: str) -> str:
    """Return the name of the constant of a module."""
    return "$" + re.sub(r"\W", "_", path.removesuffix(".js"))
