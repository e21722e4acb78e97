"""The memory budget for clients."""

from __future__ import annotations

import attrs

DEFAULT_LIMIT = 2**30
"""Bytes."""
SHARE = 4
"""The fraction of the limit that one client may use (1/4)."""


@attrs.define(eq=False)
class MemoryBudget:
    """Bytes of memory for clients, by kind. Shared data is counted once.

    Each count is written by one thread only, so none is lost.
    """

    limit: int = DEFAULT_LIMIT
    values: int = 0
    """Subscribed large arrays, with their maximum length. Written by the CA worker."""
    structured: int = 0
    """Large values of pvAccess channels."""
    rendered: int = 0
    """Messages with large arrays, kept for clients that catch up."""
    requests: int = 0
    """Unfinished gets and puts, and incomplete messages."""
    backlog: int = 0
    """Unsent data."""
    history: int = 0
    """Histories of PVs."""

    @property
    def used(self) -> int:
        """The sum of all counts."""
        shared = self.values + self.structured + self.rendered + self.history
        return shared + self.requests + self.backlog

    @property
    def share(self) -> int:
        """Maximum bytes of large arrays that one client may subscribe to."""
        return self.limit // SHARE

    def has_room_for_values(self, size: int) -> bool:
        """Return whether there is room for arrays, which may use half of the limit."""
        return self.values + self.structured + size <= self.limit // 2 and self.has_room(size)

    def has_room_for_history(self, size: int) -> bool:
        """Return whether there is room for samples, which may use a quarter of the limit."""
        return self.history + size <= self.share and self.has_room(size)

    def has_room(self, size: int) -> bool:
        """Return whether there is room for this number of bytes."""
        return self.used + size <= self.limit

    def __str__(self) -> str:
        parts = ("values", "structured", "rendered", "requests", "backlog", "history")
        return ", ".join(f"{name} {getattr(self, name) / 2**20:.1f} MiB" for name in parts)
