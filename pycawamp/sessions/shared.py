"""The parts of a gateway that all clients share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Protocol

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator

from pycawamp.access.interfaces import IPolicy
from pycawamp.fanout.flush import FlushCycle
from pycawamp.fanout.publisher import Publishers
from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.delay import DelayLine
from pycawamp.pv.hub import PVHub
from pycawamp.pv.oneshot import OneShotChannel
from pycawamp.pv.router import Router
from pycawamp.sessions.history_reader import HistoryReader
from pycawamp.sessions.limits import Limits
from pycawamp.sessions.putlog import PutLog
from pycawamp.sessions.quota import UnderWay
from pycawamp.sessions.refusals import RefusalCounter
from pycawamp.sessions.spellings import SpellingLimits
from pycawamp.sessions.unresolved import UnresolvedNames

STEPS_PER_ITERATION = 100
"""Subscriptions and requests of a disconnected client that are ended per reactor iteration."""


class PendingSearch(Protocol):
    """A client that waits for a PV to be found."""

    def end(self) -> None:
        """Notify the client if the PV has not been found yet."""


class SearchTimeouts:
    """The pending searches; after the timeout, clients are notified that the PV was not found."""

    def __init__(self, clock: IReactorTime, timeout: float) -> None:
        self._clock = clock
        self._timeout = timeout
        self._waits: dict[float, DelayLine[PendingSearch]] = {}

    def put(self, search: PendingSearch, timeout: float | None = None) -> None:
        """End a search after `timeout` seconds, or after the default time."""
        seconds = self._timeout if timeout is None else timeout
        waits = self._waits.get(seconds)
        if waits is None:
            waits = self._waits[seconds] = DelayLine(self._clock, seconds, lambda each: each.end())
        waits.put(search)

    def clear(self) -> None:
        """Cancel all timers."""
        for waits in self._waits.values():
            waits.clear()


@attrs.frozen(eq=False)
class Shared:
    """The parts of a gateway that all clients share."""

    clock: IReactorTime
    hub: PVHub
    router: Router
    flush_cycle: FlushCycle
    publishers: Publishers
    policy: IPolicy
    put_log: PutLog
    connect_timeout: float
    """Seconds until a client is notified that a PV was not found."""
    limits: Limits
    refusals: RefusalCounter
    errors: Counter[str]
    """Number of errors sent to clients, by code."""
    budget: MemoryBudget
    past: HistoryReader
    """Reads histories."""
    unresolved: UnresolvedNames
    spellings: SpellingLimits
    puts: UnderWay
    """The unfinished puts of all clients."""
    search_timeouts: SearchTimeouts
    cooperator: Cooperator
    session_numbers: Iterator[int] = attrs.field(factory=count)

    def one_shot(self, real_name: str) -> OneShotChannel:
        """Return a one-shot channel to a PV."""
        return OneShotChannel(self.hub, self.clock, real_name)

    def soon(self, function: Callable[[], object]) -> None:
        """Call `function` in the next reactor iteration."""
        self.clock.callLater(0, function)

    def finish(self, work: Iterator[None]) -> None:
        """Execute the steps of some work: a few at once, many in several reactor iterations."""
        if len(list(islice(work, STEPS_PER_ITERATION))) == STEPS_PER_ITERATION:
            self.cooperator.cooperate(work)
