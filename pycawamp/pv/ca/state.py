"""What libca has of a channel."""

from __future__ import annotations

import attrs

from pycawamp.pv.ca.monitors import Monitor
from pycawamp.pv.values import FieldType


@attrs.define
class AtLibca:
    """What libca has of a channel. Not the reactor's to touch, but for `host`."""

    host: str = ""
    """The IOC where it was connected last."""
    chid: int | None = None
    shape: tuple[FieldType, int] | None = None
    """The native type and count that the monitors were made for."""
    monitors: tuple[Monitor, ...] = ()
    """Those made for the shape; written by the connection callback."""
    subscribed: tuple[Monitor, ...] = ()
    """Those that are subscribed; the worker's."""
    reserved: int = 0
    """Bytes of the memory budget that are its values'; the worker's."""
    cleared: bool = False
    """Whether the channel was closed; used by the worker only."""
