"""Expiry of logins."""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

EXPIRY_CHECK = 10.0
"""Seconds between checks of the system clock, which may be set."""


class LoginExpiry:
    """Calls a function once when the login of a connection has expired."""

    def __init__(
        self, clock: IReactorTime, expired: Callable[[], None], now: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._expired = expired
        self._now = now
        self._timer: IDelayedCall | None = None

    def watch(self, expires: float | None) -> None:
        """Start to watch a login that expires at this time, in UNIX seconds; None: never."""
        if expires is not None:
            self._wait(expires)

    def cancel(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, expires: float) -> None:
        self._timer = None
        left = expires - self._now()
        if left > 0:
            self._timer = self._clock.callLater(min(left, EXPIRY_CHECK), self._wait, expires)
        else:
            self._expired()
