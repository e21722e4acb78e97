"""The subscriptions of a client."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any

import attrs
from twisted.python.failure import Failure

from pycawamp.access.interfaces import Decide, Verdict
from pycawamp.access.names import modified_record
from pycawamp.fanout.live import Named, Table
from pycawamp.fanout.stream import EncodedStream, join_together
from pycawamp.pv.history import Past
from pycawamp.pv.interfaces import PVState
from pycawamp.pv.reason import reason
from pycawamp.sessions.authorizer import Authorizer, ReadForbiddenError, needs
from pycawamp.sessions.outgoing import Outgoing
from pycawamp.sessions.shared import Shared
from pycawamp.wire.dialect import Encoding
from pycawamp.wire.errors import BadMessageError

GAVE_WAY = BadMessageError(
    "too_many_pvs", "no IOC has answered for it, and other clients need the space"
)


class Subscriptions:
    """The subscriptions of a client, by the names that it requested."""

    def __init__(self, shared: Shared, outgoing: Outgoing, authorizer: Authorizer) -> None:
        self._shared = shared
        self._outgoing = outgoing
        self._authorizer = authorizer
        self._streams: dict[str, EncodedStream] = {}
        # Subscriptions that a changed policy ended: the next one may allow them again.
        self._forbidden: dict[str, Encoding] = {}
        self._unresolved: dict[str, SearchTimeout] = {}
        # Bytes of the subscriptions that the memory budget counts.
        self._large: dict[str, int] = {}
        self._large_bytes = 0

    @property
    def names(self) -> Collection[str]:
        """The names as requested; those that the policy ended are last."""
        return [*self._streams, *self._forbidden]

    @property
    def pvs(self) -> list[tuple[str, PVState]]:
        """The PVs, each with its name as requested."""
        return [(name, stream.pv) for name, stream in self._streams.items()]

    def __len__(self) -> int:
        return len(self._streams) + len(self._forbidden)

    def __contains__(self, name: object) -> bool:
        return name in self._streams

    def open_together(self, names: Sequence[Any], encoding: Encoding) -> bool:
        """Subscribe to PVs that clients of the same kind show in the same encoding.

        The effect is that of `open` for each, but it takes a tenth of the time. Returns False,
        without effect, if it does not apply to all PVs, or if the client has subscribed to one of
        them.
        """
        table = self._live(encoding)
        if not table or self._forbidden or len(self) + len(names) > self._shared.limits.pvs:
            return False
        try:
            streams = self._known(names, table)
            if len(streams) == 1:
                streams[0][1].join(self._outgoing.outbox)
            else:
                join_together([stream for _, stream in streams], self._outgoing.outbox)
        except Exception:
            # One cannot be encoded or is not a name: `open` reports which.
            return False
        self._streams.update(streams)
        return bool(streams)

    def open(self, name: str, encoding: Encoding, past: Past | None = None) -> None:
        """Subscribe to a PV, or send its state again.

        If `past` is given, the history is sent too.

        Raises:
            BadMessageError: The client may not subscribe to it.
        """
        if name in self and not self._outgoing.dialect.answers_repeats:
            return
        try:
            verdict = self._authorizer.authorize(name)
        except ReadForbiddenError as mistake:
            self._forbid(name, encoding, mistake.reason)
            raise
        is_new = name not in self._streams and name not in self._forbidden
        if is_new and len(self) >= self._shared.limits.pvs:
            raise BadMessageError("too_many_pvs", "the limit of PVs per client is reached")
        self._authorizer.reserve_channels(verdict)
        pv = self._shared.hub.find(verdict.real_name)
        if pv is not None:
            # Check before joining, which would send its value.
            self._check_size(name, pv)
        stream = self._join(name, verdict, _for(encoding, verdict), past)
        if modified_record(verdict.real_name) is None:
            self._make_known(stream, encoding)

    def end(self, name: str) -> bool:
        """End a subscription, if there is one; return whether its PV may be shown as connected."""
        self._unresolved.pop(name, None)
        self._forbidden.pop(name, None)
        self._large_bytes -= self._large.pop(name, 0)
        stream = self._streams.pop(name, None)
        if stream is None:
            return False
        self._shared.publishers.leave(stream, self._outgoing.outbox)
        # Also if it has disconnected since, which a slow client may not have received.
        return stream.pv.connected is not None

    def close(self) -> Iterator[None]:
        """End all subscriptions, one at each step."""
        self._unresolved.clear()
        for name in self.names:
            self.end(name)
            yield

    def weigh(self, name: str) -> None:
        """Count an array whose size is now known; end its subscription if it is too large."""
        stream = self._streams.get(name)
        if stream is None or not _size(stream.pv):
            return
        try:
            self._check_size(name, stream.pv)
        except BadMessageError as refusal:
            self.end(name)
            self._send_lost(stream, refusal.message)
            self._outgoing.refuse(attrs.evolve(refusal, action="connect", pvname=name))
            hub, real_name = self._shared.hub, stream.pv.name
            # Later, because within this call the channel passes on its metadata.
            self._shared.soon(lambda: hub.close_unused(real_name))
        else:
            size = _size(stream.pv)
            self._large_bytes += size - self._large.get(name, 0)
            self._large[name] = size

    def reauthorize(self, decide: Decide) -> Iterator[None]:
        """Apply a changed policy to each PV, one at each step.

        Subscriptions that are no longer allowed end; those that an earlier policy ended are
        restored.
        """
        forbidden = list(self._forbidden)
        for name, stream in list(self._streams.items()):
            if self._outgoing.is_closed:
                return
            if self._streams.get(name) is stream:
                try:
                    self._reauthorize(name, stream, decide)
                except Exception:
                    self._outgoing.fail(Failure())
            yield
        for name in forbidden:
            if self._outgoing.is_closed:
                return
            if name in self._forbidden:
                try:
                    self._restore(name, decide)
                except Exception:
                    self._outgoing.fail(Failure())
            yield

    def end_search(self, search: SearchTimeout) -> None:
        """Notify the client that a PV has not been found yet; the search continues."""
        stream = search.stream
        # Not if the client has unsubscribed from the PV, or subscribed to it again.
        is_wanted = self._unresolved.get(stream.name) is search
        if is_wanted:
            del self._unresolved[stream.name]
            if stream.pv.connected is None:
                self._send_disconnected(stream, self._outgoing.dialect.not_found(stream.name))

    def give_up(self, real_names: Collection[str]) -> None:
        """End the subscriptions to these PVs, none of which was found, to free channels."""
        for name, stream in list(self._streams.items()):
            if needs(stream.pv, real_names):
                self.end(name)
                self._outgoing.refuse(attrs.evolve(GAVE_WAY, action="connect", pvname=name))

    def _known(self, names: Sequence[Any], table: Table) -> Sequence[Named]:
        """Return the streams of PVs that can be joined together; none if one cannot.

        Raises:
            TypeError: A name is not hashable.
        """
        streams: list[Named] = []
        for name in names:
            named = table.get(name)
            if named is None or not named.stream.is_light or named.name in self._streams:
                return ()
            streams.append(named)
        # Once each.
        return streams if len(streams) == 1 or len(set(streams)) == len(streams) else ()

    def _live(self, encoding: Encoding) -> Table | None:
        """Return the streams for those of the names that have one."""
        kind = self._authorizer.kind()
        if kind is None:
            return None
        framing = self._outgoing.outbox.framing
        return self._shared.publishers.live.table((kind, encoding, framing))

    def _make_known(self, stream: EncodedStream, encoding: Encoding) -> None:
        """Allow clients of the same kind to join a stream together with others."""
        table = self._live(encoding)
        if table is not None and stream.name in self._streams:
            table[stream.name] = Named(stream.name, stream)

    def _join(
        self, name: str, verdict: Verdict, encoding: Encoding, past: Past | None = None
    ) -> EncodedStream:
        # Leave first, so that a repeated request sends the state again.
        was_shown = self.end(name)
        outbox = self._outgoing.outbox
        stream = self._shared.publishers.join(name, verdict.real_name, encoding, outbox, past)
        # Use the name that all clients share: separate copies would take a third of the memory.
        self._streams[stream.name] = stream
        if stream.pv.connected is None:
            if was_shown:
                # The name now stands for another PV.
                self._send_lost(stream)
            search = self._unresolved[stream.name] = SearchTimeout(self, stream)
            self._shared.search_timeouts.put(search, self._outgoing.dialect.search_timeout)
        else:
            self.weigh(name)
        return stream

    def _check_size(self, name: str, pv: PVState) -> None:
        if pv.is_overloaded:
            raise BadMessageError("overloaded", "the gateway's memory for arrays is full")
        others = self._large_bytes - self._large.get(name, 0)
        if others + _size(pv) > self._shared.budget.share:
            text = "the arrays of this client are larger than the limit in total"
            raise BadMessageError("too_many_pvs", text)

    def _send_lost(self, stream: EncodedStream, why: str | None = None) -> None:
        """Send that a PV is not connected, so that pages do not show an old value.

        `why` is the reason, if it is not the state of the PV.
        """
        self._send_disconnected(stream, self._outgoing.dialect.connection(stream.name, False), why)

    def _send_disconnected(
        self, stream: EncodedStream, message: bytes | None, why: str | None = None
    ) -> None:
        """Send that a PV is not connected, with the reason if requested."""
        why = why or reason(stream.pv)
        if why is not None and stream.encoding.reason:
            message = self._outgoing.dialect.disconnected(stream.name, why)
        if message is not None:
            stream.send(self._outgoing.outbox, message)

    def _reauthorize(self, name: str, stream: EncodedStream, decide: Decide) -> None:
        try:
            verdict = self._authorizer.authorize(name, decide)
        except BadMessageError as mistake:
            if self.end(name):
                why = mistake.reason if isinstance(mistake, ReadForbiddenError) else None
                self._send_lost(stream, why)
            self._forbidden[stream.name] = stream.encoding
            self._outgoing.refuse(mistake)
            return
        encoding = _for(stream.encoding, verdict)
        if encoding != stream.encoding or verdict.real_name != stream.pv.name:
            self._join(name, verdict, encoding)

    def _forbid(self, name: str, encoding: Encoding, why: str) -> None:
        """End a subscription whose repetition was refused; keep its new options, to restore it."""
        has_ended, stream = name in self._forbidden, self._streams.get(name)
        was_shown = self.end(name)
        if encoding.reason:
            self._outgoing.send(self._outgoing.dialect.disconnected(name, why))
        elif stream is not None and was_shown:
            self._send_lost(stream, why)
        if has_ended or stream is not None:
            self._forbidden[name] = encoding

    def _restore(self, name: str, decide: Decide) -> None:
        try:
            verdict = self._authorizer.authorize(name, decide)
        except BadMessageError:
            # The client was notified when it ended.
            return
        try:
            self._authorizer.reserve_channels(verdict)
        except BadMessageError as mistake:
            self.end(name)
            self._outgoing.refuse(attrs.evolve(mistake, pvname=name))
            return
        self._join(name, verdict, _for(self._forbidden[name], verdict))


@attrs.frozen(eq=False)
class SearchTimeout:
    """A pending search of a request, until the PV is found or the client is notified."""

    subscriptions: Subscriptions
    stream: EncodedStream

    def end(self) -> None:
        """Notify the client that the PV was not found in time."""
        self.subscriptions.end_search(self)


def _size(pv: PVState) -> int:
    """Return the bytes of a PV's values that the memory budget counts."""
    return pv.described.size if pv.described is not None and pv.described.is_large else 0


def _for(encoding: Encoding, verdict: Verdict) -> Encoding:
    """Return the encoding for a client with these rights: metadata says whether it may write."""
    writable = verdict.write and encoding.metadata
    return encoding if writable == encoding.writable else _with_rights(encoding, writable)


@lru_cache(maxsize=256)
def _with_rights(encoding: Encoding, writable: bool) -> Encoding:
    # Kept, so that the PVs of a page share one.
    return attrs.evolve(encoding, writable=writable)
