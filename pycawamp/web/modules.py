"""Joins ES modules into one script, so that a page loads with a handful of requests.

It knows the few forms that the modules here have; ESLint refuses the others (js/eslint.config.js).
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
_OTHER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


class ModuleError(Exception):
    """A module cannot be joined; the text says which and why."""


class Bundler:
    """Joins the modules that an entry of a folder needs, but for other entries.

    Each module becomes a function that is called once, in the order of the imports. Other
    entries stay imports, so that whatever a page imports of them is one object.
    """

    def __init__(self, folder: Path, entries: Container[str]) -> None:
        self._folder = folder
        self._entries = entries

    def bundle(self, entry: str) -> str:
        """One module that exports what the entry does; ModuleError.

        `entry` is a path in the folder, such as `console/main.js`.
        """
        modules: dict[str, str] = {}
        imported: dict[str, None] = {}
        body = self._module(entry, entry, modules, imported, ())
        start = os.path.dirname(entry) or "."
        imports = (
            f'import * as {_name(each)} from "{_reference(os.path.relpath(each, start))}";\n'
            for each in imported
        )
        return "".join((*imports, *modules.values(), body))

    def _module(
        self,
        path: str,
        entry: str,
        modules: dict[str, str],
        imported: dict[str, None],
        above: tuple[str, ...],
    ) -> str:
        """The text of a module; those that it needs are added to `modules` before."""
        if path in above:
            raise ModuleError(
                f"modules import each other in a circle: {' → '.join((*above, path))}"
            )
        try:
            text = (self._folder / path).read_text(encoding="utf-8")
        except OSError as error:
            raise ModuleError(f"{' → '.join((*above, path))}: {error}") from None
        for found in (*_IMPORT.finditer(text), *_REEXPORT.finditer(text)):
            target = _target(path, found[2])
            if target in self._entries and target != entry:
                imported.setdefault(target)
            elif target not in modules:
                inner = self._module(target, entry, modules, imported, (*above, path))
                modules[target] = inner
        return self._joined(path, text, whole=path == entry)

    def _joined(self, path: str, text: str, whole: bool) -> str:
        other = _OTHER.search(_EXPORT.sub("", _REEXPORT.sub("", _IMPORT.sub("", text))))
        if other is not None:
            raise ModuleError(f"{path}: this form of import or export is not known: {other[0]}")
        export = "export " if whole else ""

        def bound(prefix: str, found: re.Match[str]) -> str:
            names = found[1].replace(" as ", ": ")
            return f"{prefix}const {{{names}}} = {_name(_target(path, found[2]))};"

        exported = [_exported_names(found[1]) for found in _REEXPORT.finditer(text)]
        exported += [found[1] for found in _EXPORT.finditer(text)]
        text = _IMPORT.sub(lambda found: bound("", found), text)
        text = _REEXPORT.sub(lambda found: bound(export, found), text)
        if whole:
            return text
        inner = _EXPORT.sub("", text)
        return (
            f"const {_name(path)} = (() => {{\n{inner}return {{ {', '.join(exported)} }};\n}})();\n"
        )


def _exported_names(names: str) -> str:
    """Of `A, B as C` what others import: `A, C`."""
    return ", ".join(name.split(" as ")[-1].strip() for name in names.split(",") if name.strip())


def _target(path: str, reference: str) -> str:
    return os.path.normpath(os.path.join(os.path.dirname(path), reference))


def _reference(path: str) -> str:
    return path if path.startswith(".") else f"./{path}"


def _name(path: str) -> str:
    """What the exports of a module are called in a bundle."""
    return "$" + re.sub(r"\W", "_", path.removesuffix(".js"))
