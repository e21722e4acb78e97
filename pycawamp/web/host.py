"""The gateway's own host names; others may be used for DNS rebinding."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from ipaddress import ip_address

import attrs

from pycawamp.access.hosts import host_name

AUTHORITY = r"([\w.-]+|\[[0-9a-fA-F:.]+\])(?::(\d{1,5}))?"
"""A host name or address with an optional port; use it with `re.ASCII`."""
_AUTHORITY = re.compile(AUTHORITY, re.ASCII)
_PATTERN = re.compile(r"[\w*-]+(\.[\w*-]+)*\.?", re.ASCII)
_LOCAL = re.compile(r"(.+\.)?localhost")


@attrs.frozen
class Hosts:
    """Allows `localhost`, IP addresses, and names that match a pattern.

    Addresses cannot be rebound. If `restricted` is False, all hosts are allowed.
    """

    patterns: tuple[re.Pattern[str], ...] = ()
    restricted: bool = True

    @classmethod
    def of(cls, texts: Iterable[str] = (), restricted: bool = True) -> Hosts:
        """Return the hosts that match patterns such as `*.example.org`.

        Raises:
            ValueError: A pattern is invalid.
        """
        return cls(tuple(_compile(text) for text in texts), restricted)

    def and_names(self, names: Iterable[str]) -> Hosts:
        """Return these hosts and others."""
        added = tuple(re.compile(re.escape(host_name(name))) for name in sorted(names))
        return attrs.evolve(self, patterns=self.patterns + added)

    def allow(self, host: str) -> bool:
        """Return whether a Host header, with or without port, is allowed."""
        if not self.restricted:
            return True
        found = _AUTHORITY.fullmatch(host)
        if found is None:
            return False
        name = host_name(found[1])
        known = _is_address(name) or _LOCAL.fullmatch(name) is not None
        return known or any(pattern.fullmatch(name) for pattern in self.patterns)


def own_names() -> frozenset[str]:
    """Return the host names of this machine. Blocks while the full name is resolved."""
    name = host_name(socket.gethostname())
    short = name.partition(".")[0]
    return frozenset({name, short, f"{short}.local", host_name(socket.getfqdn())})


def _compile(text: str) -> re.Pattern[str]:
    if _PATTERN.fullmatch(text) is None:
        raise ValueError(text)
    # A star matches part of a name; the matched text has only characters of names.
    return re.compile(re.escape(host_name(text)).replace(r"\*", ".+"))


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
