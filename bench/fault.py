"""The options of the scenarios of `bench.faults`, and their results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from bench.settings import OURS
from bench.tools import Tools


class Skipped(Exception):  # noqa: N818 (as SkipTest)
    """A scenario needs something that this machine does not have or permit."""


@attrs.frozen
class Case:
    """The options of a run."""

    reactor: Any
    folder: Path
    tools: Tools
    kills: int
    minutes: float
    quick: bool
    build: str = OURS

    def size(self, full: int) -> int:
        """A number of PVs or clients: a tenth of it for a quick run."""
        return full // 10 if self.quick else full


@attrs.frozen
class Outcome:
    """A row of the table."""

    fault: str
    lost: int
    """Values that a client missed between two others of one connection."""
    counted: int
    """Values that the gateway counts as replaced by newer ones."""
    seen: str
    """Other observations of clients."""
    median: float
    longest: float
    """Seconds until the normal state was restored."""
    measured: str
    """The meaning of these seconds."""
    upstream: int = 0
    """Values that the IOC replaced by newer ones in its own queue, before it sent them."""
