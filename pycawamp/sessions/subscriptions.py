"""The PVs that one client is subscribed to."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import attrs
from twisted.python.failure import Failure

from pycawamp.access.interfaces import Decide, Verdict
from pycawamp.fanout.stream import EncodedStream
from pycawamp.pv.hub import PV
from pycawamp.wire.v2 import replies
from pycawamp.wire.v2.codec import BadMessageError
from pycawamp.wire.v2.encoding import Encoding

if TYPE_CHECKING:
    from pycawamp.sessions.registry import Sessions
    from pycawamp.sessions.session import Session


class Subscriptions:
    """The PVs that one client is subscribed to, by the names that it asked for."""

    def __init__(self, session: Session, sessions: Sessions) -> None:
        self._session = session
        self._sessions = sessions
        self._streams: dict[str, EncodedStream] = {}
        self._unresolved: dict[str, Search] = {}
        # Bytes, of those that the memory budget counts.
        self._large: dict[str, int] = {}
        self._large_bytes = 0

    @property
    def names(self) -> Collection[str]:
        """As the client asked for them."""
        return self._streams.keys()

    def open(self, name: str, encoding: Encoding) -> None:
        """Subscribe to a PV, or ask for it anew; BadMessageError if the client may not."""
        verdict = self._session.authorize(name)
        if name not in self._streams and len(self._streams) >= self._sessions.limits.pvs:
            raise BadMessageError("too_many_pvs", "the page has as many PVs as it may")
        self._session.reserve_channel(verdict.real_name)
        pv = self._sessions.hub.find(verdict.real_name)
        if pv is not None:
            # Before it is joined, which would bring its value.
            self._check_size(name, pv)
        self._join(name, verdict, _for(encoding, verdict))

    def end(self, name: str) -> bool:
        """End a subscription, if there is one; whether its PV may be shown as connected."""
        self._unresolved.pop(name, None)
        self._large_bytes -= self._large.pop(name, 0)
        stream = self._streams.pop(name, None)
        if stream is None:
            return False
        self._sessions.publishers.leave(stream, self._session.outbox)
        # Also if it was lost since: a slow client may not have been told.
        return stream.pv.connected is not None

    def close(self) -> None:
        """End all: the client is gone."""
        for name in list(self._streams):
            self.end(name)

    def weigh(self, name: str) -> None:
        """Count an array, now that its size is known; end its subscription if it is too large."""
        stream = self._streams.get(name)
        if stream is None or not _size(stream.pv):
            return
        try:
            self._check_size(name, stream.pv)
        except BadMessageError as refusal:
            self.end(name)
            self._tell_lost(stream)
            self._session.refuse(attrs.evolve(refusal, action="connect", pvname=name))
            hub, real_name = self._sessions.hub, stream.pv.name
            # Not within this call: the channel is telling its metadata.
            self._sessions.soon(lambda: hub.close_unused(real_name))
        else:
            size = _size(stream.pv)
            self._large_bytes += size - self._large.get(name, 0)
            self._large[name] = size

    def reauthorize(self, decide: Decide) -> Iterator[None]:
        """Apply a changed policy to what is open, a PV at each step: what is forbidden now ends."""
        for name, stream in list(self._streams.items()):
            if self._streams.get(name) is stream:
                try:
                    self._reauthorize(name, stream, decide)
                except Exception:
                    self._session.fail(Failure())
            yield

    def end_search(self, search: Search) -> None:
        """Tell the client if a PV has not been found by now; the search goes on."""
        stream = search.stream
        # Not if the client has left the PV, or asked for it anew.
        is_wanted = self._unresolved.get(stream.name) is search
        if is_wanted:
            del self._unresolved[stream.name]
        if stream.pv.connected is not None:
            self._session.quota.unresolved.found(stream.pv.name)
        elif is_wanted:
            self._tell_lost(stream)

    def _join(self, name: str, verdict: Verdict, encoding: Encoding) -> None:
        # Asking again is answered again: leave first, so that the state is told anew.
        was_shown = self.end(name)
        outbox = self._session.outbox
        stream = self._sessions.publishers.join(name, verdict.real_name, encoding, outbox)
        # By the name that all clients share: one of their own each would be a third of the memory.
        self._streams[stream.name] = stream
        if stream.pv.connected is None:
            if was_shown:
                # It stands for another PV by now.
                self._tell_lost(stream)
            search = self._unresolved[stream.name] = Search(self, stream)
            self._sessions.searching.put(search)
        else:
            self.weigh(name)

    def _check_size(self, name: str, pv: PV) -> None:
        if pv.refused:
            raise BadMessageError("overloaded", "the gateway's memory for arrays is full")
        others = self._large_bytes - self._large.get(name, 0)
        if others + _size(pv) > self._sessions.budget.share:
            text = "the arrays of the page are larger, together, than they may be"
            raise BadMessageError("too_many_pvs", text)

    def _tell_lost(self, stream: EncodedStream) -> None:
        """Tell the client that a PV is not there: its page shows no old value on."""
        stream.tell(self._session.outbox, replies.connection(stream.name, False))

    def _reauthorize(self, name: str, stream: EncodedStream, decide: Decide) -> None:
        try:
            verdict = self._session.authorize(name, decide)
        except BadMessageError as mistake:
            if self.end(name):
                self._tell_lost(stream)
            self._session.refuse(mistake)
            return
        encoding = _for(stream.encoding, verdict)
        if encoding != stream.encoding or verdict.real_name != stream.pv.name:
            self._join(name, verdict, encoding)


@attrs.frozen(eq=False)
class Search:
    """One request's wait for a PV, until it is found or the client has been told."""

    subscriptions: Subscriptions
    stream: EncodedStream

    def end(self) -> None:
        """The client has waited long enough."""
        self.subscriptions.end_search(self)


def _size(pv: PV) -> int:
    """Bytes of a PV's values, if the memory budget counts them."""
    return pv.described.size if pv.described is not None and pv.described.is_large else 0


def _for(encoding: Encoding, verdict: Verdict) -> Encoding:
    """The encoding for a client with these rights: metadata tells whether it may write."""
    writable = verdict.write and encoding.metadata
    return encoding if writable == encoding.writable else attrs.evolve(encoding, writable=writable)
