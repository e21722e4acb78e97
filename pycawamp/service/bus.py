"""Creation of bus clients from options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pycawamp.bus.client import ClientSettings
from pycawamp.bus.edge import Edge
from pycawamp.bus.slots import ShardKey
from pycawamp.config.command_line import refuse
from pycawamp.config.settings import PROVIDERS, BusSettings
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.interfaces import IBackend
from pycawamp.service.backends import BackendFactory


def client_settings(settings: BusSettings) -> ClientSettings:
    """Return the settings of a connection to the bus; exits if a file cannot be read."""
    user, password = "", ""
    if settings.login is not None:
        text = _read("bus-login", settings.login).decode(errors="replace").strip()
        user, colon, password = text.partition(":")
        if not colon or not user or "\n" in text:
            refuse(f"--bus-login: {settings.login}: expected one line with USER:PASSWORD")
    authorities = b""
    if settings.authorities is not None:
        authorities = _read("bus-ca", settings.authorities)
        if b"-----BEGIN CERTIFICATE-----" not in authorities:
            refuse(f"--bus-ca: {settings.authorities}: expected certificates (PEM)")
    return ClientSettings(settings.servers, settings.name, user, password, authorities)


def bus_edge(settings: BusSettings) -> tuple[ClientSettings, ShardKey]:
    """Return the settings of an edge; exits if a file cannot be read."""
    return client_settings(settings), settings.shard_key


def edge_backends(edge: Edge) -> Mapping[str, BackendFactory]:
    """Return the factories of the backends for all schemes whose PVs are received over the bus."""

    def factory(scheme: str) -> BackendFactory:
        def make(_reactor: Any, inbox: Inbox) -> IBackend:
            edge.use(inbox)
            return edge.scheme(scheme)

        return make

    return {scheme: factory(scheme) for scheme in PROVIDERS}


def _read(option: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        refuse(f"--{option}: cannot read {path}: {error.strerror}")
