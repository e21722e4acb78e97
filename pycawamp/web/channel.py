"""HTTP connections, with limits of time, header and body."""

from __future__ import annotations

from http import HTTPStatus
from io import BytesIO
from typing import Any
from weakref import WeakSet

import attrs
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, datetimeToLogString
from twisted.web.iweb import IAccessLogFormatter
from twisted.web.resource import IResource
from twisted.web.server import Request, Site
from zope.interface import provider

from pycawamp.sessions.refusals import RefusalCounter
from pycawamp.web import problem
from pycawamp.web.bodies import Bodies, BodyLimits
from pycawamp.web.connections import (
    ConnectionCount,
    ConnectionLimits,
    Connections,
    RefusedConnection,
)
from pycawamp.web.problem import Problem
from pycawamp.web.proxy import Proxies
from pycawamp.web.twisted_internals import (
    has_more_requests,
    is_answering,
    is_blocked,
    method_of,
    stop_reading,
)

IDLE = 60.0
"""Seconds for which an idle connection is kept open."""
READ_SIZE = 1024
"""Bytes read at once; the requests in them are handled before other clients are served."""
HSTS = b"max-age=31536000"
BODILESS = (b"GET", b"HEAD", b"OPTIONS")
"""Methods whose requests have no body."""
_REFUSED = b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n%b"


@attrs.frozen
class HTTPLimits:
    """Limits of incomplete requests."""

    handshake_timeout: float = 10.0
    """Seconds for a whole request, including the TLS handshake."""
    max_header: int = 16384
    """Bytes of the request line and headers."""
    bodies: BodyLimits = attrs.Factory(BodyLimits)
    connections: ConnectionLimits = attrs.Factory(ConnectionLimits)


class GatewayHTTPChannel(HTTPChannel):
    """An HTTP connection, until it becomes a WebSocket."""

    site: GatewaySite
    count: ConnectionCount
    """The count of the connection; a WebSocket takes it over."""
    _deadline: IDelayedCall | None = None
    _header_size = 0
    _refused = False
    _body = 0
    """The counted bytes of the current request's body."""

    def connectionMade(self) -> None:
        """Wait for the first request; the time for TLS is included."""
        limits = self.site.limits
        self.MAX_LENGTH = self.totalHeadersSize = limits.max_header
        super().connectionMade()  # type: ignore[no-untyped-call]
        # With TLS, the TCP transport below reads.
        transport: Any = self.transport
        getattr(transport, "transport", transport).bufferSize = READ_SIZE
        self.site.channels.add(self)
        self._expect_request()

    def dataReceived(self, data: bytes) -> None:
        """Handle data; the first byte of a later request starts its timeout."""
        self.site.received += len(data)
        if self._refused:
            return
        if self._deadline is None and not is_answering(self):
            self._expect_request()
        super().dataReceived(data)  # type: ignore[no-untyped-call]
        if is_blocked(self) and not is_answering(self):
            # Twisted continues to read if the transport became full while a request was answered.
            stop_reading(self)
        # A request ends with an empty line: this one was handled, and another began.
        began = not data.endswith(b"\r\n\r\n") and not is_answering(self)
        if began and self._deadline is None and self.transport is not None and not self._refused:
            self._expect_request()

    def lineReceived(self, line: bytes) -> None:
        """Handle a line of the header."""
        self._header_size += len(line)
        if self._refused:
            return
        if self._header_size > self.totalHeadersSize:
            self.lineLengthExceeded(line)
        else:
            super().lineReceived(line)  # type: ignore[no-untyped-call]

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a header that is too large."""
        self._refuse("header too large", 431)

    def allHeadersReceived(self) -> None:
        """Refuse a body that is too large, of unknown length, or not allowed."""
        # Not 0: a body. None: one of unknown length.
        refusal = self._body_problem() if self.length != 0 else None
        if refusal is not None:
            # Before Twisted sends 100 Continue.
            self._refuse(*refusal)
            return
        if self.length:
            self._body = self.length
            self.site.bodies.begin(self.count.address, self._body)
        super().allHeadersReceived()  # type: ignore[no-untyped-call]

    def _body_problem(self) -> tuple[str, int] | None:
        """Return the kind and status of the refusal of a body; None if it is allowed."""
        method = method_of(self)
        if method in BODILESS:
            return "request with a body", 413
        if method != b"PUT":
            return "unknown method", 405
        if self.length is None:
            return "body of unknown length", 411
        if self.length > self.site.bodies.limits.each:
            return "body too large", 413
        if not self.site.bodies.has_room(self.count.address, self.length):
            return "too many bodies at once", 503
        return None

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        """Return whether to keep the connection open; not while connections are scarce."""
        persistent = super().checkPersistence(request, version)  # type: ignore[no-untyped-call]
        if persistent and self.count.is_scarce:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return bool(persistent)

    def rawDataReceived(self, data: bytes) -> None:
        """Keep data that arrives while a request is being handled; discard it after a refusal."""
        if not self._refused:
            super().rawDataReceived(data)

    def allContentReceived(self) -> None:
        """Process the request, without a timeout."""
        self._stop_waiting()
        self._header_size = 0
        super().allContentReceived()  # type: ignore[no-untyped-call]

    def requestDone(self, request: Request) -> None:
        """Handle data that has arrived in the meantime, which may be another request."""
        self._end_body()
        began = has_more_requests(self)
        super().requestDone(request)  # type: ignore[no-untyped-call]
        if not self.persistent:
            # Twisted waits without a limit until the client has read the last response.
            self.setTimeout(self.site.timeOut)  # type: ignore[no-untyped-call]
        elif began and self._deadline is None and not is_answering(self):
            self._expect_request()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Cancel the timeout."""
        self._stop_waiting()
        self._end_body()
        self.site.channels.discard(self)
        self.count.leave()
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def _end_body(self) -> None:
        if self._body:
            self.site.bodies.end(self.count.address, self._body)
            self._body = 0

    def _expect_request(self) -> None:
        self._deadline = self.site.reactor.callLater(
            self.site.limits.handshake_timeout, self._too_slow
        )

    def _too_slow(self) -> None:
        self._deadline = None
        self.site.refusals.count("request too slow", self._client())
        self.transport.abortConnection()  # type: ignore[union-attr]

    def _refuse(self, kind: str, status: int) -> None:
        self._refused = True
        self.site.refusals.count(kind, self._client())
        body = Problem(status, kind).body
        line = f"{status} {HTTPStatus(status).phrase}".encode()
        more = b"Allow: GET, HEAD, OPTIONS, PUT\r\n" if status == 405 else b""
        answer = _REFUSED % (line, problem.MIME_TYPE.encode(), len(body), more, body)
        self.transport.write(answer)  # type: ignore[union-attr]
        self.loseConnection()  # type: ignore[no-untyped-call]

    def _client(self) -> str:
        return str(getattr(self.getPeer(), "host", "UNIX socket"))  # type: ignore[no-untyped-call]

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class GatewayRequest(Request):
    """A request with its body in memory; the response has HSTS if the request came by TLS."""

    def gotLength(self, length: int | None) -> None:
        """Create the buffer for the body, which is never written to a file."""
        self.content = BytesIO()

    def process(self) -> None:
        """Handle the request."""
        if self.isSecure():  # type: ignore[no-untyped-call]
            self.setHeader(b"strict-transport-security", HSTS)  # type: ignore[no-untyped-call]
        super().process()  # type: ignore[no-untyped-call]


@provider(IAccessLogFormatter)
def log_line(_timestamp: str, request: Request) -> str:
    """Return a log line without what may be secret: query, referrer, user."""
    # Twisted's time stamp is that of the reactor's clock, which need not be the system clock.
    timestamp = datetimeToLogString()
    path = request.path if request.path.startswith(b"/") else b"-"
    agent = request.getHeader(b"user-agent") or b"-"
    shown = [_shown(part) for part in (request.method, path, agent)]
    client = getattr(request.getClientAddress(), "host", "-")
    return (
        f"{client} {timestamp} {shown[0]} {shown[1]} {request.code} {request.sentLength} {shown[2]}"
    )


def _shown(text: bytes, length: int = 200) -> str:
    return ascii(text[:length].decode("utf-8", "replace"))


class GatewaySite(Site):
    """The HTTP server of the gateway."""

    protocol = GatewayHTTPChannel  # type: ignore[assignment]
    noisy = False
    logs_requests = False
    """Whether to log each request."""
    is_wrapped = False
    """Whether the factory around this one requires a protocol for every connection."""
    received = 0
    """Bytes of requests since the start."""

    def __init__(
        self,
        reactor: Any,
        root: IResource,
        limits: HTTPLimits,
        refusals: RefusalCounter,
        proxies: Proxies | None = None,
    ) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            root,
            requestFactory=GatewayRequest,
            parsePOSTFormSubmission=False,
            reactor=reactor,
            timeout=IDLE,
            logFormatter=log_line,
        )
        self.limits = limits
        self.refusals = refusals
        self.connections = Connections(limits.connections, proxies or Proxies())
        self.bodies = Bodies(limits.bodies)
        # Weak, as `connectionLost` is not called for those that became a WebSocket.
        self.channels: WeakSet[GatewayHTTPChannel] = WeakSet()

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Return a protocol; None closes a connection above the limit."""
        full = self.connections.full(addr)
        if full is not None:
            self.refusals.count(full, getattr(addr, "host", "UNIX socket"))
            return RefusedConnection() if self.is_wrapped else None
        channel: Any = super().buildProtocol(addr)  # type: ignore[no-untyped-call]
        channel.count = self.connections.enter(addr)
        return channel

    def log(self, request: Any) -> None:
        """Log a request, if enabled."""
        if self.logs_requests:
            super().log(request)

    def stopFactory(self) -> None:
        """Close idle connections."""
        super().stopFactory()
        for channel in list(self.channels):
            if channel.transport is not None:
                channel.transport.abortConnection()  # type: ignore[attr-defined]
