"""Ports and environment of an IOC on the loopback interface."""

from __future__ import annotations

import os
import secrets
import socket

from attrs import frozen

LOOPBACK = "127.0.0.1"
# Linux assigns ports from 32768 on to outgoing connections. A lower port stays free while
# an IOC restarts, so that it can use the same again.
LOWEST, HIGHEST = 20_000, 32_000


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
        first, second = free_ports(), free_ports()
        ports = {first.server, first.repeater, second.server}
        return cls(*ports) if len(ports) == 3 else cls.free()

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
    server = _free_port()
    repeater = _free_port()
    return CAPorts(server, repeater) if server != repeater else free_ports()


def _free_port() -> int:
    while True:
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        if _is_free(port, socket.SOCK_STREAM) and _is_free(port, socket.SOCK_DGRAM):
            return port


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    # On all addresses, though only loopback is used, because a repeater binds all.
    with socket.socket(socket.AF_INET, kind) as candidate:
        try:
            candidate.bind(("", port))
        except OSError:
            return False
    return True
