"""Whether a class of a library has what the gateway uses of it beyond its public API."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from types import FunctionType


class InternalsError(Exception):
    """A library's version differs from those that the gateway was tested with."""


def check_internals(distribution: str, kind: type, names: Iterable[str]) -> None:
    """Raise InternalsError if a class does not know some attributes.

    An attribute is known if the class has it, or one of its methods uses it.
    """
    known = set(dir(kind))
    for base in kind.__mro__:
        for function in vars(base).values():
            if isinstance(function, FunctionType):
                known.update(function.__code__.co_names)
    missing = sorted(set(names) - known)
    if missing:
        raise InternalsError(
            f"{distribution} {version(distribution)} cannot be used: its {kind.__name__} lacks "
            f"{', '.join(missing)}; setup.cfg names the versions that can"
        )
