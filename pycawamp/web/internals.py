"""Check that a class of a library has what the gateway uses beyond its public API."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from types import FunctionType


class InternalsError(Exception):
    """A library's version is not supported."""


def check_internals(distribution: str, kind: type, names: Iterable[str]) -> None:
    """Check that a class has some attributes, or uses them in its methods.

    Raises:
        InternalsError: One is missing.
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
            f"{', '.join(missing)}; setup.cfg lists the supported versions"
        )
