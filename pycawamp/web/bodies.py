"""Bodies of requests, limited individually, per address, and in total."""

from __future__ import annotations

from collections import Counter

import attrs


@attrs.frozen
class BodyLimits:
    """Maximum bytes of request bodies."""

    each: int = 2**20
    per_address: int = 2**24
    in_all: int = 2**26

    def with_each(self, each: int) -> BodyLimits:
        """Return limits that allow bodies of a size; the other limits grow accordingly."""
        return BodyLimits(each, max(self.per_address, each), max(self.in_all, each))


class Bodies:
    """Counts the bytes of request bodies, by their Content-Length.

    An address is that of `Connections`; bodies with None only count in total.
    """

    def __init__(self, limits: BodyLimits) -> None:
        self.limits = limits
        self._by_address: Counter[str | None] = Counter()
        self._bytes = 0

    def has_room(self, address: str | None, size: int) -> bool:
        """Return whether an address may send a body of this size now."""
        own = 0 if address is None else self._by_address[address] + size
        return self._bytes + size <= self.limits.in_all and own <= self.limits.per_address

    def begin(self, address: str | None, size: int) -> None:
        """Count a body."""
        self._bytes += size
        self._by_address[address] += size

    def end(self, address: str | None, size: int) -> None:
        """Remove a body."""
        self._bytes -= size
        self._by_address[address] -= size
        if not self._by_address[address]:
            del self._by_address[address]
