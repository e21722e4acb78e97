"""Short garbage collections: they are the reactor's time."""

from __future__ import annotations

import gc
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

INTERVAL = 3600.0
"""Seconds after which everything is looked at once more."""
OLDEST = 2
"""The generation whose collection is a full one."""


class ShortCollections(Service):
    """Has the collector look once at what stays, not again and again.

    Whatever survives a full collection is frozen. So the next one takes as long as what came since
    is large, however many PVs are open: a client that opens and closes thousands of them cannot
    stall the event loop for a tenth of a second each time. Frozen objects are freed as any other
    when nothing refers to them. Only those in cycles wait until all are looked at again.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._unfreezing = LoopingCall(gc.unfreeze)
        self._unfreezing.clock = clock

    def startService(self) -> None:
        """Collect and freeze all that was loaded, and from now on what stays."""
        super().startService()  # type: ignore[no-untyped-call]
        gc.callbacks.append(self._collected)
        gc.collect()
        self._unfreezing.start(INTERVAL, now=False)

    def stopService(self) -> None:
        """Leave the collector as it was."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._unfreezing.stop()
        gc.callbacks.remove(self._collected)
        gc.unfreeze()

    def _collected(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "stop" and info["generation"] == OLDEST:
            gc.freeze()
