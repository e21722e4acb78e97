"""How many bytes the gateway holds for its clients, and how many it may."""

from __future__ import annotations

import attrs

DEFAULT_LIMIT = 2**30
"""Bytes."""
SHARE = 4
"""One client may take one part in so many."""


@attrs.define(eq=False)
class MemoryBudget:
    """Bytes held for clients, by what they are. What all share is counted once.

    Each figure is written by one thread only, so no count is lost.
    """

    limit: int = DEFAULT_LIMIT
    values: int = 0
    """Large arrays that are subscribed to, at their full length. The CA worker's."""
    structured: int = 0
    """The same of pvAccess. The reactor's."""
    rendered: int = 0
    """Large arrays as JSON or binary messages, kept for clients that catch up."""
    requests: int = 0
    """Gets and puts of which an IOC has not answered yet."""
    backlog: int = 0
    """What waits in this process until clients take it."""

    @property
    def used(self) -> int:
        """All of it."""
        return self.values + self.structured + self.rendered + self.requests + self.backlog

    @property
    def share(self) -> int:
        """Bytes that one client may have of large arrays."""
        return self.limit // SHARE

    def has_room_for_values(self, size: int) -> bool:
        """Whether so many bytes more of arrays may be kept: half is for the messages of them."""
        return self.values + self.structured + size <= self.limit // 2 and self.has_room(size)

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more may be held."""
        return self.used + size <= self.limit

    def __str__(self) -> str:
        parts = ("values", "structured", "rendered", "requests", "backlog")
        return ", ".join(f"{name} {getattr(self, name) / 2**20:.1f} MiB" for name in parts)
