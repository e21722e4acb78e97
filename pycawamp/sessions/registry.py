"""All sessions, and what they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from functools import cache, partial

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator

from pycawamp.access.hosts import network_key
from pycawamp.access.interfaces import Decide, IPolicy
from pycawamp.fanout.flush import FlushCycle
from pycawamp.fanout.outbox import IWriter, Outbox
from pycawamp.fanout.publisher import Publisher, Publishers
from pycawamp.pv.archiver import Archiver
from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.hub import PVHub
from pycawamp.pv.router import Router
from pycawamp.sessions.authorizer import Authorizer
from pycawamp.sessions.history_reader import HistoryReader
from pycawamp.sessions.limits import Limits
from pycawamp.sessions.names_in_use import Holder
from pycawamp.sessions.outgoing import CloseConnection, Outgoing
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.putlog import PutLog
from pycawamp.sessions.quota import Quota, UnderWay
from pycawamp.sessions.refusals import RefusalCounter
from pycawamp.sessions.session import Session
from pycawamp.sessions.shared import SearchTimeouts, Shared
from pycawamp.sessions.spellings import SpellingLimits
from pycawamp.sessions.unresolved import UnresolvedNames
from pycawamp.wire.dialect import Encoding

PUTS_IN_ALL = 10_000
"""Unfinished puts of all clients."""


class Sessions:
    """All sessions, and what they share."""

    def __init__(  # noqa: PLR0913 (the parts that clients share)
        self,
        clock: IReactorTime,
        hub: PVHub,
        router: Router,
        flush_cycle: FlushCycle,
        *,
        policy: IPolicy,
        put_log: PutLog,
        connect_timeout: float = 5.0,
        limits: Limits | None = None,
        refusals: RefusalCounter | None = None,
        budget: MemoryBudget | None = None,
        archiver: Archiver | None = None,
    ) -> None:
        limits = limits or Limits()
        budget = budget or MemoryBudget(limits.memory)
        self.shared = Shared(
            clock=clock,
            hub=hub,
            router=router,
            flush_cycle=flush_cycle,
            publishers=Publishers(clock, hub, flush_cycle, budget, self._weigh),
            policy=policy,
            put_log=put_log,
            connect_timeout=connect_timeout,
            limits=limits,
            refusals=refusals or RefusalCounter(clock),
            errors=Counter(),
            budget=budget,
            past=HistoryReader(hub, router, archiver),
            unresolved=UnresolvedNames(hub, limits, self._give_up),
            spellings=SpellingLimits(hub, limits),
            puts=UnderWay(PUTS_IN_ALL, budget.share),
            search_timeouts=SearchTimeouts(clock, connect_timeout),
            cooperator=Cooperator(scheduler=lambda work: clock.callLater(0, work)),
        )
        self._open: dict[Outbox, Session] = {}
        self._holders: dict[Holder, Session] = {}
        self._unauthorized: dict[Session, None] = {}
        self._is_reauthorizing = False
        self._decide: Decide = policy.decide
        self._conflated_by_closed = 0

    def open(
        self,
        writer: IWriter,
        peer: Peer,
        encoding: Encoding,
        close_connection: CloseConnection = lambda _code, _reason: None,
        quota: Quota | None = None,
    ) -> Session:
        """Start the session of a client.

        `encoding` has the client's dialect and initial options. `close_connection` closes its
        connection with a code and a reason. `quota` is the client's quota; by default a new one.
        """
        shared = self.shared
        quota = quota or self.quota()
        outgoing = Outgoing(
            shared,
            writer,
            address=peer.address,
            encoding=encoding,
            close_connection=close_connection,
            abuse=quota.abuse,
        )
        holder = Holder(network_key(peer.host))
        session = Session(
            shared,
            peer,
            outgoing=outgoing,
            authorizer=Authorizer(shared, peer, holder),
            quota=quota,
            closed=partial(self._closed, outgoing.outbox, holder),
        )
        self._open[session.outbox] = session
        self._holders[holder] = session
        return session

    def quota(self) -> Quota:
        """Return the quota of a new client."""
        return Quota.of(self.shared.clock, self.shared.limits)

    def close(self) -> None:
        """Cancel all timers."""
        self.shared.cooperator.stop()
        self.shared.search_timeouts.clear()
        self.shared.publishers.close()

    def reauthorize(self) -> None:
        """Apply a changed policy to everything that is open, in slices."""
        self.shared.publishers.live.clear()
        # Clients with the same page need the same decisions.
        self._decide = cache(self.shared.policy.decide)
        # Queued sessions keep their place, so each is reached even if the policy changes often.
        self._unauthorized.update(dict.fromkeys(self._open.values()))
        if not self._is_reauthorizing:
            self._is_reauthorizing = True
            self.shared.cooperator.cooperate(self._reauthorize())

    def _reauthorize(self) -> Iterator[None]:
        while self._unauthorized:
            session = next(iter(self._unauthorized))
            # Removed first, so that a change in the meantime adds it again.
            del self._unauthorized[session]
            if session.outbox in self._open:
                yield from session.subscriptions.reauthorize(self._decide)
        self._is_reauthorizing = False

    def _closed(self, outbox: Outbox, holder: Holder) -> None:
        del self._open[outbox], self._holders[holder]
        self._conflated_by_closed += outbox.conflated

    def _weigh(self, publisher: Publisher) -> None:
        """End the subscriptions to a large array of clients that have too many large arrays."""
        for outbox in publisher.outboxes:
            session = self._open.get(outbox)
            # None: the client has disconnected, and its many subscriptions are still being ended.
            if session is not None:
                session.subscriptions.weigh(publisher.name)

    def _give_up(self, holder: Holder, real_names: Collection[str]) -> None:
        self._holders[holder].give_up(real_names)

    def of_dialect(self, name: str) -> list[Session]:
        """Return the sessions of clients that speak a dialect."""
        sessions = self._open.values()
        return [each for each in sessions if each.outgoing.dialect.name == name]

    @property
    def conflated(self) -> int:
        """Number of updates that slow clients did not get because a newer one came first."""
        return self._conflated_by_closed + sum(outbox.conflated for outbox in self._open)

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Session]:
        """The sessions of all clients."""
        return iter(self._open.values())
