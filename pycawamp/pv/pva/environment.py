"""The EPICS_PVA_* environment variables: where to search, and timeouts."""

from __future__ import annotations

import fcntl
import ipaddress
import math
import socket
import struct
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import attrs

Address: TypeAlias = tuple[str, int]

SERVER_PORT = 5075
BROADCAST_PORT = 5076
TIMEOUT = 30.0
"""Seconds; the default of EPICS_PVA_CONN_TMO."""
_SIOCGIFBRDADDR = 0x8919


@attrs.frozen
class Environment:
    """Where to search for servers."""

    addresses: tuple[tuple[Address, bool], ...] = ()
    """Addresses to search by UDP, and whether each is a unicast address."""
    name_servers: tuple[Address, ...] = ()
    """Addresses to search by TCP."""
    beacons: tuple[Address, ...] = ()
    """Addresses on which to receive beacons."""
    timeout: float = TIMEOUT
    """Seconds without a message after which a connection is lost."""

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Environment:
        """Read the environment. Blocks while host names are resolved.

        Raises:
            ValueError: A variable is invalid; the text says which and why.
        """
        port = _port_of(variables, "EPICS_PVA_BROADCAST_PORT", BROADCAST_PORT)
        addresses = list(_listed(variables, "EPICS_PVA_ADDR_LIST", port))
        if variables.get("EPICS_PVA_AUTO_ADDR_LIST", "YES").strip().upper() != "NO":
            addresses += [(host, port) for host in broadcast_addresses()]
        server_port = _port_of(variables, "EPICS_PVA_SERVER_PORT", SERVER_PORT)
        found = broadcast_addresses()
        broadcasts = {*found, "255.255.255.255"}
        # Not on all addresses: searches for a server of this computer would come here.
        listed = tuple(_listed(variables, "EPICS_PVA_INTF_ADDR_LIST", port))
        return cls(
            tuple(
                (address, address[0] not in broadcasts and not _is_multicast(address[0]))
                for address in dict.fromkeys(addresses)
            ),
            tuple(_listed(variables, "EPICS_PVA_NAME_SERVERS", server_port)),
            listed or tuple((host, port) for host in found),
            _seconds(variables.get("EPICS_PVA_CONN_TMO", "")),
        )


def _listed(variables: Mapping[str, str], name: str, default: int) -> Iterator[Address]:
    for entry in variables.get(name, "").replace(",", " ").split():
        host, _, port = entry.partition(":")
        try:
            yield socket.gethostbyname(host), _port(name, port, default)
        except OSError as error:
            raise ValueError(f"{name}: {host}: {error.strerror or error}") from None


def _port_of(variables: Mapping[str, str], name: str, default: int) -> int:
    return _port(name, variables.get(name, ""), default)


def _port(name: str, text: str, default: int) -> int:
    if not text.strip():
        return default
    if not text.strip().isdecimal() or not 0 < int(text) < 1 << 16:
        raise ValueError(f"{name}: expected a port number, got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text) if text.strip() else TIMEOUT
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ValueError(f"EPICS_PVA_CONN_TMO: expected seconds, got {text!r}")
    return max(seconds, 1.0) * 4 / 3


def _is_multicast(host: str) -> bool:
    return ipaddress.ip_address(host).is_multicast


def broadcast_addresses() -> list[str]:
    """Return the broadcast addresses of this computer's interfaces."""
    found: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFBRDADDR, request)
            except OSError:
                continue
            host = socket.inet_ntoa(answer[20:24])
            if host != "0.0.0.0":
                found.append(host)
    return list(dict.fromkeys(found))
