"""One client's conversation: what it asked for, and what it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pycawamp.fanout.cohort import Cohorts
from pycawamp.fanout.feed import Feeds, Lane
from pycawamp.fanout.outbox import IWriter, Outbox
from pycawamp.fanout.turn import Turn
from pycawamp.pv.delay import DelayLine
from pycawamp.pv.hub import PVHub
from pycawamp.wire import replies, requests
from pycawamp.wire.codec import BadMessage
from pycawamp.wire.frames import text_frame


@attrs.frozen(eq=False)
class Subscribed:
    """One PV of one client, since one request."""

    session: Session
    name: str
    lane: Lane

    def check_found(self) -> None:
        """Tell the client if its PV has not been found by now; the search goes on."""
        if not self.lane.found and self.session.holds(self):
            self.session.send(replies.connection(self.name, False))


class Session:
    """One client: takes its requests and keeps its subscriptions. Made by Sessions.open."""

    _log = Logger()

    def __init__(self, sessions: Sessions, writer: IWriter, client: str) -> None:
        self.client = client
        """Its address, for people."""
        self.outbox = Outbox(sessions.turn, writer)
        self._sessions = sessions
        self._subscribed: dict[str, Subscribed] = {}

    def receive(self, payload: bytes, is_binary: bool = False) -> None:
        """Do what a message asks for; a mistake in it is answered and changes nothing."""
        try:
            if is_binary:
                raise BadMessage("bad_request", "expected a text message, got a binary one")
            request = requests.parse(payload)
            _DISPATCH[type(request)](self, request)
        except BadMessage as mistake:
            self.send(replies.error(mistake))
        except Exception:
            self._log.failure("A request of {client} failed", client=self.client)
            self.send(replies.error(BadMessage("internal", "the gateway failed; see its log")))

    def send(self, payload: bytes) -> None:
        """Have a message sent at the end of this turn."""
        self.outbox.append(text_frame(payload))

    def holds(self, subscribed: Subscribed) -> bool:
        """Whether a subscription is still in force."""
        return self._subscribed.get(subscribed.name) is subscribed

    @property
    def names(self) -> list[str]:
        """The PVs that the client is subscribed to, as it asked for them."""
        return list(self._subscribed)

    def close(self) -> None:
        """End all subscriptions: the client is gone."""
        self.outbox.close()
        for name in self.names:
            self._leave(name)
        self._sessions.closed(self)

    def _connect(self, request: requests.Connect) -> None:
        # Asking again is answered again: leave first, so that the state is told anew.
        self._leave(request.pv)
        lane = self._sessions.feeds.join(request.pv, self.outbox)
        subscribed = self._subscribed[request.pv] = Subscribed(self, request.pv, lane)
        if not lane.found:
            self._sessions.searching.put(subscribed)

    def _disconnect(self, request: requests.Disconnect) -> None:
        self._leave(request.pv)

    def _leave(self, name: str) -> None:
        subscribed = self._subscribed.pop(name, None)
        if subscribed is not None:
            self._sessions.feeds.leave(subscribed.lane, self.outbox)


_DISPATCH: dict[type, Callable[[Session, Any], None]] = {
    requests.Connect: Session._connect,
    requests.Disconnect: Session._disconnect,
}


class Sessions:
    """All clients, and what they share."""

    def __init__(
        self, clock: IReactorTime, hub: PVHub, turn: Turn, connect_timeout: float = 5.0
    ) -> None:
        self.turn = turn
        self.feeds = Feeds(hub, Cohorts(turn))
        self.searching: DelayLine[Subscribed] = DelayLine(
            clock, connect_timeout, Subscribed.check_found
        )
        self._open: set[Session] = set()
        self._merged_by_closed = 0

    def open(self, writer: IWriter, client: str) -> Session:
        """Begin the conversation with a client."""
        session = Session(self, writer, client)
        self._open.add(session)
        return session

    def close(self) -> None:
        """Tell nobody any more that a PV was not found: the gateway ends."""
        self.searching.clear()

    def closed(self, session: Session) -> None:
        """Forget a client."""
        self._open.discard(session)
        self._merged_by_closed += session.outbox.merged

    @property
    def merged(self) -> int:
        """Updates, in all, that a slow client did not get because a newer one came first."""
        return self._merged_by_closed + sum(session.outbox.merged for session in self._open)

    def __len__(self) -> int:
        return len(self._open)
