"""Sets of client hosts, as ``HAG`` and ``DENY FROM`` list them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from functools import lru_cache

from attrs import evolve, frozen

#: The addresses of a host name; none when it has none.
Lookup = Callable[[str], Iterable[str]]


@lru_cache(maxsize=4096)
def address(text: str) -> str | None:
    """One spelling for each IP address: ``::ffff:10.0.0.1`` is ``10.0.0.1``. None: not an address.

    Cached: it is asked for at each decision, and a gateway has few distinct clients.
    """
    try:
        found = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)


def network_key(host: str) -> str:
    """Whom an address stands for: an IPv6 client has the whole /64 that its own is in."""
    plain = address(host)
    if plain is None or ":" not in plain:
        return plain or host
    return str(int(ipaddress.ip_address(plain.partition("%")[0])) >> 64)


def host_name(text: str) -> str:
    """A host name in the spelling that is compared: lower case, without the root's dot."""
    return text.lower().removesuffix(".")


@frozen
class HostSet:
    """The hosts of one group: names and addresses as listed, and the addresses of the names."""

    names: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    resolved: frozenset[str] = frozenset()

    @classmethod
    def of(cls, entries: Iterable[str]) -> HostSet:
        """The hosts with these names or addresses."""
        # "" may be quoted in a file; no client is meant by it.
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
        """This set, matching the addresses that its names have now as well."""
        found = (address(one) for name in sorted(self.names) for one in lookup(name))
        return evolve(self, resolved=frozenset(one for one in found if one is not None))

    def has(self, host: str, name: str | None) -> bool:
        """Whether the client at this address, or of this name, is listed; names compare whole."""
        at = address(host)
        if at is not None and (at in self.addresses or at in self.resolved):
            return True
        # Without an address (a UNIX socket), what the transport calls the peer is its name.
        return (at is None and host_name(host) in self.names) or (
            name is not None and host_name(name) in self.names
        )

    def may_have(self, host: str, name: str | None) -> bool:
        """Like `has`, but a listed ``scope`` means ``scope.lab.example`` too: for refusals only."""
        if self.has(host, name):
            return True
        full = name if name is not None else ("" if address(host) else host)
        return host_name(full).partition(".")[0] in self.names
