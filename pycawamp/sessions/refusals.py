"""Counts of refused requests, by kind."""

from __future__ import annotations

from collections import Counter

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger


class RefusalCounter:
    """Counts refusals by kind, and logs the first of a kind in each minute."""

    _log = Logger()
    pause = 60.0
    """Seconds between two log lines of one kind, so that refusals do not flood the log."""

    def __init__(self, clock: IReactorTime) -> None:
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._logged: dict[str, float] = {}

    def count(self, kind: str, client: str, detail: str = "") -> None:
        """Count a refused request of a client.

        Args:
            kind: The kind of refusal.
            client: The client, for the log.
            detail: More text for the log.
        """
        self.counts[kind] += 1
        now = self._clock.seconds()
        if now >= self._logged.get(kind, float("-inf")) + self.pause:
            self._logged[kind] = now
            self._log.warn(
                "Refused {client}: {kind} ({count} so far; next line of this kind in {pause:g} s)",
                client=client,
                kind=f"{kind}: {detail}" if detail else kind,
                count=self.counts[kind],
                pause=self.pause,
            )

    def __str__(self) -> str:
        return ", ".join(f"{kind}: {count}" for kind, count in sorted(self.counts.items()))
