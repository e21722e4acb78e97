"""All clients, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator

from pycawamp.access.interfaces import Decide, IPolicy
from pycawamp.fanout.flush import FlushCycle
from pycawamp.fanout.outbox import IWriter
from pycawamp.fanout.publisher import Publishers
from pycawamp.pv.delay import DelayLine
from pycawamp.pv.hub import PVHub
from pycawamp.pv.oneshot import OneShotChannel
from pycawamp.sessions.limits import Limits
from pycawamp.sessions.putlog import PutLog
from pycawamp.sessions.quota import Quota
from pycawamp.sessions.refusals import RefusalCounter
from pycawamp.sessions.session import Client, HangUp, Session
from pycawamp.sessions.subscriptions import Search


class Sessions:
    """All clients, and what they share."""

    def __init__(  # noqa: PLR0913 (one of each thing that clients share)
        self,
        clock: IReactorTime,
        hub: PVHub,
        flush_cycle: FlushCycle,
        *,
        policy: IPolicy,
        put_log: PutLog,
        connect_timeout: float = 5.0,
        limits: Limits | None = None,
        refusals: RefusalCounter | None = None,
    ) -> None:
        self.hub = hub
        self.flush_cycle = flush_cycle
        self.policy = policy
        self.put_log = put_log
        self.connect_timeout = connect_timeout
        self.publishers = Publishers(clock, hub, flush_cycle)
        self.searching: DelayLine[Search] = DelayLine(clock, connect_timeout, Search.end)
        self.one_shot = partial(OneShotChannel, hub, clock)
        self.limits = limits or Limits()
        self.refusals = refusals or RefusalCounter(clock)
        self._clock = clock
        self._open: set[Session] = set()
        self._reauthorizations = Cooperator(scheduler=lambda work: clock.callLater(0, work))
        self._unauthorized: dict[Session, None] = {}
        self._is_reauthorizing = False
        self._decide: Decide = policy.decide
        self._merged_by_closed = 0

    def open(
        self, writer: IWriter, client: Client, hang_up: HangUp = lambda _code, _reason: None
    ) -> Session:
        """Begin the conversation with a client; `hang_up` closes its connection."""
        session = Session(self, writer, client, hang_up)
        self._open.add(session)
        return session

    def quota(self) -> Quota:
        """What a new client may take."""
        return Quota.of(self._clock, self.hub, self.limits)

    def soon(self, function: Callable[[], object]) -> None:
        """Have a function called by the event loop, not within this call."""
        self._clock.callLater(0, function)

    def close(self) -> None:
        """Leave no timer behind: the gateway ends."""
        self._reauthorizations.stop()
        self.searching.clear()
        self.publishers.close()

    def closed(self, session: Session) -> None:
        """Forget a client."""
        self._open.discard(session)
        self._merged_by_closed += session.outbox.conflated

    def reauthorize(self) -> None:
        """Have a changed policy applied to all that is open, a little at a time."""
        # Those who look at the same page are judged alike.
        self._decide = cache(self.policy.decide)
        # Who waits already keeps the place: a policy that changes often is to reach all.
        self._unauthorized.update(dict.fromkeys(self._open))
        if not self._is_reauthorizing:
            self._is_reauthorizing = True
            self._reauthorizations.cooperate(self._reauthorize())

    def _reauthorize(self) -> Iterator[None]:
        while self._unauthorized:
            session = next(iter(self._unauthorized))
            # Before it is looked at: a change meanwhile concerns it again.
            del self._unauthorized[session]
            if session in self._open:
                yield from session.subscriptions.reauthorize(self._decide)
        self._is_reauthorizing = False

    @property
    def conflated(self) -> int:
        """Updates, in all, that a slow client did not get because a newer one came first."""
        return self._merged_by_closed + sum(session.outbox.conflated for session in self._open)

    def __len__(self) -> int:
        return len(self._open)
