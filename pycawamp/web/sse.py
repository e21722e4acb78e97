"""Server-Sent Events."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from twisted.web.server import Request

from pycawamp.fanout.framing import Framing
from pycawamp.pv.delay import DelayLine
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.quota import Quota
from pycawamp.web.clients import CLOSING, EXPIRED, Clients, reason_to_leave
from pycawamp.web.transport import ClientTransport
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.v2.dialect import VERSION_1

MIME_TYPE = "text/event-stream"
RECONNECT = b"retry: 2000\n\n"
"""Makes browsers reconnect two seconds after a stream has ended."""
COMMENT = b":\n\n"
"""An empty comment, which keeps proxies from closing a silent connection, and detects dead ones."""


def _event(payload: bytes) -> bytes:
    return b"data: %b\n\n" % payload


def _no_event(_payload: bytes) -> bytes:
    raise AssertionError("no option of a stream makes messages binary")


EVENTS = Framing(_event, _no_event, "sse")
"""A framing with one event per message; a message is one line of JSON."""


class EventStream:
    """A client that receives events until it disconnects."""

    is_ended = False
    _pvs = 0
    _why = ""

    def __init__(self, request: Request, client: Peer, streams: EventStreams, quota: Quota):
        self.client = client
        self.transport: Any = request.channel.transport
        self._channel = request.channel
        self._streams = streams
        self._clients = clients = streams.clients
        self._client_transport = ClientTransport(
            self.transport, clients.slow_consumers, client.address, EVENTS
        )
        self._session = clients.sessions.open(
            self._client_transport, client, VERSION_1, self.close_connection, quota
        )
        self._client_transport.start(self._session.outbox)
        self._expiry = clients.expiry(self._has_expired)
        self._closing: IDelayedCall | None = None
        request.notifyFinish().addErrback(self._lost)
        clients.add(self)
        streams.keep_alive(self)

    def start(self, message: bytes) -> None:
        """Send the first data, and pass a request to the session, which causes the events."""
        self._session.outbox.append(RECONNECT)
        self._session.receive(message)
        if self.is_busy:
            self._clients.read_scheduler.take(self, b"")
        self._expiry.watch(self.client.expires)

    @property
    def is_busy(self) -> bool:
        """Whether the session is processing a long list."""
        return not self.is_ended and self._session.is_busy

    def handle(self, _data: bytes) -> None:
        """Continue to process a long list."""
        if not self.is_ended:
            self._session.process_next()

    def comment(self) -> None:
        """Send a comment."""
        self._session.outbox.append(COMMENT)

    def close_connection(self, code: int, reason: str) -> None:
        """Close the connection; HTTP has no code or reason for the end of a body."""
        if self.is_ended:
            return
        self._why = f"{reason} ({code})"
        self._end_session()
        self._closing = self._clients.clock.callLater(CLOSING, self.abort)
        self._channel.loseConnection()

    def abort(self) -> None:
        """Close the connection immediately."""
        self._client_transport.abort()

    def check_client(self) -> None:
        """Close the connection if the user or the page may no longer connect."""
        reason = reason_to_leave(self.client)
        if reason is not None:
            self._log_out(reason)

    def _has_expired(self) -> None:
        self._log_out(EXPIRED)

    def _log_out(self, reason: BadMessageError) -> None:
        if not self.is_ended:
            self._session.outgoing.refuse(reason)
        self.close_connection(1008, reason.message)

    def _end_session(self) -> None:
        if not self.is_ended:
            self.is_ended = True
            self._expiry.cancel()
            self._pvs = len(self._session.subscriptions)
            self._session.outbox.flush()
            self._session.close()

    def _lost(self, _: Failure) -> None:
        self._end_session()
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        self._client_transport.end()
        self._clients.read_scheduler.drop(self)
        reason = self._client_transport.dropped or self._why or "the client went away"
        self._clients.remove(self, self._pvs, reason)


class EventStreams:
    """Creates event streams, and sends comments to silent ones at intervals."""

    def __init__(self, clients: Clients, interval: float) -> None:
        self.clients = clients
        self._silent: DelayLine[EventStream] = DelayLine(clients.clock, interval, self._comment)

    def open(self, request: Request, client: Peer, quota: Quota, message: bytes) -> None:
        """Respond to a request with the events that a request of the protocol causes."""
        request.setHeader("content-type", MIME_TYPE)
        request.setHeader("cache-control", "no-store")
        request.setHeader("x-content-type-options", "nosniff")
        # Events are passed to the socket unchanged, the same bytes for all clients: the body is
        # not chunked, and ends with the connection.
        request.setHeader("connection", "close")
        request.clientproto = b"HTTP/1.0"
        request.write(b"")
        if request.method == b"HEAD":
            request.finish()
        else:
            EventStream(request, client, self, quota).start(message)

    def keep_alive(self, stream: EventStream) -> None:
        """Send a comment to a stream after the interval."""
        self._silent.put(stream)

    def close(self) -> None:
        """Stop sending comments."""
        self._silent.clear()

    def _comment(self, stream: EventStream) -> None:
        if not stream.is_ended:
            stream.comment()
            self._silent.put(stream)
