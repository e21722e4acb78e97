"""A line in the log for each client that connects, and one when it has gone."""

from __future__ import annotations

from collections import Counter

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pycawamp.sessions.peer import Peer
from pycawamp.sessions.token_bucket import TokenBucket

RATE = 10.0
"""Lines a second, in the long run."""
BURST = 200.0
"""Lines that may come at once."""
SUMMARY = 10.0
"""Seconds for which lines too many are counted before a line says how many they were."""
MOST = 200
"""Characters of what a client says of itself."""


@attrs.frozen
class ClientEntry:
    """A client as the log tells of it."""

    peer: Peer
    since: float
    """When it connected, by the clock."""


class ClientLog:
    """Logs clients that connect and disconnect; of a flood only their number."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._lines = TokenBucket(clock, RATE, BURST)
        self._untold: Counter[str] = Counter()
        self._summary: IDelayedCall | None = None

    def connected(self, peer: Peer) -> ClientEntry:
        """Log a new client; return the argument of `disconnected`."""
        entry = ClientEntry(peer, self._clock.seconds())
        if self._may_tell("connected"):
            self._log.info(
                "Connected: {client}, user {user}, {agent}",
                client=entry.peer.address,
                user=entry.peer.user or "-",
                agent=_shown(entry.peer.agent),
            )
        return entry

    def disconnected(self, entry: ClientEntry, pvs: int, reason: str) -> None:
        """Log that a client has gone: the number of its PVs, and why."""
        if self._may_tell("disconnected"):
            self._log.info(
                "Disconnected: {client}, user {user}, {agent}, after {seconds:.1f} s "
                "with {pvs} PVs: {reason}",
                client=entry.peer.address,
                user=entry.peer.user or "-",
                agent=_shown(entry.peer.agent),
                seconds=self._clock.seconds() - entry.since,
                pvs=pvs,
                reason=_shown(reason),
            )

    def close(self) -> None:
        """Log what is still to be logged."""
        if self._summary is not None:
            self._summary.cancel()
            self._summarize()

    def _may_tell(self, what: str) -> bool:
        if self._lines.take():
            return True
        self._untold[what] += 1
        if self._summary is None:
            self._summary = self._clock.callLater(SUMMARY, self._summarize)
        return False

    def _summarize(self) -> None:
        self._summary = None
        untold, self._untold = self._untold, Counter()
        self._log.info(
            "More clients than lines: {connected} connected and {disconnected} disconnected "
            "without a line each",
            connected=untold["connected"],
            disconnected=untold["disconnected"],
        )


def _shown(text: str) -> str:
    """A text of a client's own, fit for a line."""
    cut = text[:MOST] + ("…" if len(text) > MOST else "")
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in cut) or "-"
