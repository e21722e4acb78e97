"""Password hashes cost a tenth of a second each: not on the reactor's thread, and not twice."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

from twisted.internet.defer import DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThreadPool

from pycawamp.web.htpasswd import Passwords

AT_ONCE = 2
MOST_WAITING = 64
GOOD_FOR = 60.0
"""Seconds for which a good password need not be hashed again: a page has many parts."""
MOST_KNOWN = 1000


class VerifierBusyError(Exception):
    """More passwords wait to be checked than can be in a few seconds."""


class PasswordVerifier:
    """Checks passwords in threads, a few at once, and remembers good ones for a while.

    What it remembers is a keyed hash: its memory does not give the passwords away.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._clock: IReactorTime = reactor
        self._turns = DeferredSemaphore(AT_ONCE)
        self._key = secrets.token_bytes(32)
        self._good: dict[bytes, float] = {}

    def knows(self, passwords: Passwords, user: str, password: str) -> bool:
        """Whether the password was found good a short while ago."""
        until = self._good.get(self._mark(passwords, user, password))
        return until is not None and self._clock.seconds() < until

    async def check(self, passwords: Passwords, user: str, password: str) -> bool:
        """Whether this is the user's password; VerifierBusyError."""
        if len(self._turns.waiting) >= MOST_WAITING:
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
        if len(self._good) >= MOST_KNOWN:
            self._good = {mark: until for mark, until in self._good.items() if until > now}
        if len(self._good) < MOST_KNOWN:
            self._good[mark] = now + GOOD_FOR

    def _mark(self, passwords: Passwords, user: str, password: str) -> bytes:
        # The entry is part of it: a password that was changed is forgotten at once.
        parts = (user, passwords.entry(user) or "", password)
        text = b"\0".join(part.encode("utf-8", "surrogatepass") for part in parts)
        return hmac.digest(self._key, text, hashlib.sha256)
