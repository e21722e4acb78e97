"""The messages of a PV in one encoding, each rendered once."""

from __future__ import annotations

from collections.abc import Hashable

from twisted.internet.interfaces import IReactorTime

from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.values import Metadata, Reading
from pycawamp.wire.dialect import Renderer


class Content:
    """Keeps a renderer's newest message for all streams that share it.

    Messages with large arrays are counted by the memory budget.
    """

    __slots__ = (
        "_budget",
        "_clock",
        "_counted",
        "_is_large",
        "_payload",
        "_reading",
        "_renders_newest",
        "key",
        "renderer",
    )

    def __init__(
        self, key: Hashable, renderer: Renderer, clock: IReactorTime, budget: MemoryBudget
    ) -> None:
        self.key = key
        """The part of the key that streams with the same message payloads share."""
        self.renderer = renderer
        self._clock = clock
        self._budget = budget
        self._is_large = False
        self._counted = 0
        self._reading: Reading | None = None
        self._payload = b""
        # Most dialects have the same message for new clients, which is rendered once.
        self._renders_newest = type(renderer).newest is not Renderer.newest

    def describe(self, metadata: Metadata) -> None:
        """Use `metadata` from now on."""
        self.forget()
        self._is_large = metadata.is_large
        self.renderer.describe(metadata)

    def update(self, reading: Reading) -> bytes:
        """Return the message for an update, for clients that have received all earlier ones."""
        if reading is not self._reading:
            self._payload = self.renderer.update(reading)
            self._reading = reading
            if self._is_large:
                self._count()
        return self._payload

    def newest(self, reading: Reading) -> bytes:
        """Return the message for an update, for clients that may have missed earlier ones."""
        return self.renderer.newest(reading) if self._renders_newest else self.update(reading)

    def forget(self) -> None:
        """Drop the message."""
        self._reading = None
        self._payload = b""
        self._budget.rendered -= self._counted
        self._counted = 0

    def _count(self) -> None:
        self._budget.rendered += len(self._payload) - self._counted
        self._counted = len(self._payload)
        if not self._budget.has_room(0):
            # It is rendered again for each client that catches up: slow, but within the budget.
            self._clock.callLater(0, self.forget)
