"""Sets of client hosts, for HAG and DENY FROM."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from functools import lru_cache

from attrs import evolve, frozen

#: Returns the addresses of a host name.
Lookup = Callable[[str], Iterable[str]]


@lru_cache(maxsize=4096)
def address(text: str) -> str | None:
    """Return the canonical form of an IP address (`::ffff:10.0.0.1` is `10.0.0.1`), else None.

    Cached, since it is used for each decision, for few distinct clients.
    """
    try:
        found = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)


def network_key(host: str) -> str:
    """Return the network that limits apply to: the address, or the /64 of an IPv6 address."""
    plain = address(host)
    if plain is None or ":" not in plain:
        return plain or host
    return str(int(ipaddress.ip_address(plain.partition("%")[0])) >> 64)


def host_name(text: str) -> str:
    """Return the canonical form of a host name: lower case, without a trailing dot."""
    return text.lower().removesuffix(".")


@frozen
class HostSet:
    """A set of hosts: names and addresses, and the addresses of the names."""

    names: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    resolved: frozenset[str] = frozenset()

    @classmethod
    def of(cls, entries: Iterable[str]) -> HostSet:
        """Return the set of these names and addresses."""
        # A file may contain ""; it matches no client.
        found = {entry: address(entry) for entry in entries if host_name(entry)}
        return cls(
            frozenset(host_name(entry) for entry, known in found.items() if known is None),
            frozenset(known for known in found.values() if known is not None),
        )

    def __or__(self, other: HostSet) -> HostSet:
        return HostSet(
            self.names | other.names,
            self.addresses | other.addresses,
            self.resolved | other.resolved,
        )

    def look_up(self, lookup: Lookup) -> HostSet:
        """Return this set with the current addresses of its names."""
        found = (address(one) for name in sorted(self.names) for one in lookup(name))
        return evolve(self, resolved=frozenset(one for one in found if one is not None))

    def has(self, host: str, name: str | None) -> bool:
        """Return whether a client with this address or name is in the set."""
        at = address(host)
        if at is not None and (at in self.addresses or at in self.resolved):
            return True
        # A peer without an address (a UNIX socket) is identified by its name.
        return (at is None and host_name(host) in self.names) or (
            name is not None and host_name(name) in self.names
        )

    def may_have(self, host: str, name: str | None) -> bool:
        """Like `has`, but `scope` matches `scope.lab.example` too. For refusals only."""
        if self.has(host, name):
            return True
        full = name if name is not None else ("" if address(host) else host)
        return host_name(full).partition(".")[0] in self.names
