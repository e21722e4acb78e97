"""Short garbage collections, because they block the reactor."""

from __future__ import annotations

import gc
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

INTERVAL = 3600.0
"""Seconds between two collections of all objects."""
OLDEST = 2
"""The oldest generation of the garbage collector."""


class ShortCollections(Service):
    """Keeps the garbage collector from scanning long-lived objects repeatedly.

    Objects that survive a full collection are frozen, so the duration of the next one depends only
    on the number of new objects, however many PVs are open. Otherwise, a client that opens and
    closes thousands of PVs could block the event loop for a tenth of a second each time. Frozen
    objects are freed like others when their last reference is gone; only those in cycles remain
    until the next collection of all objects.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._unfreezing = LoopingCall(gc.unfreeze)
        self._unfreezing.clock = clock

    def startService(self) -> None:
        """Collect and freeze all existing objects, and from now on all survivors."""
        super().startService()  # type: ignore[no-untyped-call]
        gc.callbacks.append(self._collected)
        gc.collect()
        self._unfreezing.start(INTERVAL, now=False)

    def stopService(self) -> None:
        """Restore the collector's state."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._unfreezing.stop()
        gc.callbacks.remove(self._collected)
        gc.unfreeze()

    def _collected(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "stop" and info["generation"] == OLDEST:
            gc.freeze()
