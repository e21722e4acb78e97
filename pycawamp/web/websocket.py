"""WebSocket connections, which pass messages between Autobahn and sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import attrs
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from txaio import make_logger

from pycawamp.sessions.peer import Peer
from pycawamp.sessions.session import Session
from pycawamp.web.authentication import BEARER, without_token
from pycawamp.web.clients import CLOSING, EXPIRED, Clients, reason_to_leave
from pycawamp.web.connections import ConnectionCount
from pycawamp.web.deflate import Deflate, agree
from pycawamp.web.expiry import LoginExpiry
from pycawamp.web.frames import WEBSOCKET
from pycawamp.web.inflate import Inflater, InflatingProtocol
from pycawamp.web.text_messages import begins_text, take_text
from pycawamp.web.transport import ClientTransport
from pycawamp.wire.dialect import Encoding
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.v2.dialect import VERSION_1


@attrs.frozen
class SocketLimits:
    """Limits of a client's connection."""

    ping_interval: float = 20.0
    """Seconds between pings, at least 1; a client without a pong in this time is dropped."""
    stall_timeout: float = 30.0
    """Seconds after which a client that reads nothing of its pending data is dropped."""
    max_message: int = 2**20
    """Maximum bytes of a client's message; a longer one closes the connection (1009)."""
    compression: bool = False
    """Whether to compress messages for clients that offer permessage-deflate."""


SUBPROTOCOL = "pycaserver"
"""A subprotocol that a page may offer besides its token, so that the token is not selected."""
EXTENSIONS = "Sec-WebSocket-Extensions"
WAITED_FOR = 4096
"""Maximum bytes of a message that is assembled here; Autobahn handles longer ones and fragments."""
PONG = 10
"""The opcode of a pong."""
TRY_AGAIN_LATER = 1013
"""The close code for a lack of resources, as registered with IANA."""


def _subprotocol(offered: Sequence[str]) -> str | None:
    """Select a subprotocol: browsers close a connection that selects none of those offered."""
    if SUBPROTOCOL in offered:
        return SUBPROTOCOL
    return next((name for name in offered if name.startswith(BEARER)), None)


class MonitorProtocol(InflatingProtocol):
    """A WebSocket connection, which passes messages to and from its session."""

    factory: MonitorFactory
    session: Session | None = None
    client = Peer()
    """The client; `peer` is Autobahn's."""
    encoding: Encoding = VERSION_1
    """The dialect and the initial options."""
    # Invalid frames and handshakes are counted instead, so that no client can fill the log.
    log = make_logger("critical")
    # Set by the factory: here, Autobahn formats all of them for its log.
    CONFIG_ATTRS: ClassVar[Sequence[str]] = ()
    _has_frames = False
    _pvs = 0
    """The number of the session's PVs when it ended."""
    _message = bytearray()
    connection_count: ConnectionCount | None = None
    _client_transport: ClientTransport | None = None
    _deflate: Deflate | None = None
    _expiry: LoginExpiry | None = None
    _closing: IDelayedCall | None = None

    def __init__(self) -> None:
        super().__init__()
        # Autobahn fires it with this object, which the Deferred would keep as its result: a cycle.
        self.is_closed.addCallback(lambda _: None)

    def onConnect(self, request: Any) -> tuple[str | None, dict[str, str]]:
        """Negotiate the subprotocol and compression."""
        # Autobahn would refuse clients with an offer that it cannot meet.
        self.websocket_extensions: list[Any] = []
        if self.factory.limits.compression:
            self._deflate = agree(request.extensions)
        agreed = {} if self._deflate is None else {EXTENSIONS: self._deflate.answer}
        return _subprotocol(request.protocols), agreed

    def onOpen(self) -> None:
        """Start the session."""
        framing = WEBSOCKET
        if self._deflate is not None:
            framing = self._deflate.framing
            self._perMessageCompress = Inflater(self.factory.limits.max_message)
        self._client_transport = client_transport = ClientTransport(
            self.transport, self.factory.clients.slow_consumers, self.client.address, framing
        )
        self.session = self.factory.clients.sessions.open(
            client_transport, self.client, self.encoding, self.close_connection
        )
        client_transport.start(self.session.outbox)
        self.factory.clients.add(self)
        self._expiry = self.factory.clients.expiry(self._has_expired)
        self._expiry.watch(self.client.expires)

    def dataReceived(self, data: bytes) -> None:
        """Handle received bytes, in turn with other clients."""
        if self.state == self.STATE_CONNECTING:
            # The handshake of an authenticated client; what follows is counted.
            self.handle(data)
        else:
            self.factory.clients.read_scheduler.take(self, data)

    @property
    def is_busy(self) -> bool:
        """Whether there are more frames, or the session is processing the last message."""
        return self._has_frames or (self.session is not None and self.session.is_busy)

    def handle(self, data: bytes) -> None:
        """Continue with the last message, then parse received data."""
        self._has_frames = False
        if self.session is not None:
            self.session.process_next()
        if self._is_between_messages:
            data, self.data = self.data + data, b""  # type: ignore[has-type]
            data = self._take_texts(data)
            if begins_text(data, WAITED_FOR):
                self.data = data
                return
        # Not dataReceived, which formats log messages that are not written.
        self._dataReceived(data)

    @property
    def _is_between_messages(self) -> bool:
        # While a pong is awaited, Autobahn must see all received data.
        return (
            self.state == self.STATE_OPEN
            and self.current_frame is None
            and not self.inside_message
            and self.autoPingTimeoutCall is None
        )

    def _take_texts(self, data: bytes) -> bytes:
        """Handle text messages within the slice's time; return the rest for Autobahn."""
        at, max_size, session = 0, self.maxMessagePayloadSize, self.session
        while self.session is session and session is not None and not session.is_busy:
            taken = take_text(data, at, max_size)
            if taken is None:
                break
            text, at = taken
            self.onMessage(text, False)
            if self.factory.clients.read_scheduler.is_over:
                self._has_frames = at < len(data)
                break
        return data[at:]

    def processData(self) -> bool:
        """Handle a part of a frame; Autobahn calls it until none is left, or the slice ends."""
        if self.is_busy or not super().processData():
            return False
        self._has_frames = self.factory.clients.read_scheduler.is_over
        return not self._has_frames

    # Overridden because Autobahn would keep each fragment, even empty ones.

    def onMessageBegin(self, isBinary: bool) -> None:
        """Start a message."""
        super().onMessageBegin(isBinary)
        self._take_message()

    def onMessageFrameData(self, payload: bytes) -> None:
        """Add a part of a message, if there is memory for it."""
        if self.failedByMe or self.session is None:
            return
        budget = self.factory.clients.shared.budget
        if budget.has_room(len(payload)):
            self._message += payload
            budget.requests += len(payload)
        else:
            text = "there is no memory for the message; try again later"
            self._explain(BadMessageError("overloaded", text))
            self.close_connection(TRY_AGAIN_LATER, text)

    def onMessageFrameEnd(self) -> None:
        """Count a fragment; the last one is counted with its message."""
        if not self.current_frame.fin and self.session is not None:
            self.session.allow_request()

    def onMessageEnd(self) -> None:
        """Handle a whole message."""
        message = self._take_message()
        if not self.failedByMe:
            self.onMessage(message, self.message_is_binary)

    def _take_message(self) -> bytes:
        message, self._message = self._message, bytearray()
        self.factory.clients.shared.budget.requests -= len(message)
        return bytes(message)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Pass a whole message to the session."""
        if self.session is not None and self.session.outgoing.reads_replies():
            self.session.receive(payload, isBinary)

    def onPing(self, payload: bytes) -> None:
        """Reply with a pong; pings count as requests."""
        if (
            self.session is not None
            and self.session.outgoing.reads_replies()
            and self.session.allow_request()
        ):
            super().onPing(payload)

    def processControlFrame(self) -> bool:
        """Count unsolicited pongs, which are allowed and have no meaning."""
        if self.current_frame.opcode != PONG:
            return bool(super().processControlFrame())
        payload = b"".join(self.control_frame_data)  # type: ignore[has-type]
        if payload == self.autoPingPending:
            return bool(super().processControlFrame())
        self.control_frame_data = None
        if self.session is not None:
            self.session.allow_request()
        return True

    def close_connection(self, code: int, reason: str) -> None:
        """Close the connection with a code and a reason."""
        if self.state == self.STATE_OPEN:
            # Not sendClose, which does not let applications use codes below 3000 except 1000.
            self.sendCloseFrame(code, reason.encode())

    def onAutoPingTimeout(self) -> None:
        """Drop a client that sends no pong, unless its pong may be queued behind its requests."""
        clients = self.factory.clients
        if self in clients.read_scheduler:
            again = clients.clock.callLater(self.autoPingTimeout, self.onAutoPingTimeout)
            self.autoPingTimeoutCall = again
        else:
            super().onAutoPingTimeout()

    def abort(self) -> None:
        """Close the connection immediately."""
        if self._client_transport is not None:
            self._client_transport.abort()
        else:
            self.transport.abortConnection()

    def check_client(self) -> None:
        """Close the connection if the user or the page may no longer connect."""
        reason = reason_to_leave(self.client)
        if reason is not None:
            self._log_out(reason)

    def failHandshake(self, reason: str, *arguments: Any, **keywords: Any) -> None:
        """Refuse a handshake with the reason, which may quote a header."""
        self.factory.clients.shared.refusals.count("bad handshake", self.client.address)
        super().failHandshake(without_token(reason), *arguments, **keywords)
        # The client may never read the responses to earlier requests.
        self._abort_later()

    def sendCloseFrame(self, *args: Any, **keywords: Any) -> None:
        """End the session first: no message may follow a close frame (RFC 6455, section 5.5.1).

        Autobahn's timeout for the answer is not used. It would reset the connection, and a client
        that reads late would lose the data in the kernel and the close frame.
        """
        self._end_session()
        super().sendCloseFrame(*args, **keywords)
        if self.state == self.STATE_CLOSING:
            self._abort_later()

    def _abort_later(self) -> None:
        if self._closing is None:
            self._closing = self.factory.clients.clock.callLater(CLOSING, self.abort)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """End the session."""
        self._end_session()
        if self._client_transport is not None:
            self._client_transport.end()
        closing, self._closing = self._closing, None
        if closing is not None and closing.active():
            closing.cancel()
        self.factory.clients.read_scheduler.drop(self)
        self.factory.clients.remove(self, self._pvs, self._why_closed(wasClean, code, reason))

    def _why_closed(self, clean: bool, code: int | None, reason: str | None) -> str:
        dropped = self._client_transport.dropped if self._client_transport is not None else None
        if dropped is not None:
            return dropped
        if self.closedByMe and self.localCloseReason:
            return f"{self.localCloseReason.decode()} ({self.localCloseCode})"
        if clean:
            return f"the client closed it ({code}){f': {reason}' if reason else ''}"
        return str(self.wasNotCleanReason) if self.droppedByMe else "the connection was lost"

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Remove the connection from the count."""
        super().connectionLost(reason)
        if self.connection_count is not None:
            self.connection_count.leave()

    def _has_expired(self) -> None:
        self._log_out(EXPIRED)

    def _log_out(self, reason: BadMessageError) -> None:
        if self.session is not None:
            self.session.outgoing.refuse(reason)
        self.close_connection(1008, reason.message)

    def _end_session(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self._take_message()
        if self.session is not None:
            self.session.outbox.flush()
            self._pvs = len(self.session.subscriptions.names)
            self.session.close()
            self.session = None

    def on_bad_frame(self) -> None:
        """Count the invalid frame."""
        self.factory.clients.shared.refusals.count("closed for a bad frame", self.client.address)

    def on_bad_text(self) -> None:
        """Send the reason; RFC 6455 requires that the connection is closed (1007)."""
        self._explain(BadMessageError("bad_json", "not JSON: the text is not valid UTF-8"))

    def on_corrupt(self) -> None:
        """Send the reason; the connection is closed as for invalid text (1007)."""
        self._explain(BadMessageError("bad_json", "not JSON: the text cannot be inflated"))

    def on_too_large(self, limit: int) -> None:
        """Send the limit."""
        self._explain(BadMessageError("too_large", f"a message may have at most {limit} bytes"))

    def _explain(self, mistake: BadMessageError) -> None:
        """Send the reason before the connection is closed."""
        if self.session is not None and self.state == self.STATE_OPEN:
            self.session.outgoing.send(self.session.outgoing.dialect.error(mistake))
            self.session.outbox.flush()


class MonitorFactory(WebSocketServerFactory):  # type: ignore[misc]
    """Creates the protocol of each connection."""

    protocol = MonitorProtocol

    def buildProtocol(self, address: Any) -> MonitorProtocol:
        """Return a protocol with the options of this factory."""
        protocol: MonitorProtocol = super().buildProtocol(address)
        for name in WebSocketServerProtocol.CONFIG_ATTRS:
            setattr(protocol, name, getattr(self, name))
        return protocol

    def __init__(self, clients: Clients, limits: SocketLimits) -> None:
        super().__init__(reactor=clients.clock)
        self.clients = clients
        self.limits = limits
        self.setProtocolOptions(
            # Dropping would reset the connection, with no close frame that says why.
            failByDrop=False,
            autoPingInterval=limits.ping_interval,
            # Autobahn's timers fire up to a second early.
            autoPingTimeout=limits.ping_interval + 1,
            maxMessagePayloadSize=limits.max_message,
            maxFramePayloadSize=limits.max_message,
            closeHandshakeTimeout=0,
            # `Authentication` has checked the origin.
            allowedOrigins=["*"],
            allowNullOrigin=True,
        )
