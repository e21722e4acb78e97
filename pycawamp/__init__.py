"""EPICS process variables for web browsers.

What applications that embed the gateway may import; see docs/embedding.md. A name is loaded when
it is first used: `import pycawamp` itself loads nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pycawamp.access import (
        AccessFileError,
        AccessFiles,
        IClassifyingPolicy,
        IPolicy,
        Policy,
        Verdict,
        Writers,
    )
    from pycawamp.access.watch import PolicyWatcher
    from pycawamp.config.settings import GatewaySettings
    from pycawamp.demo.process import SoftIOC
    from pycawamp.pv.errors import LibraryError, PVError
    from pycawamp.pv.hub import PVHub, Subscription
    from pycawamp.pv.interfaces import IBackend, IHandle, ISink, ISubscriber, PVState
    from pycawamp.pv.memory import MemoryBackend
    from pycawamp.pv.values import FieldType, Metadata, Reading
    from pycawamp.service.clock import use_monotonic_clock
    from pycawamp.service.gateway import Gateway
    from pycawamp.sessions.limits import Limits
    from pycawamp.sessions.putlog import PutLogError
    from pycawamp.sessions.refusals import RefusalCounter
    from pycawamp.sessions.statistics import Statistics
    from pycawamp.testing import GatewayFixture, WebSocketTestClient, connect
    from pycawamp.web.authentication import Authentication, AuthenticationRules
    from pycawamp.web.host import Hosts
    from pycawamp.web.login import LoginFiles, Logins
    from pycawamp.web.origin import Origins
    from pycawamp.web.site import root_resource
    from pycawamp.web.websocket import SocketLimits

    __version__: str

__all__ = [
    "AccessFileError",
    "AccessFiles",
    "Authentication",
    "AuthenticationRules",
    "FieldType",
    "Gateway",
    "GatewayFixture",
    "GatewaySettings",
    "Hosts",
    "IBackend",
    "IClassifyingPolicy",
    "IHandle",
    "IPolicy",
    "ISink",
    "ISubscriber",
    "LibraryError",
    "Limits",
    "LoginFiles",
    "Logins",
    "MemoryBackend",
    "Metadata",
    "Origins",
    "PVError",
    "PVHub",
    "PVState",
    "Policy",
    "PolicyWatcher",
    "PutLogError",
    "Reading",
    "RefusalCounter",
    "SocketLimits",
    "SoftIOC",
    "Statistics",
    "Subscription",
    "Verdict",
    "WebSocketTestClient",
    "Writers",
    "__version__",
    "connect",
    "root_resource",
    "use_monotonic_clock",
]

_MODULES = {
    "AccessFileError": "pycawamp.access",
    "AccessFiles": "pycawamp.access",
    "Authentication": "pycawamp.web.authentication",
    "AuthenticationRules": "pycawamp.web.authentication",
    "FieldType": "pycawamp.pv.values",
    "Gateway": "pycawamp.service.gateway",
    "GatewayFixture": "pycawamp.testing",
    "GatewaySettings": "pycawamp.config.settings",
    "Hosts": "pycawamp.web.host",
    "IBackend": "pycawamp.pv.interfaces",
    "IHandle": "pycawamp.pv.interfaces",
    "IClassifyingPolicy": "pycawamp.access",
    "IPolicy": "pycawamp.access",
    "ISink": "pycawamp.pv.interfaces",
    "ISubscriber": "pycawamp.pv.interfaces",
    "LibraryError": "pycawamp.pv.errors",
    "Limits": "pycawamp.sessions.limits",
    "LoginFiles": "pycawamp.web.login",
    "Logins": "pycawamp.web.login",
    "MemoryBackend": "pycawamp.pv.memory",
    "Metadata": "pycawamp.pv.values",
    "Origins": "pycawamp.web.origin",
    "PVError": "pycawamp.pv.errors",
    "PVHub": "pycawamp.pv.hub",
    "PVState": "pycawamp.pv.interfaces",
    "Policy": "pycawamp.access",
    "PolicyWatcher": "pycawamp.access.watch",
    "PutLogError": "pycawamp.sessions.putlog",
    "Reading": "pycawamp.pv.values",
    "RefusalCounter": "pycawamp.sessions.refusals",
    "SocketLimits": "pycawamp.web.websocket",
    "SoftIOC": "pycawamp.demo.process",
    "Statistics": "pycawamp.sessions.statistics",
    "Subscription": "pycawamp.pv.hub",
    "Verdict": "pycawamp.access",
    "WebSocketTestClient": "pycawamp.testing",
    "Writers": "pycawamp.access",
    "connect": "pycawamp.testing",
    "root_resource": "pycawamp.web.site",
    "use_monotonic_clock": "pycawamp.service.clock",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = version("pycaserver")
    elif name in _MODULES:
        value = getattr(import_module(_MODULES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
