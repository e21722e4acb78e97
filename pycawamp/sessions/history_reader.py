"""Histories of PVs, from the gateway and an archiver."""

from __future__ import annotations

import time

import attrs

from pycawamp.pv.archiver import Archiver
from pycawamp.pv.history import NO_SAMPLES, Samples
from pycawamp.pv.hub import PVHub
from pycawamp.pv.router import Router
from pycawamp.wire.requests import ReadHistory


@attrs.frozen(eq=False)
class HistoryReader:
    """Reads histories: recent samples from the gateway's memory, older ones from an archiver.

    Samples before the first one in memory are requested from the archiver, so there are no
    duplicates.
    """

    _hub: PVHub
    _router: Router
    _archiver: Archiver | None = None

    async def samples(self, real_name: str, request: ReadHistory) -> Samples:
        """Return the samples of a period, and the last one before it.

        Args:
            real_name: The name of the channel.
            request: The period, and the maximum number of samples.

        Raises:
            ArchiverError: The archiver does not answer, or its answer is invalid.
            OverloadedError: Too many requests to the archiver are queued.
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
        """Return the PV's name in the archiver; None for a local PV."""
        parsed = self._router.parse(real_name)
        return parsed.bare if parsed.access_name == parsed.bare else None
