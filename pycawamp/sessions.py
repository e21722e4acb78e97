"""All clients, and what they share."""

from __future__ import annotations

from functools import partial

from twisted.internet.interfaces import IReactorTime

from pycawamp.access.interfaces import IPolicy
from pycawamp.fanout.feed import Feeds
from pycawamp.fanout.outbox import IWriter
from pycawamp.fanout.turn import Turn
from pycawamp.putlog import PutLog
from pycawamp.pv.delay import DelayLine
from pycawamp.pv.hub import PVHub
from pycawamp.pv.visit import Visit
from pycawamp.session import Client, Session, Subscribed


class Sessions:
    """All clients, and what they share."""

    def __init__(  # noqa: PLR0913 (one of each thing that clients share)
        self,
        clock: IReactorTime,
        hub: PVHub,
        turn: Turn,
        *,
        policy: IPolicy,
        put_log: PutLog,
        connect_timeout: float = 5.0,
    ) -> None:
        self.turn = turn
        self.policy = policy
        self.put_log = put_log
        self.connect_timeout = connect_timeout
        self.feeds = Feeds(clock, hub, turn)
        self.searching: DelayLine[Subscribed] = DelayLine(
            clock, connect_timeout, Subscribed.check_found
        )
        self.visit = partial(Visit, hub, clock)
        self._open: set[Session] = set()
        self._merged_by_closed = 0

    def open(self, writer: IWriter, client: Client) -> Session:
        """Begin the conversation with a client."""
        session = Session(self, writer, client)
        self._open.add(session)
        return session

    def close(self) -> None:
        """Leave no timer behind: the gateway ends."""
        self.searching.clear()
        self.feeds.close()

    def closed(self, session: Session) -> None:
        """Forget a client."""
        self._open.discard(session)
        self._merged_by_closed += session.outbox.merged

    def review(self) -> None:
        """Apply a changed policy to every client's open subscriptions."""
        for session in list(self._open):
            session.review()

    @property
    def merged(self) -> int:
        """Updates, in all, that a slow client did not get because a newer one came first."""
        return self._merged_by_closed + sum(session.outbox.merged for session in self._open)

    def __len__(self) -> int:
        return len(self._open)
