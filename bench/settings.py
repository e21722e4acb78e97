"""The settings of a run."""

from __future__ import annotations

from pathlib import Path

import attrs

from bench.tools import Tools

OURS = "pycaserver"
IN_PYTHON = "pycaserver, PYCASERVER_FAST=0"
NAIVE = "naive"


@attrs.frozen
class Settings:
    """The options of a run; ``quick`` makes every scenario smaller, as a smoke test."""

    seconds: float
    quick: bool
    builds: tuple[str, ...]
    soak_minutes: float
    profile: bool
    folder: Path
    tools: Tools

    def size(self, full: int, quick: int) -> int:
        """A count of PVs or clients, by ``quick``."""
        return quick if self.quick else full
