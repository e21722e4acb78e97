"""What a client can ask for, in whatever dialect it asked: frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import attrs

from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.names import MAX_NAME, clip


@attrs.frozen(kw_only=True)
class Request:
    """What a client asks for; `id` is repeated in every reply to it."""

    action: ClassVar[str]
    id: str | float | None = None

    @property
    def pvname(self) -> str | None:
        """The PV that it is about; None if there is none or more than one."""
        return None


@attrs.frozen
class PVsRequest(Request):
    """About any number of PVs."""

    names: Sequence[Any]
    """As they were sent: a list may be long, so `checked_name` is called for a part at a time."""

    @property
    def pvname(self) -> str | None:
        """The PV that it is about; None if there is none or more than one."""
        name = self.names[0] if len(self.names) == 1 else None
        return clip(name, MAX_NAME) if isinstance(name, str) else None


@attrs.frozen
class PVRequest(Request):
    """About one PV."""

    name: str

    @property
    def pvname(self) -> str:
        """The PV that it is about."""
        return self.name


@attrs.frozen
class Connect(PVsRequest):
    """Subscribes this client to PVs."""

    action = "connect"
    options: Mapping[str, Any] = attrs.Factory(dict)


@attrs.frozen
class Disconnect(PVsRequest):
    """Ends subscriptions; of none, it is silently ignored."""

    action = "disconnect"


@attrs.frozen
class Configure(Request):
    """Sets this connection's defaults from now on."""

    action = "configure"
    options: Mapping[str, Any]


@attrs.frozen
class Get(PVRequest):
    """Reads a PV once."""

    action = "get"
    options: Mapping[str, Any]


@attrs.frozen
class Put(PVRequest):
    """Writes a PV."""

    action = "put"
    value: Any
    wait: bool
    """Whether the reply waits until the record has finished processing."""
    timeout: float
    """Seconds."""


@attrs.frozen
class Info(PVRequest):
    """Asks for a PV's metadata."""

    action = "info"


@attrs.frozen
class ListPVs(Request):
    """Asks what this client is subscribed to."""

    action = "list"


@attrs.frozen
class Ping(Request):
    """Asks for a sign of life."""

    action = "ping"


@attrs.frozen
class Echo(Request):
    """Asks for a message back."""

    action = "echo"
    payload: bytes


def about(request: Request, mistake: BadMessageError) -> BadMessageError:
    """A mistake together with what is known of the request."""
    return attrs.evolve(mistake, action=request.action, pvname=request.pvname, id=request.id)
