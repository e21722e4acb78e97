"""Password checks in threads, with a cache, because each takes a tenth of a second."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

from twisted.internet.defer import DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThreadPool

from pycawamp.web.htpasswd import Passwords

MAX_CHECKS = 2
MAX_WAITING = 64
GOOD_FOR = 60.0
"""Seconds for which a correct password is cached: a page sends many requests."""
MAX_KNOWN = 1000


class VerifierBusyError(Exception):
    """Too many passwords are being checked."""


class PasswordVerifier:
    """Checks passwords in threads, and caches correct ones for a while as keyed hashes."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._clock: IReactorTime = reactor
        self._turns = DeferredSemaphore(MAX_CHECKS)
        self._key = secrets.token_bytes(32)
        self._good: dict[bytes, float] = {}

    def is_cached(self, passwords: Passwords, user: str, password: str) -> bool:
        """Return whether the password is cached as correct."""
        until = self._good.get(self._mark(passwords, user, password))
        return until is not None and self._clock.seconds() < until

    async def check(self, passwords: Passwords, user: str, password: str) -> bool:
        """Return a Deferred of whether this is the user's password.

        Raises:
            VerifierBusyError: Too many passwords are being checked.
        """
        if len(self._turns.waiting) >= MAX_WAITING:
            raise VerifierBusyError
        pool = self._reactor.getThreadPool()
        good: bool = await self._turns.run(
            deferToThreadPool, self._reactor, pool, passwords.check, user, password
        )
        if good:
            self._remember(self._mark(passwords, user, password))
        return good

    def _remember(self, mark: bytes) -> None:
        now = self._clock.seconds()
        if len(self._good) >= MAX_KNOWN:
            self._good = {mark: until for mark, until in self._good.items() if until > now}
        if len(self._good) < MAX_KNOWN:
            self._good[mark] = now + GOOD_FOR

    def _mark(self, passwords: Passwords, user: str, password: str) -> bytes:
        # With the entry, so that a changed password is not in the cache.
        parts = (user, passwords.entry(user) or "", password)
        text = b"\0".join(part.encode("utf-8", "surrogatepass") for part in parts)
        return hmac.digest(self._key, text, hashlib.sha256)
