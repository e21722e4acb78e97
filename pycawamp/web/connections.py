"""The connections of the port, counted from accept on: before TLS, before HTTP."""

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
    """Counts connections, in all and for each address.

    A trusted proxy's connections, and those by a UNIX socket, count in all only: whose they are
    is known later.
    """

    def __init__(self, limits: ConnectionLimits, proxies: Proxies) -> None:
        self._limits = limits
        self._proxies = proxies
        self._by_address: Counter[str] = Counter()
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def full(self, address: IAddress | None) -> str | None:
        """Why an address may not have one connection more; None if it may."""
        key = self._key(address)
        if self._number >= self._limits.in_all:
            return "as many connections as may be"
        if key is not None and self._by_address[key] >= self._limits.per_address:
            return "as many connections of one address as may be"
        return None

    def enter(self, address: IAddress | None) -> ConnectionCount:
        """Count a new connection."""
        key = self._key(address)
        self._number += 1
        if key is not None:
            self._by_address[key] += 1
        return ConnectionCount(self, key)

    def leave(self, key: str | None) -> None:
        """Count a connection no more."""
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
    """Whose connections are counted together; None for those that count in all only."""
    _left: bool = False

    @property
    def is_scarce(self) -> bool:
        """Whether others may soon lack what this connection takes."""
        return self._connections.are_scarce(self.address)

    def leave(self) -> None:
        """Count it no more; a second time does nothing."""
        if not self._left:
            self._left = True
            self._connections.leave(self.address)


class RefusedConnection(Protocol):
    """A connection that is one too many, where a wrapper insists on a protocol for it."""

    def connectionMade(self) -> None:
        """Close it."""
        self.transport.abortConnection()  # type: ignore[union-attr]
