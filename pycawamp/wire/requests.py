"""Requests of clients, in any dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import attrs

from pycawamp.pv.history import Past
from pycawamp.pv.names import MAX_NAME
from pycawamp.pv.text import clip
from pycawamp.wire.errors import BadMessageError


@attrs.frozen(kw_only=True)
class Request:
    """A request; `id` is repeated in every reply to it."""

    action: ClassVar[str]
    id: str | float | None = None

    @property
    def pvname(self) -> str | None:
        """The PV; None if there is none or more than one."""
        return None


@attrs.frozen
class PVsRequest(Request):
    """A request about any number of PVs."""

    names: Sequence[Any]
    """The names in the request, which `checked_name` has not checked yet: a list may be long."""

    @property
    def pvname(self) -> str | None:
        """The PV; None if there is none or more than one."""
        name = self.names[0] if len(self.names) == 1 else None
        return clip(name, MAX_NAME) if isinstance(name, str) else None


@attrs.frozen
class PVRequest(Request):
    """A request about one PV."""

    name: str

    @property
    def pvname(self) -> str:
        """The PV."""
        return self.name


@attrs.frozen
class Connect(PVsRequest):
    """Subscribes this client to PVs."""

    action = "connect"
    options: Mapping[str, Any] = attrs.Factory(dict)
    past: Past | None = None
    """How much of the history to send."""


@attrs.frozen
class Disconnect(PVsRequest):
    """Ends subscriptions, if there are any."""

    action = "disconnect"


@attrs.frozen
class Configure(Request):
    """Sets the default options of the connection."""

    action = "configure"
    options: Mapping[str, Any]


@attrs.frozen
class Get(PVRequest):
    """Reads a PV."""

    action = "get"
    options: Mapping[str, Any]


@attrs.frozen
class Put(PVRequest):
    """Writes a PV."""

    action = "put"
    value: Any
    wait: bool
    """Whether to reply when the record has finished processing."""
    timeout: float
    """Seconds."""


@attrs.frozen
class Info(PVRequest):
    """Requests a PV's metadata."""

    action = "info"


@attrs.frozen
class ReadHistory(PVRequest):
    """Requests numbers over time."""

    action = "history"
    start: float
    """UNIX seconds."""
    end: float | None
    """UNIX seconds; None: now."""
    points: int
    """Maximum number of samples."""


@attrs.frozen
class ListPVs(Request):
    """Requests the names of all subscriptions."""

    action = "list"


@attrs.frozen
class Ping(Request):
    """Requests a pong."""

    action = "ping"


@attrs.frozen
class Echo(Request):
    """Requests a copy of the message."""

    action = "echo"
    payload: bytes


def about(request: Request, mistake: BadMessageError) -> BadMessageError:
    """Return an error with the action, PV and id of this request."""
    return attrs.evolve(mistake, action=request.action, pvname=request.pvname, id=request.id)
