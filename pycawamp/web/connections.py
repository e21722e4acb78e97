"""The TCP connections, counted from accept on."""

from __future__ import annotations

from collections import Counter

import attrs
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol

from pycawamp.access.hosts import network_key
from pycawamp.web.proxy import Proxies


@attrs.frozen
class ConnectionLimits:
    """Limits of connections of any kind."""

    in_all: int = 10_000
    per_address: int = 2000


class Connections:
    """Counts connections, in total and per address.

    Connections of a trusted proxy and of a UNIX socket only count in total, because their clients
    are not known yet.
    """

    def __init__(self, limits: ConnectionLimits, proxies: Proxies) -> None:
        self._limits = limits
        self._proxies = proxies
        self._by_address: Counter[str] = Counter()
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def full(self, address: IAddress | None) -> str | None:
        """Return the reason why an address may not have another connection; None if it may."""
        key = self._key(address)
        if self._number >= self._limits.in_all:
            return "the limit of connections is reached"
        if key is not None and self._by_address[key] >= self._limits.per_address:
            return "the limit of connections per address is reached"
        return None

    def enter(self, address: IAddress | None) -> ConnectionCount:
        """Count a new connection."""
        key = self._key(address)
        self._number += 1
        if key is not None:
            self._by_address[key] += 1
        return ConnectionCount(self, key)

    def leave(self, key: str | None) -> None:
        """Remove a connection."""
        self._number -= 1
        if key is not None:
            self._by_address[key] -= 1
            if not self._by_address[key]:
                del self._by_address[key]

    def are_scarce(self, key: str | None) -> bool:
        """Whether more than half of the allowed connections are in use."""
        limits = self._limits
        of_address = 0 if key is None else self._by_address[key]
        return 2 * self._number > limits.in_all or 2 * of_address > limits.per_address

    def _key(self, address: IAddress | None) -> str | None:
        host = getattr(address, "host", None)
        return None if host is None or self._proxies.trusts(host) else network_key(host)


@attrs.define(eq=False)
class ConnectionCount:
    """The count of one connection."""

    _connections: Connections
    address: str | None
    """Connections with the same address are counted together; None: only in total."""
    _left: bool = False

    @property
    def is_scarce(self) -> bool:
        """Whether connections are scarce, in total or for this address."""
        return self._connections.are_scarce(self.address)

    def leave(self) -> None:
        """Remove the connection; repeated calls do nothing."""
        if not self._left:
            self._left = True
            self._connections.leave(self.address)


class RefusedConnection(Protocol):
    """A protocol for connections above the limit, if a wrapper requires one."""

    def connectionMade(self) -> None:
        """Close it."""
        self.transport.abortConnection()  # type: ignore[union-attr]
