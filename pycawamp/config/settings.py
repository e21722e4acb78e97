"""The validated settings."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path

import attrs

from pycawamp.access import Syntax, Writers
from pycawamp.bus.client import Server
from pycawamp.bus.slots import ShardKey
from pycawamp.sessions.limits import Limits
from pycawamp.web.authentication import AuthenticationRules
from pycawamp.web.channel import HTTPLimits
from pycawamp.web.login import LoginFiles
from pycawamp.web.reports import ReportReaders
from pycawamp.web.websocket import SocketLimits

PROVIDERS = ("ca", "pva")
"""The schemes of the protocols that PVs come by."""


@attrs.frozen
class GatewaySettings:
    """Settings of a gateway; all times in seconds."""

    connect_timeout: float = 5.0
    """When a client is told that a PV was not found."""
    linger: float = 10.0
    """How long a channel stays open after its last client left."""
    history: float = 0.0
    """History that is kept of each PV that holds a number; 0: none."""
    archiver: str | None = None
    """URL of the data retrieval of an EPICS Archiver Appliance."""
    own_repeater: bool = False
    """Whether a CA repeater, if one must be started, ends with the gateway."""
    default_provider: str = PROVIDERS[0]
    """The scheme of names that have none."""
    put_log: str | None = None
    """The file that gets a line for each put; None: the ordinary log."""
    socket: SocketLimits = attrs.Factory(SocketLimits)
    limits: Limits = attrs.Factory(Limits)


DIALECTS = ("pvws", "epics2web")
"""The protocols of other gateways; each is served under its name."""


@attrs.frozen
class DialectSettings:
    """Settings of the protocols of other gateways; all times in seconds."""

    names: tuple[str, ...] = DIALECTS
    """Those that are served."""
    pvws_throttle: float = 1.0
    """The least time between two updates of a PV that is a scalar; 0: all are sent."""
    pvws_array_throttle: float = 10.0
    """The same for arrays."""


class LogFormat(Enum):
    """The form of the log's lines."""

    TEXT = "text"
    JSON = "json"


@attrs.frozen
class LogSettings:
    """Settings of the log."""

    format: LogFormat = LogFormat.TEXT
    level: str = "info"
    """The least level: debug, info, warn, error or critical."""
    access: bool = False
    """Whether each HTTP request gets a line."""


@attrs.frozen
class ConsoleSettings:
    """What can be set of the console."""

    layouts: str | None = None
    """The folder with layouts."""
    names: str | None = None
    """The file with names of PVs to offer."""
    channelfinder: str | None = None
    """The URL of a ChannelFinder service."""


@attrs.frozen
class BusSettings:
    """Where the bus is, and who connects to it."""

    servers: Sequence[Server]
    name: str
    login: Path | None = None
    """A file with user and password."""
    authorities: Path | None = None
    """A file with certificates."""
    shard_key: ShardKey = attrs.Factory(ShardKey)


@attrs.frozen
class Settings:
    """All settings."""

    ports: tuple[str, ...] = ("tcp:8888",)
    """Twisted endpoint descriptions."""
    demo: bool = False
    pvlist: str | None = None
    pvlist_syntax: Syntax | None = None
    access: str | None = None
    writers: Writers | None = None
    """Who may write, if no access file says so; None: puts are off."""
    logins: LoginFiles | None = None
    rules: AuthenticationRules = attrs.Factory(AuthenticationRules)
    report_readers: ReportReaders = ReportReaders.LOCAL
    """Who may see the pages about the gateway itself."""
    http: HTTPLimits = attrs.Factory(HTTPLimits)
    dialects: DialectSettings = attrs.Factory(DialectSettings)
    console: ConsoleSettings = attrs.Factory(ConsoleSettings)
    drain_time: float = 0.0
    """Seconds over which clients are asked to leave before the gateway stops."""
    log: LogSettings = attrs.Factory(LogSettings)
    gateway: GatewaySettings = attrs.Factory(GatewaySettings)
    bus: BusSettings | None = None
    """Where PVs come from; None: from IOCs."""


@attrs.frozen
class IngestSettings:
    """What the command line of an ingest asked for."""

    bus: BusSettings
    gateway: GatewaySettings
    """What it has in common with a gateway: where PVs come from, limits, the put log."""
    pvlist: str | None
    pvlist_syntax: Syntax | None
    access: str | None
    writers: Writers | None
    log: LogSettings
