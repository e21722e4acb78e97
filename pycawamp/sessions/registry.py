"""All clients, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import islice

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator

from pycawamp.access.interfaces import Decide, IPolicy
from pycawamp.fanout.flush import FlushCycle
from pycawamp.fanout.outbox import IWriter, Outbox
from pycawamp.fanout.publisher import Publisher, Publishers
from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.delay import DelayLine
from pycawamp.pv.hub import PVHub
from pycawamp.pv.oneshot import OneShotChannel
from pycawamp.pv.router import Router
from pycawamp.sessions.limits import Limits
from pycawamp.sessions.putlog import PutLog
from pycawamp.sessions.quota import Quota, UnderWay
from pycawamp.sessions.refusals import RefusalCounter
from pycawamp.sessions.session import Client, HangUp, Session
from pycawamp.sessions.spellings import Spellings
from pycawamp.sessions.subscriptions import Search
from pycawamp.sessions.unresolved import UnresolvedNames
from pycawamp.wire.dialect import Encoding

STEPS_AT_ONCE = 100
"""What a client that is gone had asked for: so much ends before others have their turn."""

PUTS_IN_ALL = 10_000
"""Puts of all clients that have not finished."""


class Sessions:
    """All clients, and what they share."""

    def __init__(  # noqa: PLR0913 (one of each thing that clients share)
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
    ) -> None:
        self.hub = hub
        self.router = router
        self.flush_cycle = flush_cycle
        self.policy = policy
        self.put_log = put_log
        self.connect_timeout = connect_timeout
        self.budget = budget or MemoryBudget((limits or Limits()).memory)
        self.publishers = Publishers(clock, hub, flush_cycle, self.budget, self._weigh)
        self._searches: dict[float, DelayLine[Search]] = {}
        self.one_shot = partial(OneShotChannel, hub, clock)
        self.limits = limits or Limits()
        self.unresolved = UnresolvedNames(hub, self.limits)
        self.spellings = Spellings(hub, self.limits)
        self.refusals = refusals or RefusalCounter(clock)
        self.puts = UnderWay(PUTS_IN_ALL, self.budget.share)
        """Those of all clients."""
        self._clock = clock
        self._open: dict[Outbox, Session] = {}
        self._cooperator = Cooperator(scheduler=lambda work: clock.callLater(0, work))
        self._unauthorized: dict[Session, None] = {}
        self._is_reauthorizing = False
        self._decide: Decide = policy.decide
        self._merged_by_closed = 0

    def open(
        self,
        writer: IWriter,
        client: Client,
        encoding: Encoding,
        hang_up: HangUp = lambda _code, _reason: None,
    ) -> Session:
        """Begin the conversation with a client.

        `encoding` has the client's dialect and the options that are in force at first.
        `hang_up` closes its connection with a code and a reason.
        """
        session = Session(self, writer, client, hang_up, encoding)
        self._open[session.outbox] = session
        return session

    def quota(self) -> Quota:
        """What a new client may take."""
        return Quota.of(self._clock, self.limits)

    def searches(self, timeout: float | None) -> DelayLine[Search]:
        """Return the searches that end so many seconds after they began.

        `timeout` is one of the few that dialects have; None stands for `connect_timeout`.
        """
        seconds = self.connect_timeout if timeout is None else timeout
        searches = self._searches.get(seconds)
        if searches is None:
            searches = self._searches[seconds] = DelayLine(self._clock, seconds, Search.end)
        return searches

    def soon(self, function: Callable[[], object]) -> None:
        """Have a function called by the event loop, not within this call."""
        self._clock.callLater(0, function)

    def finish(self, work: Iterator[None]) -> None:
        """Take the steps of some work, at once if they are few, else a little at a time."""
        if len(list(islice(work, STEPS_AT_ONCE))) == STEPS_AT_ONCE:
            self._cooperator.cooperate(work)

    def close(self) -> None:
        """Leave no timer behind: the gateway ends."""
        self._cooperator.stop()
        for searches in self._searches.values():
            searches.clear()
        self.publishers.close()

    def closed(self, session: Session) -> None:
        """Forget a client."""
        self._open.pop(session.outbox, None)
        self._merged_by_closed += session.outbox.conflated

    def reauthorize(self) -> None:
        """Have a changed policy applied to all that is open, a little at a time."""
        # Those who look at the same page are judged alike.
        self._decide = cache(self.policy.decide)
        # Who waits already keeps the place: a policy that changes often is to reach all.
        self._unauthorized.update(dict.fromkeys(self._open.values()))
        if not self._is_reauthorizing:
            self._is_reauthorizing = True
            self._cooperator.cooperate(self._reauthorize())

    def _reauthorize(self) -> Iterator[None]:
        while self._unauthorized:
            session = next(iter(self._unauthorized))
            # Before it is looked at: a change meanwhile concerns it again.
            del self._unauthorized[session]
            if session.outbox in self._open:
                yield from session.subscriptions.reauthorize(self._decide)
        self._is_reauthorizing = False

    def _weigh(self, publisher: Publisher) -> None:
        """End the subscriptions to a large array of those who have too much of them."""
        for outbox in publisher.outboxes:
            self._open[outbox].subscriptions.weigh(publisher.name)

    @property
    def conflated(self) -> int:
        """Updates, in all, that a slow client did not get because a newer one came first."""
        return self._merged_by_closed + sum(outbox.conflated for outbox in self._open)

    def __len__(self) -> int:
        return len(self._open)
