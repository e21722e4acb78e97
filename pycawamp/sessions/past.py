"""Earlier updates: those that the gateway has kept, and those of an archiver."""

from __future__ import annotations

import time

import attrs

from pycawamp.pv.archiver import Archiver
from pycawamp.pv.history import NO_SAMPLES, Samples
from pycawamp.pv.hub import PVHub
from pycawamp.pv.router import Router
from pycawamp.wire.requests import ReadHistory


@attrs.frozen(eq=False)
class Past:
    """Reads numbers over time: the newest from the gateway's memory, older ones from an archiver.

    The archiver is asked for the time before the first sample in memory, so none is there twice.
    """

    _hub: PVHub
    _router: Router
    _archiver: Archiver | None = None

    async def samples(self, real_name: str, request: ReadHistory) -> Samples:
        """Return the samples of a time, and the one before, which held at its start.

        Args:
            real_name: The name of the channel.
            request: The time, and the number of samples.

        Raises:
            ArchiverError: The archiver does not answer, or not with samples.
            OverloadedError: Too many requests wait for the archiver.
        """
        pv = self._hub.find(real_name)
        kept = pv.kept() if pv is not None else NO_SAMPLES
        start, end = request.start, time.time() if request.end is None else request.end
        began = float(kept.times[0]) if len(kept) else end
        samples = kept.between(start, end)
        if self._archiver is not None and start < began:
            name = self._archived_name(real_name)
            if name is not None:
                points = request.points
                older = await self._archiver.samples(name, start, min(end, began), points)
                samples = older.before(began if len(kept) else end) + samples
        return samples.thinned(request.points)

    def _archived_name(self, real_name: str) -> str | None:
        """Return the name that an archiver knows; None for a PV of the gateway's own."""
        parsed = self._router.parse(real_name)
        return parsed.bare if parsed.judged == parsed.bare else None
