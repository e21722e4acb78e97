"""Trusted reverse proxies."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

import attrs
from twisted.web.http_headers import Headers

from pycawamp.access.hosts import address

Network: TypeAlias = IPv4Network | IPv6Network
UNIX = "unix"
"""Stands for clients of a UNIX socket."""


@attrs.frozen
class Proxies:
    """The addresses of proxies whose X-Forwarded headers are used."""

    networks: tuple[Network, ...] = ()
    unix: bool = False
    user_header: str | None = None
    """The header in which a proxy names the user who logged in to it."""

    @classmethod
    def of(cls, texts: Sequence[str], user_header: str | None = None) -> Proxies:
        """Return the proxies with these addresses, networks (10.0.0.0/8) or `unix`.

        Raises:
            ValueError: A text is not an address.
        """
        networks = tuple(ip_network(text) for text in texts if text != UNIX)
        return cls(networks, UNIX in texts, user_header)

    def trusts(self, peer: str) -> bool:
        """Return whether this address ("": a UNIX socket) is that of a trusted proxy."""
        if not peer:
            return self.unix
        if not self.networks:
            return False
        plain = address(peer)
        if plain is None:
            return False
        at = ip_address(plain)
        return any(at in network for network in self.networks if network.version == at.version)

    def host(self, peer: str, headers: Headers) -> str:
        """Return the client's address: the last in X-Forwarded-For that is not a trusted proxy.

        Those before it may be forged by the client.
        """
        host = peer
        for claimed in reversed(_list(headers, "X-Forwarded-For")):
            if not self.trusts(host):
                break
            at = address(_without_port(claimed))
            if at is None:
                break
            host = at
        return host

    def user(self, peer: str, headers: Headers) -> str | None:
        """Return the user in the proxy's header, if any.

        Raises:
            ValueError: There are several headers, or the name is invalid.
        """
        if self.user_header is None or not self.trusts(peer):
            return None
        named = headers.getRawHeaders(self.user_header, [])
        if len(named) > 1:
            raise ValueError(f"more than one {self.user_header} header")
        user = named[0].strip() if named else ""
        if not user.isprintable():
            raise ValueError(f"the {self.user_header} header is not a valid user name")
        return user or None

    def web_hosts(self, peer: str, headers: Headers) -> list[str]:
        """Return the requested host names, that of the browser last.

        A proxy sends it in X-Forwarded-Host, and may have another name in Host.
        """
        hosts = headers.getRawHeaders("Host", [])
        return [*hosts, *(_list(headers, "X-Forwarded-Host") if self.trusts(peer) else [])]

    def schemes(self, peer: str, headers: Headers, secure: bool) -> tuple[str, ...]:
        """Return the possible schemes of the browser: http, https, or both if not known."""
        if not self.trusts(peer):
            return ("https",) if secure else ("http",)
        protocols = _list(headers, "X-Forwarded-Proto")
        return (protocols[-1].lower(),) if protocols else ("http", "https")


def _list(headers: Headers, name: str) -> list[str]:
    values = headers.getRawHeaders(name, [])
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
