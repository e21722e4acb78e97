"""Log lines for clients that connect and disconnect."""

from __future__ import annotations

from collections import Counter

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pycawamp.sessions.peer import Peer
from pycawamp.sessions.token_bucket import TokenBucket

RATE = 10.0
"""Lines per second, on average."""
BURST = 200.0
"""Lines that are allowed at once."""
SUMMARY = 10.0
"""Seconds after which a line gives the number of omitted lines."""
MAX_TEXT = 200
"""Maximum characters of a text sent by a client."""


@attrs.frozen
class ClientEntry:
    """A client in the log."""

    peer: Peer
    since: float
    """The clock's time when it connected."""


class ClientLog:
    """Logs clients that connect and disconnect; of a flood, only their number."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._lines = TokenBucket(clock, RATE, BURST)
        self._omitted: Counter[str] = Counter()
        self._summary: IDelayedCall | None = None

    def connected(self, peer: Peer) -> ClientEntry:
        """Log a new client; return the argument of `disconnected`."""
        entry = ClientEntry(peer, self._clock.seconds())
        if self._may_log("connected"):
            self._log.info(
                "Connected: {client}, user {user}, {agent}",
                client=entry.peer.address,
                user=entry.peer.user or "-",
                agent=_shown(entry.peer.agent),
            )
        return entry

    def disconnected(self, entry: ClientEntry, pvs: int, reason: str) -> None:
        """Log that a client has disconnected, the number of its PVs, and the reason."""
        if self._may_log("disconnected"):
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
        """Log the number of omitted lines."""
        if self._summary is not None:
            self._summary.cancel()
            self._summarize()

    def _may_log(self, what: str) -> bool:
        if self._lines.take():
            return True
        self._omitted[what] += 1
        if self._summary is None:
            self._summary = self._clock.callLater(SUMMARY, self._summarize)
        return False

    def _summarize(self) -> None:
        self._summary = None
        omitted, self._omitted = self._omitted, Counter()
        self._log.info(
            "Not logged individually: {connected} connected and {disconnected} disconnected "
            "clients",
            connected=omitted["connected"],
            disconnected=omitted["disconnected"],
        )


def _shown(text: str) -> str:
    """Return a text sent by a client, escaped and truncated."""
    shown = text[:MAX_TEXT] + ("…" if len(text) > MAX_TEXT else "")
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in shown) or "-"
