"""A rate limit with a burst."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime


class TokenBucket:
    """Allows `rate` tokens per second, and `burst` at once."""

    __slots__ = ("_burst", "_clock", "_filled", "_rate", "_tokens")

    def __init__(self, clock: IReactorTime, rate: float, burst: float) -> None:
        self._clock = clock
        self._rate = rate
        # At least one token, otherwise no request would ever be allowed.
        self._burst = max(1.0, burst)
        self._tokens = self._burst
        self._filled = clock.seconds()

    def take(self, tokens: float = 1.0) -> bool:
        """Take `tokens`; the balance may go negative. Return False if it was empty."""
        now = self._clock.seconds()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= tokens
        return True

    def charge(self, tokens: float) -> None:
        """Take tokens for an accepted request; the balance may go negative."""
        self._tokens -= tokens

    def give_back(self) -> None:
        """Return a token."""
        self._tokens = min(self._burst, self._tokens + 1)

    @property
    def is_full(self) -> bool:
        """Whether it is in its initial state, so that it can be dropped."""
        rested = (self._clock.seconds() - self._filled) * self._rate
        return self._tokens + rested >= self._burst
