"""The origins whose pages may open a WebSocket."""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

from pycawamp.web.host import AUTHORITY

_PORTS = {"http": 80, "https": 443}
_ORIGIN = re.compile(rf"(https?)://{AUTHORITY}", re.ASCII | re.IGNORECASE)
_PATTERN = re.compile(r"(https?)://([\w*.-]+|\[[0-9a-fA-F:.]+\])(?::(\d{1,5}|\*))?", re.ASCII)


@attrs.frozen
class Origins:
    """Allows the same origin, and origins that match a pattern.

    If `restricted` is False, all origins are allowed. Requests without an Origin are not from a
    browser, and are allowed.
    """

    restricted: bool = False
    patterns: tuple[re.Pattern[str], ...] = ()

    @classmethod
    def of(cls, restricted: bool, texts: Iterable[str] = ()) -> Origins:
        """Return the origins that match patterns such as `https://*.example.org`.

        Raises:
            ValueError: A pattern is invalid.
        """
        return cls(restricted, tuple(_compile(text) for text in texts))

    def allow(self, origin: str | None, host: str | None, schemes: Iterable[str]) -> bool:
        """Return whether pages of an origin may connect to this Host with one of these schemes."""
        if not self.restricted or origin is None:
            return True
        whole = _normal(origin)
        same = {_normal(f"{scheme}://{host}") for scheme in schemes} if host else set()
        if whole is not None and whole in same:
            return True
        return self.matches(origin)

    def matches(self, origin: str) -> bool:
        """Return whether an origin matches a pattern."""
        whole = _normal(origin) or origin
        return any(pattern.fullmatch(whole) for pattern in self.patterns)


def _compile(text: str) -> re.Pattern[str]:
    if text == "*":
        return re.compile(".*", re.DOTALL)
    if text == "null":
        return re.compile("null")
    found = _PATTERN.fullmatch(text)
    if found is None:
        raise ValueError(text)
    scheme, host, port = found.groups()
    port = port or str(_PORTS[scheme])
    # A star matches part of a host name, but not its delimiters.
    name = re.escape(host.lower()).replace(r"\*", r"[^/:\[\]@]+")
    return re.compile(rf"{scheme}://{name}:{port if port != '*' else '[0-9]+'}")


def _normal(origin: str) -> str | None:
    """Return an origin with its port, in lower case; None if it is not valid."""
    # Not by urlsplit, which removes tabs and line ends.
    found = _ORIGIN.fullmatch(origin)
    if found is None:
        return None
    scheme, host, port = found.groups()
    return f"{scheme}://{host}:{port or _PORTS[scheme.lower()]}".lower()
