"""Parsing of the command line. No I/O except --help."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping, Sequence

import attrs

from pycawamp.client.parser import make_parser
from pycawamp.client.show import Style
from pycawamp.client.target import Target


@attrs.frozen
class Arguments:
    """The parsed command line."""

    command: str
    target: Target
    names: tuple[str, ...]
    values: tuple[str, ...] = ()
    """Values to put."""
    style: Style = attrs.Factory(Style)
    json: bool = False
    terse: bool = False
    """Print values without names."""
    wide: bool = False
    """For get: print time stamp and alarm too."""
    timeout: float = 10.0
    """Seconds."""
    count: int | None = None
    """For monitor: end after this number of updates."""
    max_rate: float | None = None
    history: float = 0
    """For monitor: first print the updates of this number of seconds before."""
    array: bool = False
    """For put: the number of elements, then the elements."""
    wait: bool = True
    """For put: wait until the record has finished processing."""


def parse(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> Arguments:
    """Parse argv; print one line to stderr and exit with status 1 if it is invalid."""
    parser = make_parser()
    # A negative number is a value, not an option; argparse recognizes only plain decimals.
    found, rest = parser.parse_known_args([_escaped(each) for each in argv])
    if any(each.startswith("-") for each in rest):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        target = _target(found, environment)
    except ValueError as error:
        parser.error(str(error))
    names, values = _words(found, rest)
    given = {key: value for key, value in vars(found).items() if key in _AS_THEY_ARE}
    return Arguments(target=target, names=names, values=values, style=_style(found), **given)


_AS_THEY_ARE = {field.name for field in attrs.fields(Arguments)} - {
    *("target", "names", "values", "style"),
}


def _words(found: Namespace, rest: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names and values; `rest` has those that follow options between them."""
    if found.command == "put":
        return (found.pv,), tuple(map(_restored, found.values + rest))
    return (*found.pvs, *rest), ()


def _escaped(text: str) -> str:
    return f" {text}" if _is_negative(text) else text


def _is_negative(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.startswith("-")


def _restored(text: str) -> str:
    return text[1:] if _is_negative(text[1:]) else text


def _target(found: Namespace, environment: Mapping[str, str]) -> Target:
    user, _, password = (found.user or "").partition(":")
    return Target(
        found.url,
        user=user or None,
        password=password or environment.get("PYCASERVER_PASSWORD", ""),
        token=found.token or environment.get("PYCASERVER_TOKEN"),
        verify=not found.insecure,
        authorities=found.ca,
    )


def _style(found: Namespace) -> Style:
    chosen = vars(found)
    return Style(
        numbers=chosen.get("numbers", False),
        long_strings=chosen.get("long_strings", False),
        floats=chosen.get("floats"),
        max_elements=chosen.get("max_elements"),
    )
