"""The PVs that one client is subscribed to."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import attrs
from twisted.python.failure import Failure

from pycawamp.access.interfaces import Decide, Verdict
from pycawamp.fanout.lane import Lane
from pycawamp.wire import replies
from pycawamp.wire.codec import BadMessage
from pycawamp.wire.encoding import Encoding

if TYPE_CHECKING:
    from pycawamp.session import Session
    from pycawamp.sessions import Sessions


class Subscriptions:
    """The PVs that one client is subscribed to, by the names that it asked for."""

    def __init__(self, session: Session, sessions: Sessions) -> None:
        self._session = session
        self._sessions = sessions
        self._lanes: dict[str, Lane] = {}
        self._searches: dict[str, Search] = {}

    @property
    def names(self) -> Collection[str]:
        """As the client asked for them."""
        return self._lanes.keys()

    def open(self, name: str, encoding: Encoding) -> None:
        """Subscribe to a PV, or ask for it anew; BadMessage if the client may not."""
        verdict = self._session.judge(name)
        if name not in self._lanes and len(self._lanes) >= self._sessions.limits.pvs:
            raise BadMessage("too_many_pvs", "the page has as many PVs as it may")
        self._session.make_room(verdict.real_name)
        self._join(name, verdict, _for(encoding, verdict))

    def end(self, name: str) -> bool:
        """End a subscription, if there is one; whether its PV may be shown as connected."""
        self._searches.pop(name, None)
        lane = self._lanes.pop(name, None)
        if lane is None:
            return False
        self._sessions.feeds.leave(lane, self._session.outbox)
        # Also if it was lost since: a slow client may not have been told.
        return lane.pv.connected is not None

    def close(self) -> None:
        """End all: the client is gone."""
        for name in list(self._lanes):
            self.end(name)

    def review(self, decide: Decide) -> Iterator[None]:
        """Apply a changed policy to what is open, a PV at each step: what is forbidden now ends."""
        for name, lane in list(self._lanes.items()):
            if self._lanes.get(name) is lane:
                try:
                    self._review(name, lane, decide)
                except Exception:
                    self._session.fail(Failure())
            yield

    def end_search(self, search: Search) -> None:
        """Tell the client if a PV has not been found by now; the search goes on."""
        lane = search.lane
        # Not if the client has left the PV, or asked for it anew.
        is_wanted = self._searches.get(lane.name) is search
        if is_wanted:
            del self._searches[lane.name]
        if lane.pv.connected is not None:
            self._session.allowance.searches.found(lane.pv.name)
        elif is_wanted:
            self._tell_lost(lane)

    def _join(self, name: str, verdict: Verdict, encoding: Encoding) -> None:
        # Asking again is answered again: leave first, so that the state is told anew.
        was_shown = self.end(name)
        outbox = self._session.outbox
        lane = self._sessions.feeds.join(name, verdict.real_name, encoding, outbox)
        # By the name that all clients share: one of their own each would be a third of the memory.
        self._lanes[lane.name] = lane
        if lane.pv.connected is None:
            if was_shown:
                # It stands for another PV by now.
                self._tell_lost(lane)
            search = self._searches[lane.name] = Search(self, lane)
            self._sessions.searching.put(search)

    def _tell_lost(self, lane: Lane) -> None:
        """Tell the client that a PV is not there: its page shows no old value on."""
        lane.tell(self._session.outbox, replies.connection(lane.name, False))

    def _review(self, name: str, lane: Lane, decide: Decide) -> None:
        try:
            verdict = self._session.judge(name, decide)
        except BadMessage as mistake:
            if self.end(name):
                self._tell_lost(lane)
            self._session.refuse(mistake)
            return
        encoding = _for(lane.encoding, verdict)
        if encoding != lane.encoding or verdict.real_name != lane.pv.name:
            self._join(name, verdict, encoding)


@attrs.frozen(eq=False)
class Search:
    """One request's wait for a PV, until it is found or the client has been told."""

    subscriptions: Subscriptions
    lane: Lane

    def end(self) -> None:
        """The client has waited long enough."""
        self.subscriptions.end_search(self)


def _for(encoding: Encoding, verdict: Verdict) -> Encoding:
    """The encoding for a client with these rights: metadata tells whether it may write."""
    writable = verdict.write and encoding.metadata
    return encoding if writable == encoding.writable else attrs.evolve(encoding, writable=writable)
