"""The compiled way of events, where it could be built (see docs/decisions/0028).

PYCASERVER_FAST=0 in the environment has all done in Python.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

import attrs

from pycawamp.pv.inbox import InboxLimits, Intake, has_descriptors

if TYPE_CHECKING:
    from types import ModuleType


@attrs.frozen
class Fast:
    """The compiled part, or why it is not used."""

    native: ModuleType | None
    reason: str = ""
    """Why it is not used, in words."""

    def intake(self, reactor: Any, limits: InboxLimits) -> Intake | None:
        """Return a queue for events, if there can be one on this reactor."""
        if self.native is None or not has_descriptors(reactor):
            return None
        made: Intake = self.native.Intake(limits.events, limits.bytes)
        return made

    def __str__(self) -> str:
        return "compiled" if self.native is not None else f"in Python ({self.reason})"


def load() -> Fast:
    """Load the compiled part, if it is there, wanted, and writes numbers as orjson does."""
    if os.environ.get("PYCASERVER_FAST") == "0":
        return Fast(None, "PYCASERVER_FAST is 0")
    try:
        native = importlib.import_module("pycawamp.pv.ca._fast._native")
    except ImportError as error:
        return Fast(None, f"the compiled part cannot be loaded: {error}")
    return Fast(native)
