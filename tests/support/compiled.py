"""The compiled part, if it has been built."""

from __future__ import annotations

import os

from pycawamp.pv.ca import _fast
from pycawamp.pv.event_queue import InboxLimits
from pycawamp.pv.intake import Intake

SLICE = 0.010
_LOADED = _fast.load()
NATIVE = _LOADED.native


def _problem() -> str | None:
    if NATIVE is not None:
        return None
    if os.environ.get("PYCASERVER_FAST") == "0":
        return _LOADED.reason
    return f"{_LOADED.reason} (python setup.py build_ext --inplace)"


NOT_COMPILED = _problem()
"""Why tests of the compiled part are skipped, and what to do about it; None if they are not."""
if NOT_COMPILED and os.environ.get("CI") == "true" and os.environ.get("PYCASERVER_FAST") != "0":
    raise ImportError(NOT_COMPILED)


def compiled(limits: InboxLimits) -> Intake:
    """A queue in C."""
    assert NATIVE is not None
    return NATIVE.Intake(limits.events, limits.bytes)
