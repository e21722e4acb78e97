"""The compiled intake, where it could be built (see docs/decisions/0028).

With PYCASERVER_FAST=0 in the environment, everything is done in Python.
"""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Callable
from typing import Any, Protocol, cast

import attrs
import numpy as np
import orjson

from pycawamp.pv.ca.dbr import DBR_TYPES, TIME_LAYOUTS
from pycawamp.pv.event_queue import InboxLimits
from pycawamp.pv.history import Store
from pycawamp.pv.intake import Intake, has_descriptors
from pycawamp.pv.routes import Buffer
from pycawamp.pv.values import FieldType

INTERFACE = 6
"""Version of the interface to the compiled part; the same number is in module.c."""
NUMBERS = (0.1, -0.0, 1.0, 1e12, 1.25e13, 1e15, 1e16, 1.25e17, 1e-5, 1e-6, 1e-7, 1.5e30, math.inf)
"""Numbers whose text differs between ways of formatting."""


class Native(Protocol):
    """The compiled module. Its types are described where they are used."""

    INTERFACE: int
    Intake: Callable[[int, int], Intake]
    """Arguments: see InboxLimits."""
    FrameBuffer: Callable[[bytes], Buffer]
    """Argument: the separator of frames."""
    History: Callable[[int, int, Callable[[int], bool]], Store]
    """Arguments: see pycawamp.pv.history.DequeStore."""

    def render(self, field_type: int, raw: bytes, with_alarm: bool, /) -> tuple[bytes, ...] | None:
        """Return the JSON of a scalar's DBR_TIME bytes, in the order of pycawamp.pv.routes.Field.

        None if Python has to do it: no value, text that is not UTF-8, numbers out of range.
        """


@attrs.frozen
class Fast:
    """The compiled part, or the reason why it is not used."""

    native: Native | None
    reason: str = ""
    """The reason, as text; empty if it is used."""

    def intake(self, reactor: Any, limits: InboxLimits) -> Intake | None:
        """Return a compiled queue for events; None if it cannot be used with this reactor."""
        if self.native is None or not has_descriptors(reactor):
            return None
        return self.native.Intake(limits.events, limits.bytes)

    @property
    def frame_buffer(self) -> Callable[[bytes], Buffer] | None:
        """The compiled type of frame buffers; None without the compiled part."""
        return self.native.FrameBuffer if self.native is not None else None

    @property
    def history(self) -> Callable[[int, int, Callable[[int], bool]], Store] | None:
        """The compiled type of histories; None without the compiled part."""
        return self.native.History if self.native is not None else None

    def __str__(self) -> str:
        return "in C" if self.native is not None else f"in Python ({self.reason})"


def load() -> Fast:
    """Load the compiled part, unless it is missing, disabled, or formats numbers unlike orjson."""
    if os.environ.get("PYCASERVER_FAST") == "0":
        return Fast(None, "PYCASERVER_FAST is 0")
    try:
        native = cast(Native, importlib.import_module("pycawamp.pv.ca._fast._native"))
    except ImportError as error:
        return Fast(None, f"the compiled part cannot be loaded: {error}")
    if getattr(native, "INTERFACE", 0) != INTERFACE:
        # This happens in a checkout after an update.
        return Fast(None, "the compiled part is of another version: install the package again")
    for field_type, make in ((FieldType.DOUBLE, float), (FieldType.FLOAT, np.float32)):
        for number in map(make, NUMBERS):
            raw = TIME_LAYOUTS[field_type].scalar.pack(0, 0, 0, 0, number)
            written = native.render(DBR_TYPES[field_type], raw, False)
            expected = orjson.dumps(number, option=orjson.OPT_SERIALIZE_NUMPY)
            if written is None or written[0] != expected:
                return Fast(None, f"orjson {orjson.__version__} formats {number!r} differently")
    return Fast(native)
