"""Authentication of requests: by address, host name, origin and login."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeAlias

import attrs
from attrs import evolve
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request

from pycawamp.sessions.peer import Peer
from pycawamp.sessions.refusals import RefusalCounter
from pycawamp.web.handshake_throttle import HandshakeThrottle
from pycawamp.web.host import Hosts
from pycawamp.web.login import (
    Bearer,
    Credentials,
    LoginFailedError,
    Logins,
    TooManyLoginsError,
    parse_authorization,
)
from pycawamp.web.origin import Origins
from pycawamp.web.password_verifier import VerifierBusyError
from pycawamp.web.proxy import Proxies

MAX_AGENT = 200
"""Maximum characters of a User-Agent that are kept."""
BEARER = "bearer."
"""Prefix of the WebSocket subprotocol that carries a token: scripts cannot set headers."""


@attrs.frozen
class RefusalError(Exception):
    """A request is refused with this status and text."""

    status: int
    text: str
    headers: tuple[tuple[str, str], ...] = ()


@attrs.frozen
class AuthenticationRules:
    """Rules for accepting requests."""

    proxies: Proxies = attrs.Factory(Proxies)
    origins: Origins = attrs.Factory(Origins)
    """Origins whose pages may open a WebSocket."""
    hosts: Hosts = attrs.Factory(lambda: Hosts(restricted=False))
    """Host names of the gateway."""
    required: bool = False
    """Whether a login is required."""

    def restricted(self) -> AuthenticationRules:
        """Return the rules to use if rights depend on the client's address."""
        return evolve(
            self,
            origins=evolve(self.origins, restricted=True),
            hosts=evolve(self.hosts, restricted=True),
        )


class Authentication:
    """Authenticates requests by host name, origin, login and the headers of proxies.

    Args:
        clock: The reactor.
        rules: Which requests are accepted; by default, pages of any origin, and no proxies.
        logins: Checks passwords and tokens; None: there are no logins.
        refusals: Counts refused requests.
        by_address: Returns whether rights depend on the client's address. If they do, the
            restricted rules apply, because any page could otherwise use the rights of its
            visitor's address.
    """

    def __init__(
        self,
        clock: IReactorTime,
        rules: AuthenticationRules | None = None,
        logins: Logins | None = None,
        refusals: RefusalCounter | None = None,
        by_address: Callable[[], bool] = lambda: False,
    ) -> None:
        self.logins = logins
        self.refusals = refusals or RefusalCounter(clock)
        self._plain = rules or AuthenticationRules()
        self._restricted = self._plain.restricted()
        self._by_address = by_address
        self.handshakes = HandshakeThrottle(clock)

    @property
    def takes_other_pages(self) -> bool:
        """Whether pages of some other origin may open a WebSocket."""
        origins = self._rules.origins
        return not origins.restricted or bool(origins.patterns)

    @property
    def by_address(self) -> bool:
        """Whether rights depend on the client's address."""
        return self._by_address()

    @property
    def _rules(self) -> AuthenticationRules:
        return self._restricted if self._by_address() else self._plain

    def readers(self, request: Request) -> str | None:
        """Return the origin, or `*`, whose pages may read the response to a request; else None."""
        rules = self._rules
        if not rules.origins.restricted:
            return "*"
        try:
            _check_text(request.requestHeaders)
        except RefusalError:
            return None
        origin: str | None = request.getHeader("origin")
        address = request.getClientAddress()
        at = address.host if isinstance(address, IPv4Address | IPv6Address) else ""
        if origin is None or _page_refusal(rules, at, request, socket=True) is not None:
            return None
        return origin

    async def authenticate(
        self, request: Request, *, socket: bool, required: bool = False, by_address: bool = False
    ) -> Peer:
        """Return the client.

        Args:
            request: The request.
            socket: Whether it opens a WebSocket.
            required: Whether a login is required, in addition to the rules.
            by_address: Whether rights depend on the client's address for this resource.

        Raises:
            RefusalError: The client may not connect.
        """
        address = request.getClientAddress()
        at = address.host if isinstance(address, IPv4Address | IPv6Address) else ""
        headers = request.requestHeaders
        _check_text(headers)
        rules = self._restricted if by_address else self._rules
        host = rules.proxies.host(at, headers)
        refused = _page_refusal(rules, at, request, socket)
        if refused is not None:
            kind, refusal = refused
            self.refusals.count(kind, host)
            raise refusal
        peer = await self._identify(rules.proxies, at, host, headers)
        if peer.user is None and (required or rules.required):
            raise self._challenge("log in first")
        port = f":{address.port}" if at and host == at else ""
        only_open = _page_refusal(self._restricted, at, request, socket) is not None
        agent = headers.getRawHeaders("User-Agent", [""])[0][:MAX_AGENT]
        peer = evolve(peer, address=f"{host or 'UNIX socket'}{port}", host=host, agent=agent)
        return evolve(peer, may_stay=self._allows_all) if only_open else peer

    def _allows_all(self) -> bool:
        return not self._by_address()

    async def _identify(self, proxies: Proxies, at: str, host: str, headers: Headers) -> Peer:
        """Return the user and the expiry of the login, without an address."""
        try:
            user = proxies.user(at, headers)
            offered = _offered(headers)
        except ValueError as error:
            raise RefusalError(400, str(error)) from None
        if user is not None:
            return Peer(user=user)
        for credentials in offered:
            if self.logins is not None and self.logins.understands(credentials):
                return await self._log_in(self.logins, credentials, host)
        return Peer()

    async def _log_in(self, logins: Logins, credentials: Credentials, host: str) -> Peer:
        try:
            return await logins.identify(credentials, host)
        except LoginFailedError:
            raise self._challenge("the login is not valid") from None
        except TooManyLoginsError:
            raise RefusalError(429, "too many failed logins", (("Retry-After", "10"),)) from None
        except VerifierBusyError:
            self.refusals.count("logins waiting", host)
            raise RefusalError(503, "too many logins at once", (("Retry-After", "5"),)) from None

    def _challenge(self, text: str) -> RefusalError:
        challenges = self.logins.challenges if self.logins is not None else []
        headers = tuple(("WWW-Authenticate", challenge) for challenge in challenges)
        # Without logins here, the proxy should have authenticated the user.
        return RefusalError(401 if challenges else 403, text, headers)


def _page_refusal(
    rules: AuthenticationRules, at: str, request: Request, socket: bool
) -> tuple[str, RefusalError] | None:
    """Return why a page of this host or origin may not connect, and the kind of the refusal."""
    headers = request.requestHeaders
    origins = headers.getRawHeaders("Origin", [])
    if len(origins) > 1 or len(headers.getRawHeaders("Host", [])) > 1:
        return "malformed request", RefusalError(400, "more than one Origin or Host")
    web_hosts = rules.proxies.web_hosts(at, headers)
    schemes = rules.proxies.schemes(at, headers, request.isSecure())
    # With TLS, the browser has compared the name with the certificate.
    unknown = [] if schemes == ("https",) else _unknown(rules, web_hosts, schemes)
    if unknown:
        text = f"this gateway does not have the host name {unknown[0]} (--allow-host)"
        return "unknown host name", RefusalError(403, text)
    origin = origins[0] if origins else None
    own = web_hosts[-1] if web_hosts else None
    if socket and not rules.origins.allow(origin, own, schemes):
        text = "pages of this origin may not connect (--allow-origin)"
        return "page of another origin", RefusalError(403, text)
    return None


def _unknown(rules: AuthenticationRules, hosts: list[str], schemes: tuple[str, ...]) -> list[str]:
    """Return the hosts that are not the gateway's, as ASCII; hosts of allowed origins are."""
    return [
        ascii(host[:255])
        for host in hosts
        if not rules.hosts.allow(host)
        and not any(rules.origins.matches(f"{scheme}://{host}") for scheme in schemes)
    ]


def _check_text(headers: Headers) -> None:
    """Refuse headers that are not UTF-8."""
    try:
        for name, values in headers.getAllRawHeaders():
            for text in (name, *values):
                text.decode()
    except UnicodeDecodeError:
        raise RefusalError(400, "expected headers in UTF-8") from None


def _offered(headers: Headers) -> list[Credentials]:
    """Return the credentials of a request; a token from a script precedes those of the browser.

    Raises:
        ValueError: They are malformed, or a header has several.
    """
    found: list[Credentials] = []
    for value in headers.getRawHeaders("Sec-WebSocket-Protocol", []):
        for name in value.split(","):
            if name.strip().startswith(BEARER):
                found.append(Bearer(name.strip()[len(BEARER) :]))
    values = headers.getRawHeaders("Authorization", [])
    if len(values) > 1:
        raise ValueError("more than one Authorization header")
    given = parse_authorization(values[0] if values else None)
    return found if given is None else [*found, given]


def without_token(reason: str) -> str:
    """Return a text for logs without the token in a quoted subprotocol."""
    return re.sub(rf"{re.escape(BEARER)}[^'\"\s]+", f"{BEARER}…", reason)


Enter: TypeAlias = Callable[[Peer], Any]
Refuse: TypeAlias = Callable[[Request, RefusalError], None]
"""Responds to a request with a refusal."""


class PendingRequest:
    """A request that is being authenticated, and is then served or refused."""

    _log = Logger()

    def __init__(
        self, authentication: Authentication, request: Request, answer: Refuse | None = None
    ) -> None:
        self._authentication = authentication
        self._request = request
        self._answer = answer or refuse
        self._gone = False
        request.notifyFinish().addErrback(self._left)

    def authenticate(
        self, enter: Enter, *, socket: bool, required: bool = False, by_address: bool = False
    ) -> int:
        """Authenticate the request, then call `enter` with its peer; returns NOT_DONE_YET."""
        authenticating = self._authentication.authenticate(
            self._request, socket=socket, required=required, by_address=by_address
        )
        done = Deferred.fromCoroutine(authenticating)
        done.addCallback(self._enter_throttled if socket else self._enter, enter)
        done.addErrback(self._refuse)
        return NOT_DONE_YET

    def _enter_throttled(self, peer: Peer, enter: Enter) -> Deferred[None]:
        return self._authentication.handshakes.call(lambda: self._enter(peer, enter))

    def _enter(self, peer: Peer, enter: Enter) -> None:
        if not self._gone:
            enter(peer)

    def _left(self, _: Failure) -> None:
        self._gone = True

    def _refuse(self, failure: Failure) -> None:
        refusal = failure.value
        if not isinstance(refusal, RefusalError):
            self._log.failure("The authentication of a request failed", failure)
            refusal = RefusalError(500, "the gateway failed; its log says why")
        if not self._gone:
            self._answer(self._request, refusal)


def refuse(request: Request, refusal: RefusalError) -> None:
    """Respond to a request with a refusal."""
    # Twisted has no reason phrase for some of them.
    request.setResponseCode(refusal.status, HTTPStatus(refusal.status).phrase.encode())
    request.setHeader("content-type", "text/plain; charset=utf-8")
    request.setHeader("x-content-type-options", "nosniff")
    request.setHeader("cache-control", "no-store")
    request.setHeader("connection", "close")
    request.channel.persistent = False
    for name, value in refusal.headers:
        request.responseHeaders.addRawHeader(name, value)
    request.write(b"" if request.method == b"HEAD" else f"{refusal.text}\n".encode())
    request.finish()


class Guarded(Resource):
    """A page that requires authentication."""

    def __init__(
        self, authentication: Authentication, page: IResource, *, required: bool = False
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._authentication = authentication
        self._page = page
        self._required = required

    def render(self, request: Request) -> int:
        """Authenticate the request, then pass it to the page."""

        def enter(_: Peer) -> None:
            request.render(self._page)

        return PendingRequest(self._authentication, request).authenticate(
            enter, socket=False, required=self._required
        )
