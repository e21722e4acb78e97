"""How much each client may take of what all share, and the count of what was refused."""

from __future__ import annotations

from collections import Counter

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pycawamp.pv.hub import PVHub

BURST = 20.0
"""Seconds of an allowance that may be used at once: a page opens with a request for each PV."""
PATIENCE = 100
"""Refused requests, beyond one a second, until the connection is closed (1008)."""

FEW = 1000
"""Names that may be looked at every time."""


@attrs.frozen
class Limits:
    """What clients may take; a limit is the most that is allowed."""

    clients: int = 5000
    """Connections in all."""
    clients_per_address: int = 1000
    pvs: int = 20_000
    """Subscriptions of one client."""
    channels: int = 100_000
    """Open channels in all, those that linger included."""
    unresolved: int = 10_000
    """Names that one client has searched for at once."""
    request_rate: float = 1000.0
    """Requests per second of one client; `BURST` seconds of them at once."""
    put_rate: float = 50.0
    """Puts per second of one client; `BURST` seconds of them at once."""


class Tally:
    """Counts refusals by kind, and logs the first of a kind in each minute."""

    _log = Logger()
    pause = 60.0
    """Seconds between two lines of one kind: whoever floods a limit must not flood the log."""

    def __init__(self, clock: IReactorTime) -> None:
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._logged: dict[str, float] = {}

    def count(self, kind: str, who: str) -> None:
        """Count one refusal of a kind that a client met."""
        self.counts[kind] += 1
        now = self._clock.seconds()
        if now >= self._logged.get(kind, float("-inf")) + self.pause:
            self._logged[kind] = now
            self._log.warn(
                "Refused {who}: {kind} ({count} so far; the next line of this kind in {pause:g} s)",
                who=who,
                kind=kind,
                count=self.counts[kind],
                pause=self.pause,
            )

    def __str__(self) -> str:
        return ", ".join(f"{kind}: {count}" for kind, count in sorted(self.counts.items()))


class TokenBucket:
    """Lets `rate` through per second, and `burst` at once after a rest."""

    __slots__ = ("_burst", "_clock", "_filled", "_rate", "_tokens")

    def __init__(self, clock: IReactorTime, rate: float, burst: float) -> None:
        self._clock = clock
        self._rate = rate
        # A whole one must fit in, or nothing ever gets through.
        self._burst = max(1.0, burst)
        self._tokens = self._burst
        self._filled = clock.seconds()

    def take(self, tokens: float = 1.0) -> bool:
        """Whether there is at least one; takes as many as are asked for, on credit if need be."""
        now = self._clock.seconds()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= tokens
        return True

    def give_back(self) -> None:
        """Put one back that was taken in vain."""
        self._tokens = min(self._burst, self._tokens + 1)

    @property
    def is_full(self) -> bool:
        """Whether nothing was taken for a while: a new bucket would be the same."""
        rested = (self._clock.seconds() - self._filled) * self._rate
        return self._tokens + rested >= self._burst


class Searches:
    """The names that one client has searched for and that no IOC has answered to.

    A name that the client has left counts for as long as its channel lingers: otherwise
    asking for ever new names would cost nothing but the request.
    """

    prune_interval = 0.1
    """Seconds between two looks at all names, as each takes its time."""

    def __init__(self, clock: IReactorTime, hub: PVHub, most: int) -> None:
        self._clock = clock
        self._hub = hub
        self._most = most
        self._names: set[str] = set()
        self._pruned = float("-inf")

    def admit(self, name: str) -> bool:
        """Whether one may ask for this name; takes note of it if it has to be searched for."""
        if name in self._names or self._hub.has_found(name):
            return True
        if len(self._names) >= self._most:
            self._prune()
        if len(self._names) >= self._most:
            return False
        self._names.add(name)
        return True

    def found(self, name: str) -> None:
        """Take note that an IOC has answered."""
        self._names.discard(name)

    def _prune(self) -> None:
        now = self._clock.seconds()
        if len(self._names) < FEW or now - self._pruned >= self.prune_interval:
            self._pruned = now
            self._names = {name for name in self._names if self._hub.is_searching(name)}

    def __len__(self) -> int:
        return len(self._names)


@attrs.frozen
class Allowance:
    """What one client may still take."""

    requests: TokenBucket
    puts: TokenBucket
    abuse: TokenBucket
    """Refused requests that are still put up with."""
    searches: Searches

    @classmethod
    def of(cls, clock: IReactorTime, hub: PVHub, limits: Limits) -> Allowance:
        """The allowance of a new client."""
        return cls(
            requests=TokenBucket(clock, limits.request_rate, BURST * limits.request_rate),
            puts=TokenBucket(clock, limits.put_rate, BURST * limits.put_rate),
            abuse=TokenBucket(clock, 1, PATIENCE),
            searches=Searches(clock, hub, limits.unresolved),
        )
