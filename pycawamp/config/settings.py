"""What the command line asked for, validated."""

from __future__ import annotations

import attrs

from pycawamp.access import Syntax, Writers
from pycawamp.sessions.limits import Limits
from pycawamp.web.authentication import AuthenticationRules
from pycawamp.web.channel import HTTPLimits
from pycawamp.web.login import LoginFiles
from pycawamp.web.websocket import SocketLimits

PROVIDERS = ("ca", "pva")
"""The schemes of the protocols that PVs come by."""


@attrs.frozen
class GatewaySettings:
    """What can be set of a gateway; all times in seconds."""

    connect_timeout: float = 5.0
    """How long a PV may stay unfound before its client is told."""
    linger: float = 10.0
    """How long a channel stays open after its last client left."""
    own_repeater: bool = False
    """Whether a CA repeater, if one must be started, ends with the gateway."""
    default_provider: str = PROVIDERS[0]
    """The scheme of names that have none."""
    put_log: str | None = None
    """The file that gets a line for each put; None: the ordinary log."""
    socket: SocketLimits = attrs.Factory(SocketLimits)
    limits: Limits = attrs.Factory(Limits)


@attrs.frozen
class Settings:
    """What the command line asked for."""

    port: str = "tcp:8888"
    """A Twisted endpoint description."""
    demo: bool = False
    pvlist: str | None = None
    pvlist_syntax: Syntax | None = None
    access: str | None = None
    writers: Writers | None = None
    """Who may write, if no access file says so; None: puts are off."""
    logins: LoginFiles | None = None
    rules: AuthenticationRules = attrs.Factory(AuthenticationRules)
    http: HTTPLimits = attrs.Factory(HTTPLimits)
    gateway: GatewaySettings = attrs.Factory(GatewaySettings)
