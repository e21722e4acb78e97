"""The compiled part, if it has been built."""

from __future__ import annotations

from pycawamp.pv.ca import _fast
from pycawamp.pv.event_queue import InboxLimits
from pycawamp.pv.intake import Intake

SLICE = 0.010
NATIVE = _fast.load().native
NOT_COMPILED = None if NATIVE else "the compiled intake is not there"


def compiled(limits: InboxLimits) -> Intake:
    """A queue in C."""
    assert NATIVE is not None
    return NATIVE.Intake(limits.events, limits.bytes)
