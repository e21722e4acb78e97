"""Ports and environment of an IOC on the loopback interface."""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import os
import random
import socket
from collections.abc import Iterator

from attrs import frozen

LOOPBACK = "127.0.0.1"
# Linux assigns ports from 32768 on to outgoing connections. A lower port stays free while
# an IOC restarts, so that it can use the same again.
LOWEST, HIGHEST = 20_000, 32_000
BLOCK = 200


@frozen
class CAPorts:
    """The port of a Channel Access server (TCP and UDP), and the UDP port of its repeater."""

    server: int
    repeater: int

    def client_environment(self) -> dict[str, str]:
        """Return the environment variables with which libca finds this server only."""
        return {
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
            "EPICS_CA_ADDR_LIST": f"{LOOPBACK}:{self.server}",
            "EPICS_CA_NAME_SERVERS": "",
            "EPICS_CA_REPEATER_PORT": str(self.repeater),
        }

    def ioc_environment(self) -> dict[str, str]:
        """Return the environment of this process without those of EPICS, for an IOC on loopback."""
        others = {
            name: text for name, text in os.environ.items() if not name.startswith("EPICS_CA")
        }
        return {**others, **self.server_environment()}

    def server_environment(self) -> dict[str, str]:
        """Return the environment variables with which an IOC and its CA links use loopback only."""
        return {
            **self.client_environment(),
            "EPICS_CAS_SERVER_PORT": str(self.server),
            "EPICS_CAS_INTF_ADDR_LIST": LOOPBACK,
            "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
            "EPICS_CAS_BEACON_ADDR_LIST": LOOPBACK,
            "EPICS_CAS_BEACON_PORT": str(self.repeater),
        }


@frozen
class PVAPorts:
    """Ports of a pvAccess server: TCP, UDP for searches, and UDP for its beacons."""

    server: int
    search: int
    beacons: int

    @classmethod
    def free(cls) -> PVAPorts:
        """Return ports that are currently unused."""
        return cls(free_port(), free_port(), free_port())

    def client_environment(self, *others: PVAPorts) -> dict[str, str]:
        """Return the environment variables with which a client finds these servers only."""
        addresses = [f"{LOOPBACK}:{ports.search}" for ports in (self, *others)]
        return {
            "EPICS_PVA_AUTO_ADDR_LIST": "NO",
            "EPICS_PVA_ADDR_LIST": " ".join(addresses),
            "EPICS_PVA_NAME_SERVERS": "",
            "EPICS_PVA_INTF_ADDR_LIST": LOOPBACK,
            "EPICS_PVA_BROADCAST_PORT": str(self.beacons),
        }

    def server_environment(self) -> dict[str, str]:
        """Return the environment variables with which a server uses loopback only."""
        return {
            **self.client_environment(),
            "EPICS_PVA_SERVER_PORT": str(self.server),
            "EPICS_PVAS_INTF_ADDR_LIST": LOOPBACK,
            "EPICS_PVAS_SERVER_PORT": str(self.server),
            "EPICS_PVAS_BROADCAST_PORT": str(self.search),
            "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
            "EPICS_PVAS_BEACON_ADDR_LIST": f"{LOOPBACK}:{self.beacons}",
        }


def free_ports() -> CAPorts:
    """Return two different ports that are currently unused."""
    return CAPorts(free_port(), free_port())


def free_port() -> int:
    """Return a port that is currently unused, and that no other process here is about to use.

    Until the port is used, other processes that call this function get other ports.
    """
    # Each process has its own block, even a fork.
    for port in itertools.islice(_reserved(os.getpid()).ports, BLOCK):
        if _is_free(port):
            return port
    raise OSError(errno.EADDRINUSE, f"all {BLOCK} ports for IOCs of this process are in use")


@frozen
class _Reserved:
    """The block of ports that this process uses, and the mark that reserves it."""

    ports: Iterator[int]
    mark: socket.socket | None


@functools.cache
def _reserved(_process: int) -> _Reserved:
    blocks = [range(first, first + BLOCK) for first in range(LOWEST, HIGHEST, BLOCK)]
    random.shuffle(blocks)
    for block in blocks:
        with contextlib.suppress(FileExistsError):
            return _Reserved(itertools.cycle(block), _mark(block))
    raise OSError(errno.EADDRINUSE, f"{len(blocks)} processes have reserved ports for IOCs")


def _mark(block: range) -> socket.socket | None:
    """Reserve a block; return None if that is not possible on this system.

    Raises:
        FileExistsError: Another process has it.
    """
    try:
        mark = socket.socket(socket.AF_UNIX)
    except OSError:
        # Some sandboxes have no UNIX sockets.
        return None
    try:
        # An abstract name (unix(7)), which ends with this process.
        mark.bind(f"\0pycaserver-ports-{block.start}")
    except OSError as error:
        mark.close()
        if error.errno == errno.EADDRINUSE:
            raise FileExistsError from None
        return None
    return mark


def _is_free(port: int) -> bool:
    return all(_can_bind(port, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM))


def _can_bind(port: int, kind: socket.SocketKind) -> bool:
    # On all addresses, though only loopback is used, because a repeater binds all.
    with socket.socket(socket.AF_INET, kind) as candidate:
        try:
            candidate.bind(("", port))
        except OSError:
            return False
    return True
