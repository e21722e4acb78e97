"""Authentication by password or token."""

from __future__ import annotations

import base64
import binascii
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from pycawamp.filewatch import FileWatcher
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.refusals import RefusalCounter
from pycawamp.web.htpasswd import LoginFileError, Passwords, read_passwords
from pycawamp.web.login_throttle import LoginThrottle
from pycawamp.web.password_verifier import PasswordVerifier, VerifierBusyError
from pycawamp.web.tokens import BadTokenError, TokenKey, read_key

DELAY = 1.0
"""Seconds until a failed login is reported: longer than a hash takes, so that all are equal."""


@attrs.frozen
class Basic:
    """A user's name and password."""

    user: str
    password: str = attrs.field(repr=False)


@attrs.frozen
class Bearer:
    """A token."""

    token: str = attrs.field(repr=False)


Credentials: TypeAlias = Basic | Bearer


class LoginFailedError(Exception):
    """The credentials are invalid. The client gets no reason."""


class TooManyLoginsError(Exception):
    """Too many failed logins from the address."""


@attrs.frozen
class LoginFiles:
    """The files with passwords and keys."""

    htpasswd: Path | None = None
    jwt_key: Path | None = None
    audience: str | None = None
    issuer: str | None = None

    def read(self) -> tuple[Passwords | None, TokenKey | None]:
        """Read the files.

        Raises:
            LoginFileError: A file is invalid.
        """
        passwords = read_passwords(self.htpasswd) if self.htpasswd else None
        key = read_key(self.jwt_key, self.audience, self.issuer) if self.jwt_key else None
        return passwords, key


class Logins(FileWatcher[tuple[Passwords | None, TokenKey | None]]):
    """A service that authenticates users, and reads its files again when they change.

    Args:
        reactor: Twisted's reactor.
        files: The password file and the key.
        refusals: Counts failed logins.
        now: Returns the time in UNIX seconds.

    Raises:
        LoginFileError: A file is invalid.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        files: LoginFiles,
        refusals: RefusalCounter,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(reactor, (files.htpasswd, files.jwt_key))
        self._reactor = reactor
        self._files = files
        self._refusals = refusals
        self._now = now
        self._login_throttle = LoginThrottle(reactor)
        self._under_way: dict[tuple[Credentials, str], list[Deferred[Peer]]] = {}
        self._checker = PasswordVerifier(reactor)
        self._listeners: list[Callable[[], None]] = []
        self._passwords, self._key = files.read()
        self.outcomes = Counter({"ok": 0, "failed": 0, "throttled": 0, "busy": 0})
        """Number of logins by outcome; simultaneous ones with the same credentials count once."""

    def listen(self, listener: Callable[[], None]) -> None:
        """Call a function when the files have changed."""
        self._listeners.append(listener)

    @property
    def challenges(self) -> list[str]:
        """The values of WWW-Authenticate for the available schemes."""
        basic = ['Basic realm="pycaserver", charset="UTF-8"'] if self._passwords else []
        return basic + (['Bearer realm="pycaserver"'] if self._key else [])

    @property
    def takes_passwords(self) -> bool:
        """Whether there is a password file."""
        return self._passwords is not None

    def understands(self, credentials: Credentials) -> bool:
        """Return whether credentials of this kind can be checked."""
        known = self._passwords if isinstance(credentials, Basic) else self._key
        return known is not None

    async def identify(self, credentials: Credentials, host: str) -> Peer:
        """Return the user of credentials, with their expiry but without an address.

        Raises:
            LoginFailedError: The credentials are invalid; raised after a delay.
            TooManyLoginsError: Too many failed logins from the address.
            VerifierBusyError: Too many passwords are being checked.
        """
        known = self._known(credentials)
        if known is not None:
            self.outcomes["ok"] += 1
            return known
        # Several requests with the same credentials at once count and are checked once.
        tried = (credentials, host)
        answer: Deferred[Peer] = Deferred()
        under_way = self._under_way.get(tried)
        if under_way is not None:
            under_way.append(answer)
        else:
            self._under_way[tried] = [answer]
            Deferred.fromCoroutine(self._try(credentials, host)).addBoth(self._checked, tried)
        return await answer

    async def _try(self, credentials: Credentials, host: str) -> Peer:
        if not self._login_throttle.attempt(host):
            self._refusals.count("too many failed logins", host)
            self.outcomes["throttled"] += 1
            raise TooManyLoginsError
        started = self._reactor.seconds()
        try:
            peer = await self._check(credentials)
        except VerifierBusyError:
            self.outcomes["busy"] += 1
            raise
        self.outcomes["ok" if peer is not None else "failed"] += 1
        if peer is None:
            self._refusals.count("failed login", host)
            elapsed = self._reactor.seconds() - started
            await deferLater(self._reactor, max(0.0, DELAY - elapsed))
            raise LoginFailedError
        self._login_throttle.succeeded(host)
        return peer

    def _checked(self, result: Peer | Failure, tried: tuple[Credentials, str]) -> None:
        for answer in self._under_way.pop(tried):
            answer.callback(result)

    def read(self) -> tuple[Passwords | None, TokenKey | None]:
        """Read the files.

        Raises:
            LoginFileError: One is invalid.
        """
        return self._files.read()

    def accept(self, result: tuple[Passwords | None, TokenKey | None]) -> None:
        """Use the new content of the files."""
        self._passwords, self._key = result
        for listener in self._listeners:
            listener()

    def refuse(self, failure: Failure) -> None:
        """Log why the previous logins stay in force."""
        if failure.check(LoginFileError):
            self._log.error("{error}; the previous logins stay in force", error=failure.value)
        else:
            self._log.failure("The login files could not be read again", failure)

    def _known(self, credentials: Credentials) -> Peer | None:
        passwords = self._passwords
        if passwords is None or not isinstance(credentials, Basic):
            return None
        if not self._checker.is_cached(passwords, credentials.user, credentials.password):
            return None
        return self._by_password(passwords, credentials.user)

    async def _check(self, credentials: Credentials) -> Peer | None:
        if isinstance(credentials, Bearer):
            return self._by_token(credentials.token)
        passwords = self._passwords
        if passwords is None:
            return None
        good = await self._checker.check(passwords, credentials.user, credentials.password)
        return self._by_password(passwords, credentials.user) if good else None

    def _by_password(self, passwords: Passwords, user: str) -> Peer:
        entry = passwords.entry(user)

        def is_valid() -> bool:
            return self._passwords is not None and self._passwords.entry(user) == entry

        return Peer(user=user, is_valid=is_valid)

    def _by_token(self, token: str) -> Peer | None:
        key = self._key
        try:
            claims = key.check(token, self._now) if key is not None else None
        except BadTokenError as problem:
            self._log.debug("token refused: {problem}", problem=problem)
            return None
        if claims is None:
            return None
        return Peer(user=claims.user, expires=claims.expires, is_valid=lambda: self._key == key)


def parse_authorization(header: str | None) -> Credentials | None:
    """Return the credentials in an Authorization header; None for another scheme.

    Raises:
        ValueError: The header is not valid Basic authentication.
    """
    scheme, *rest = (header or "").split(maxsplit=1) or [""]
    given = rest[0].strip() if rest else ""
    if scheme.lower() == "bearer" and given:
        return Bearer(given)
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("the Authorization header is not Basic") from None
    if not colon:
        raise ValueError("the Authorization header has no password")
    return Basic(user, password)
