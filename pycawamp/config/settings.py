"""Settings, which are valid."""

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
"""The schemes of the protocols of IOCs."""


@attrs.frozen
class GatewaySettings:
    """Settings of a gateway; all times in seconds."""

    connect_timeout: float = 5.0
    """Time until a PV that no IOC has answered for is reported as not found."""
    linger: float = 10.0
    """Time for which a channel stays open after its last client has left."""
    history: float = 0.0
    """History to keep of each PV whose value is a number; 0: none."""
    archiver: str | None = None
    """The data_retrieval_url of an EPICS Archiver Appliance; None: no archiver."""
    own_repeater: bool = False
    """Whether a CA repeater that the gateway starts ends with the gateway."""
    default_provider: str = PROVIDERS[0]
    """The scheme of names without one."""
    put_log: str | None = None
    """The file to log puts to; None: the ordinary log."""
    socket: SocketLimits = attrs.Factory(SocketLimits)
    limits: Limits = attrs.Factory(Limits)


DIALECTS = ("pvws", "epics2web")
"""The protocols of other gateways; each is served under its name."""


@attrs.frozen
class DialectSettings:
    """Settings of the protocols of other gateways; all times in seconds."""

    names: tuple[str, ...] = DIALECTS
    """The protocols to serve."""
    pvws_throttle: float = 1.0
    """Minimum time between two updates of a scalar PV; 0: every update is sent."""
    pvws_array_throttle: float = 10.0
    """The same for arrays."""


class LogFormat(Enum):
    """The format of the log."""

    TEXT = "text"
    JSON = "json"


@attrs.frozen
class LogSettings:
    """Settings of the log."""

    format: LogFormat = LogFormat.TEXT
    level: str = "info"
    """The lowest level: debug, info, warn, error or critical."""
    access: bool = False
    """Whether to log each HTTP request."""


@attrs.frozen
class ConsoleSettings:
    """Settings of the console."""

    layouts: str | None = None
    """The folder with layouts."""
    names: str | None = None
    """The file with PV names to suggest."""
    channelfinder: str | None = None
    """The URL of a ChannelFinder service."""


@attrs.frozen
class BusSettings:
    """The servers of the bus, and the login for it."""

    servers: Sequence[Server]
    name: str
    login: Path | None = None
    """The file with user and password."""
    authorities: Path | None = None
    """The file with trusted certificates."""
    shard_key: ShardKey = attrs.Factory(ShardKey)


@attrs.frozen
class Settings:
    """All settings of a gateway process."""

    ports: tuple[str, ...] = ("tcp:8888",)
    """Twisted endpoint descriptions."""
    demo: bool = False
    pvlist: str | None = None
    pvlist_syntax: Syntax | None = None
    access: str | None = None
    writers: Writers | None = None
    """Who may write if there is no access security file; None: nobody."""
    logins: LoginFiles | None = None
    rules: AuthenticationRules = attrs.Factory(AuthenticationRules)
    report_readers: ReportReaders = ReportReaders.LOCAL
    """Who may see the pages about the gateway."""
    http: HTTPLimits = attrs.Factory(HTTPLimits)
    dialects: DialectSettings = attrs.Factory(DialectSettings)
    console: ConsoleSettings = attrs.Factory(ConsoleSettings)
    drain_time: float = 0.0
    """Seconds over which clients are disconnected before the gateway stops."""
    log: LogSettings = attrs.Factory(LogSettings)
    gateway: GatewaySettings = attrs.Factory(GatewaySettings)
    bus: BusSettings | None = None
    """The bus that PVs come from; None: PVs come from IOCs."""


@attrs.frozen
class IngestSettings:
    """All settings of an ingest process."""

    bus: BusSettings
    gateway: GatewaySettings
    """The settings shared with a gateway: sources of PVs, limits, the put log."""
    pvlist: str | None
    pvlist_syntax: Syntax | None
    access: str | None
    writers: Writers | None
    log: LogSettings
