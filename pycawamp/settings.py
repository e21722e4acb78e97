"""What the command line asked for, validated."""

from __future__ import annotations

import attrs

from pycawamp.access import Writers
from pycawamp.gateway import GatewaySettings
from pycawamp.web.channel import HTTPLimits
from pycawamp.web.door import DoorRules
from pycawamp.web.login import LoginFiles


@attrs.frozen
class Settings:
    """What the command line asked for."""

    port: str = "tcp:8888"
    """A Twisted endpoint description."""
    demo: bool = False
    pvlist: str | None = None
    access: str | None = None
    writers: Writers | None = None
    """Who may write, if no access file says so; None: puts are off."""
    logins: LoginFiles | None = None
    rules: DoorRules = attrs.Factory(DoorRules)
    http: HTTPLimits = attrs.Factory(HTTPLimits)
    gateway: GatewaySettings = attrs.Factory(GatewaySettings)
