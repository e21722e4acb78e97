"""One WebSocket to a gateway: Autobahn's protocol on one side, a connection on the other."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import urlsplit

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.python.failure import Failure

from pycawamp.client.target import Target

OPENING_SECONDS = 10.0
"""Within these a gateway must have taken the connection, and again the WebSocket."""
CLOSING_SECONDS = 1.0
GOING_AWAY = 1001
"""The close code of a gateway that stops."""
PING_SECONDS = 20.0
"""Between pings; a gateway that answers none within as many is gone."""


class SocketUser(Protocol):
    """Who hears what happens on a socket."""

    def socket_opened(self) -> None:
        """Hear that messages can be sent."""

    def socket_received(self, payload: bytes, is_binary: bool) -> None:
        """Hear a message."""

    def socket_closed(self, problem: str, goes_away: bool = False) -> None:
        """Hear that it is gone, or never opened, and why; once for each socket.

        `goes_away` tells that the gateway has closed it because it stops (1001).
        """


class Socket(WebSocketClientProtocol):  # type: ignore[misc]
    """One WebSocket, from its TCP connection to its end."""

    factory: SocketFactory
    was_open = False

    def onOpen(self) -> None:
        """Tell that messages can be sent."""
        self.was_open = True
        self.factory.user.socket_opened()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Hand a message on."""
        self.factory.user.socket_received(payload, isBinary)

    def onClose(self, _wasClean: bool, _code: int | None, reason: str | None) -> None:
        """Tell that it is gone."""
        goes_away = self.remoteCloseCode == GOING_AWAY
        self.factory.user.socket_closed(self._problem(reason), goes_away)

    def connectionLost(self, reason: Failure) -> None:
        """Note why a TLS handshake failed: of that, Autobahn tells nobody but its log."""
        if isinstance(reason.value, SSL.Error):
            self.wasNotCleanReason = describe(reason)
        self._connectionLost(reason)

    @property
    def can_send(self) -> bool:
        """Whether messages can be sent: the gateway has not said goodbye."""
        return bool(self.state == self.STATE_OPEN)

    def end(self) -> None:
        """Say goodbye; to a gateway that has not answered yet, none."""
        if self.can_send:
            self.sendClose(1000)
        elif self.state != self.STATE_CLOSING:
            self.transport.abortConnection()

    def _problem(self, reason: str | None) -> str:
        if self.remoteCloseCode is not None:
            return reason or f"closed with code {self.remoteCloseCode}"
        _, _, status = getattr(self, "http_status_line", "").partition(" ")
        if status and not status.startswith("101"):
            return f"the server answers {status}"
        if self.wasOpenHandshakeTimeout:
            return "the server does not answer"
        if self.wasNotCleanReason is None or "peer dropped" in self.wasNotCleanReason:
            return "the connection was lost" if self.was_open else "the server hung up"
        return str(self.wasNotCleanReason)


class SocketFactory(WebSocketClientFactory):  # type: ignore[misc]
    """Makes the one socket of one attempt."""

    protocol = Socket
    noisy = False

    def __init__(self, reactor: Any, target: Target, user: SocketUser, ping: float) -> None:
        super().__init__(
            target.url, useragent="pycawamp", headers=target.all_headers, reactor=reactor
        )
        self.user = user
        self.setProtocolOptions(
            failByDrop=False,
            openHandshakeTimeout=OPENING_SECONDS,
            closeHandshakeTimeout=CLOSING_SECONDS,
            autoPingInterval=ping,
            autoPingTimeout=ping,
        )


def dial(
    reactor: Any, target: Target, user: SocketUser, ping: float = PING_SECONDS
) -> Deferred[Socket]:
    """Fires with a socket that is about to open; fails if there is nobody to talk to."""
    try:
        endpoint = _endpoint(reactor, target)
        return endpoint.connect(SocketFactory(reactor, target, user, ping))  # type: ignore[return-value]
    except Exception:
        # A file of authorities that is not there, or a header that cannot be.
        return fail(Failure())


def _endpoint(reactor: Any, target: Target) -> IStreamClientEndpoint:
    host, port = target.host, target.port
    endpoint = target.endpoint or HostnameEndpoint(reactor, host, port, timeout=OPENING_SECONDS)
    if not target.is_secure:
        return endpoint
    wrapped: IStreamClientEndpoint = wrapClientTLS(target.tls(), endpoint)
    return wrapped


def describe(failure: Failure) -> str:
    """Why no connection came about, in few words."""
    for kinds, text in _PROBLEMS.items():
        if failure.check(*kinds):
            return text
    if isinstance(failure.value, SSL.Error):
        reasons = [str(entry[-1]) for entry in failure.value.args[0]] if failure.value.args else []
        return f"TLS: {', '.join(reasons) or 'the handshake failed'}"
    return " ".join(failure.getErrorMessage().split()) or type(failure.value).__name__


_PROBLEMS: dict[tuple[type[BaseException], ...], str] = {
    (Refused,): "connection refused",
    (DNSLookupError,): "no such host",
    (ConnectTimeout,): "the host does not answer",
    (CancelledError,): "given up",
}


def place(url: str) -> str:
    """A URL for people: what may be a secret is left out."""
    return urlsplit(url)._replace(query="").geturl()
