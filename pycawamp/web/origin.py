"""Which pages may open a WebSocket: a browser sends a user's login whichever page asks."""

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
    """Lets pages of the same origin in, and those that match a pattern.

    Not restricted, all are let in. What sends no Origin is no browser, and is let in.
    """

    restricted: bool = False
    patterns: tuple[re.Pattern[str], ...] = ()

    @classmethod
    def of(cls, restricted: bool, texts: Iterable[str] = ()) -> Origins:
        """Origins by patterns such as `https://*.example.org`; ValueError for other texts."""
        return cls(restricted, tuple(_compile(text) for text in texts))

    def allow(self, origin: str | None, host: str | None, schemes: Iterable[str]) -> bool:
        """Whether a page of this origin may come to this Host by one of these schemes."""
        if not self.restricted or origin is None:
            return True
        whole = _normal(origin)
        same = {_normal(f"{scheme}://{host}") for scheme in schemes} if host else set()
        if whole is not None and whole in same:
            return True
        return self.matches(origin)

    def matches(self, origin: str) -> bool:
        """Whether a pattern says that pages of this origin may come."""
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
    # A star stands for part of a host name, and never for what ends it.
    name = re.escape(host.lower()).replace(r"\*", r"[^/:\[\]@]+")
    return re.compile(rf"{scheme}://{name}:{port if port != '*' else '[0-9]+'}")


def _normal(origin: str) -> str | None:
    """An origin with its port written out, in lower case; None if it is none."""
    # Not by urlsplit, which drops tabs and line ends wherever they are.
    found = _ORIGIN.fullmatch(origin)
    if found is None:
        return None
    scheme, host, port = found.groups()
    return f"{scheme}://{host}:{port or _PORTS[scheme.lower()]}".lower()
