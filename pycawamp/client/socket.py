"""A WebSocket to a gateway."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import urlsplit

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateResponseAccept
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
"""Timeout of the TCP connection, and of the WebSocket handshake."""
CLOSING_SECONDS = 1.0
GOING_AWAY = 1001
"""The close code of a gateway that stops."""
PING_SECONDS = 20.0
"""Seconds between pings; without an answer within another interval, the connection is lost."""


class SocketUser(Protocol):
    """The callbacks of a socket."""

    def socket_opened(self) -> None:
        """Called when messages can be sent."""

    def socket_received(self, payload: bytes, is_binary: bool) -> None:
        """Called with each message."""

    def socket_closed(self, problem: str, goes_away: bool = False) -> None:
        """Called once with the reason when the socket is closed or could not be opened.

        `goes_away` is whether the gateway has closed it because it stops (1001).
        """


class Socket(WebSocketClientProtocol):  # type: ignore[misc]
    """A WebSocket connection."""

    factory: SocketFactory
    was_open = False

    def onOpen(self) -> None:
        """Report that messages can be sent."""
        self.was_open = True
        self.factory.user.socket_opened()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Report a message."""
        self.factory.user.socket_received(payload, isBinary)

    def onClose(self, _wasClean: bool, _code: int | None, reason: str | None) -> None:
        """Report that the socket is closed."""
        goes_away = self.remoteCloseCode == GOING_AWAY
        self.factory.user.socket_closed(self._problem(reason), goes_away)

    def connectionLost(self, reason: Failure) -> None:
        """Keep the reason of a failed TLS handshake, which Autobahn only logs."""
        if isinstance(reason.value, SSL.Error):
            self.wasNotCleanReason = describe(reason)
        self._connectionLost(reason)

    @property
    def can_send(self) -> bool:
        """Whether messages can be sent: no close frame was sent or received."""
        return bool(self.state == self.STATE_OPEN)

    def end(self) -> None:
        """Send a close frame, or abort the connection before the handshake is complete."""
        if self.can_send:
            self.sendClose(1000)
        elif self.state != self.STATE_CLOSING:
            self.transport.abortConnection()

    def _problem(self, reason: str | None) -> str:
        if self.remoteCloseCode is not None:
            return reason or f"closed with code {self.remoteCloseCode}"
        _, _, status = getattr(self, "http_status_line", "").partition(" ")
        if status and not status.startswith("101"):
            return f"the server responded with {status}"
        if self.wasOpenHandshakeTimeout:
            return "the server does not answer"
        if self.wasNotCleanReason is None or "peer dropped" in self.wasNotCleanReason:
            return (
                "the connection was lost" if self.was_open else "the server closed the connection"
            )
        return str(self.wasNotCleanReason)


class SocketFactory(WebSocketClientFactory):  # type: ignore[misc]
    """Creates the socket of one attempt to connect."""

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
            perMessageCompressionOffers=[PerMessageDeflateOffer()],
            perMessageCompressionAccept=PerMessageDeflateResponseAccept,
        )


def dial(
    reactor: Any, target: Target, user: SocketUser, ping: float = PING_SECONDS
) -> Deferred[Socket]:
    """Return a Deferred of a socket that is being opened; fails if the host cannot be reached."""
    try:
        endpoint = _endpoint(reactor, target)
        return endpoint.connect(SocketFactory(reactor, target, user, ping))  # type: ignore[return-value]
    except Exception:
        # A missing file of certificates, or an invalid header.
        return fail(Failure())


def _endpoint(reactor: Any, target: Target) -> IStreamClientEndpoint:
    host, port = target.host, target.port
    endpoint = target.endpoint or HostnameEndpoint(reactor, host, port, timeout=OPENING_SECONDS)
    if not target.is_secure:
        return endpoint
    wrapped: IStreamClientEndpoint = wrapClientTLS(target.tls(), endpoint)
    return wrapped


def describe(failure: Failure) -> str:
    """Return the reason of a failed connection as a short text."""
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
    """Return a URL for messages, without the query, which may contain secrets."""
    return urlsplit(url)._replace(query="").geturl()
