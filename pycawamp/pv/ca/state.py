"""The state of a channel in libca."""

from __future__ import annotations

import attrs

from pycawamp.pv.ca.monitors import Monitor
from pycawamp.pv.values import FieldType


@attrs.define
class AtLibca:
    """The state of a channel in libca. The reactor may only use `host`."""

    host: str = ""
    """The IOC that it was last connected to."""
    chid: int | None = None
    shape: tuple[FieldType, int] | None = None
    """The native type and count for which the monitors were created."""
    monitors: tuple[Monitor, ...] = ()
    """The monitors for this shape; written by the connection callback."""
    subscribed: tuple[Monitor, ...] = ()
    """The subscribed monitors; used by the worker only."""
    reserved: int = 0
    """Bytes counted by the memory budget for its values; used by the worker only."""
    cleared: bool = False
    """Whether the channel was closed; used by the worker only."""
