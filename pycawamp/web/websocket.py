"""Autobahn's WebSocket protocol on one side, a session on the other."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from txaio import make_logger

from pycawamp.access.hosts import network_key
from pycawamp.sessions.registry import Sessions
from pycawamp.sessions.session import Client, Session
from pycawamp.web.authentication import BEARER, Visitor, without_token
from pycawamp.web.connections import ConnectionCount
from pycawamp.web.read_scheduler import ReadScheduler
from pycawamp.web.transport import ClientTransport, SlowConsumerMonitor
from pycawamp.wire.dialect import Encoding
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.v2.dialect import VERSION_1


@attrs.frozen
class SocketLimits:
    """What a client's connection may take, and how long it may be silent."""

    ping_interval: float = 20.0
    """Seconds, at least 1; a client that answers none within another interval is gone."""
    stall_timeout: float = 30.0
    """Seconds for which a client may take nothing while something waits for it."""
    max_message: int = 2**20
    """Bytes of a client's message; a longer one closes the connection (1009)."""


SUBPROTOCOL = "pycaserver"
"""What a page may offer beside its token, so that there is something else to select."""
PONG = 10
"""The opcode of a pong."""
EXPIRY_CHECK = 10.0
"""Seconds between looks at whether a login has expired: the clock may be set."""
CLOSING = 2.0
"""Seconds that a client has to take what was sent to it before the connection ends."""


class MonitorProtocol(WebSocketServerProtocol):  # type: ignore[misc]
    """One WebSocket connection: carries messages to and from its session."""

    factory: MonitorFactory
    session: Session | None = None
    visitor = Visitor()
    encoding: Encoding = VERSION_1
    """The dialect of this connection, and the options in force at first."""
    # What it says of bad frames and handshakes is counted instead: no client fills the log.
    log = make_logger("critical")
    _has_frames = False
    _message = bytearray()
    connection_count: ConnectionCount | None = None
    _client_transport: ClientTransport | None = None
    _expiry: IDelayedCall | None = None
    _closing: IDelayedCall | None = None

    def onConnect(self, request: Any) -> str | None:
        """Select a subprotocol: browsers end a connection that selects none of those offered."""
        if SUBPROTOCOL in request.protocols:
            return SUBPROTOCOL
        return next((name for name in request.protocols if name.startswith(BEARER)), None)

    def onOpen(self) -> None:
        """Begin the session."""
        self._client_transport = client_transport = ClientTransport(
            self.transport, self.factory.slow_consumers, self.visitor.address
        )
        self.session = self.factory.sessions.open(
            client_transport, _client(self.visitor), self.encoding, self.hang_up
        )
        client_transport.start(self.session.outbox)
        self.factory.opened(self)
        self._await_expiry()

    def dataReceived(self, data: bytes) -> None:
        """Take what the socket brought, when it is this client's turn."""
        if self.state == self.STATE_CONNECTING:
            # The handshake, which the door has let in: those that come next are counted after it.
            self.handle(data)
        else:
            self.factory.read_scheduler.take(self, data)

    @property
    def is_busy(self) -> bool:
        """Whether there are more frames to take, or the session is still at the last message."""
        return self._has_frames or (self.session is not None and self.session.is_busy)

    def handle(self, data: bytes) -> None:
        """Go on with the last message; when it is done, take apart what the socket brought."""
        self._has_frames = False
        if self.session is not None:
            self.session.go_on()
        super().dataReceived(data)

    def processData(self) -> bool:
        """Take one part of a frame; Autobahn calls it until there is none, or time is over."""
        if self.is_busy or not super().processData():
            return False
        self._has_frames = self.factory.read_scheduler.is_over
        return not self._has_frames

    # Autobahn's way to take a message apart: its own would keep each fragment, empty ones too.

    def onMessageBegin(self, isBinary: bool) -> None:
        """Begin a message."""
        super().onMessageBegin(isBinary)
        self._message = bytearray()

    def onMessageFrameData(self, payload: bytes) -> None:
        """Take a part of a message."""
        if not self.failedByMe:
            self._message += payload

    def onMessageFrameEnd(self) -> None:
        """Count a fragment; the last one is counted with its message."""
        if not self.current_frame.fin and self.session is not None:
            self.session.may_ask()

    def onMessageEnd(self) -> None:
        """Take a whole message."""
        message, self._message = self._message, bytearray()
        if not self.failedByMe:
            self.onMessage(bytes(message), self.message_is_binary)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Hand a whole message to the session."""
        if self.session is not None and self.session.takes_answers():
            self.session.receive(payload, isBinary)

    def onPing(self, payload: bytes) -> None:
        """Answer; pings are requests too, as far as their rate goes."""
        if self.session is not None and self.session.takes_answers() and self.session.may_ask():
            super().onPing(payload)

    def processControlFrame(self) -> bool:
        """Count pongs that answer no ping: they are allowed, and mean nothing."""
        if self.current_frame.opcode != PONG:
            return bool(super().processControlFrame())
        payload = b"".join(self.control_frame_data)  # type: ignore[has-type]
        if payload == self.autoPingPending:
            return bool(super().processControlFrame())
        self.control_frame_data = None
        if self.session is not None:
            self.session.may_ask()
        return True

    def hang_up(self, code: int, reason: str) -> None:
        """Close the connection with a code and a reason."""
        if self.state == self.STATE_OPEN:
            # Not sendClose, which lets applications use no code below 3000 but 1000.
            self.sendCloseFrame(code, reason.encode())

    def dropConnection(self, abort: bool = False) -> None:
        """Close the connection; not later than a little later, if its client takes nothing."""
        super().dropConnection(abort)
        if not abort and self._closing is None:
            self._closing = self.factory.call_later(CLOSING, self.cut)

    def cut(self) -> None:
        """Close the connection without waiting for its client any longer."""
        if self._client_transport is not None:
            self._client_transport.cut()

    def check_visitor(self) -> None:
        """Close the connection if the user or the page could not come in any more."""
        identity = self.visitor.identity
        if identity is not None and not identity.is_valid():
            self._log_out("the login is not good any more")
        elif not self.visitor.may_stay():
            self._log_out("pages of this origin may not connect any more", "forbidden")

    def failHandshake(self, reason: str, *arguments: Any, **keywords: Any) -> None:
        """Refuse a handshake; the client is told the reason, which may quote a header."""
        self.factory.sessions.refusals.count("bad handshake", self.visitor.address)
        super().failHandshake(without_token(reason), *arguments, **keywords)

    def sendCloseFrame(self, *args: Any, **keywords: Any) -> None:
        """End the session first: no message may follow a close frame (RFC 6455, section 5.5.1)."""
        self._end_session()
        super().sendCloseFrame(*args, **keywords)

    def onClose(self, _wasClean: bool, _code: int | None, _reason: str | None) -> None:
        """End the session."""
        self._end_session()
        if self._client_transport is not None:
            self._client_transport.end()
        closing, self._closing = self._closing, None
        if closing is not None and closing.active():
            closing.cancel()
        self.factory.read_scheduler.drop(self)
        timer: Any = self.closeHandshakeTimeoutCall  # type: ignore[has-type]
        if timer is not None:
            # Autobahn forgets it where the connection ends without an answer.
            timer.cancel()
            self.closeHandshakeTimeoutCall = None
        self.factory.closed(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave nothing that refers to itself: a crowd of those would keep the collector busy."""
        super().connectionLost(reason)
        if self.connection_count is not None:
            self.connection_count.leave()
        # Autobahn fired both with this object.
        del self.is_open, self.is_closed

    def _await_expiry(self) -> None:
        """Close the connection when the login expires, by the time of day."""
        self._expiry = None
        identity = self.visitor.identity
        if identity is None or identity.expires is None:
            return
        left = identity.expires - self.factory.time_of_day()
        if left > 0:
            # The clock may be set meanwhile.
            self._expiry = self.factory.call_later(min(left, EXPIRY_CHECK), self._await_expiry)
        else:
            self._log_out("the login has expired")

    def _log_out(self, text: str, code: str = "unauthenticated") -> None:
        if self.session is not None:
            self.session.refuse(BadMessageError(code, text))
        self.hang_up(1008, text)

    def _end_session(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if self.session is not None:
            self.session.outbox.flush()
            self.session.close()
            self.session = None

    def _fail_connection(self, *args: Any, **keywords: Any) -> None:
        self.factory.sessions.refusals.count("closed for a bad frame", self.visitor.address)
        super()._fail_connection(*args, **keywords)

    def _invalid_payload(self, reason: str) -> bool:
        # RFC 6455 wants the connection closed (1007); the client is also told why.
        self._explain(BadMessageError("bad_json", "not JSON: the text is not valid UTF-8"))
        return bool(super()._invalid_payload(reason))

    def _max_message_size_exceeded(self, size: int, limit: int, reason: str) -> None:
        self._explain(BadMessageError("too_large", f"a message has at most {limit} bytes"))
        super()._max_message_size_exceeded(size, limit, reason)

    def _explain(self, mistake: BadMessageError) -> None:
        """Tell the client, at once, why its connection is about to be closed."""
        if self.session is not None and self.state == self.STATE_OPEN:
            self.session.send(self.session.dialect.error(mistake))
            self.session.outbox.flush()


def _client(visitor: Visitor) -> Client:
    user = visitor.identity.user if visitor.identity is not None else None
    return Client(visitor.address, host=visitor.host, user=user)


class MonitorFactory(WebSocketServerFactory):  # type: ignore[misc]
    """Makes a protocol for each connection, and closes them all when the gateway ends."""

    protocol = MonitorProtocol

    def __init__(
        self,
        reactor: IReactorTime,
        sessions: Sessions,
        limits: SocketLimits,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(reactor=reactor)
        self.sessions = sessions
        self.slow_consumers = SlowConsumerMonitor(reactor, limits.stall_timeout, sessions.budget)
        self.read_scheduler = ReadScheduler(reactor)
        self._clock = reactor
        self._now = now
        self._connections: set[MonitorProtocol] = set()
        self._by_place: Counter[str] = Counter()
        self._all_closed: Deferred[None] | None = None
        self._cutting: IDelayedCall | None = None
        self.setProtocolOptions(
            # Dropping would reset the connection, with no close frame that says why.
            failByDrop=False,
            autoPingInterval=limits.ping_interval,
            # Autobahn's timers end up to a second before their time.
            autoPingTimeout=limits.ping_interval + 1,
            maxMessagePayloadSize=limits.max_message,
            maxFramePayloadSize=limits.max_message,
            closeHandshakeTimeout=2,
            # The door has looked at the origin.
            allowedOrigins=["*"],
            allowNullOrigin=True,
        )

    def opened(self, connection: MonitorProtocol) -> None:
        """Take note of an open connection."""
        self._connections.add(connection)
        self._by_place[network_key(connection.visitor.host)] += 1

    def closed(self, connection: MonitorProtocol) -> None:
        """Take note that a connection is gone."""
        if connection in self._connections:
            self._connections.remove(connection)
            self._left(network_key(connection.visitor.host))
        if not self._connections and self._all_closed is not None:
            done, self._all_closed = self._all_closed, None
            if self._cutting is not None and self._cutting.active():
                self._cutting.cancel()
            self.slow_consumers.close()
            done.callback(None)

    def full(self, host: str) -> str | None:
        """Why an address may not have one connection more; None if it may."""
        limits = self.sessions.limits
        if len(self._connections) >= limits.clients:
            return "as many clients as may be"
        if self._by_place[network_key(host)] >= limits.clients_per_address:
            return "as many clients of one address as may be"
        return None

    def check_visitors(self) -> None:
        """Close the connections of those who could not come in any more."""
        for connection in list(self._connections):
            connection.check_visitor()

    def call_later(self, seconds: float, function: Callable[[], None]) -> IDelayedCall:
        """Have a function called after a while."""
        return self._clock.callLater(seconds, function)

    def time_of_day(self) -> float:
        """The present time, in UNIX seconds."""
        return self._now()

    def close_all(self, patience: float = 1.0) -> Deferred[None]:
        """Close every connection as `going away` (1001); fires when all are gone.

        Those that do not answer within `patience` seconds are cut.
        """
        done: Deferred[None] = Deferred()
        if not self._connections:
            self.slow_consumers.close()
            done.callback(None)
            return done
        self._all_closed = done
        for connection in list(self._connections):
            connection.hang_up(1001, "the gateway is stopping")
        self._cutting = self._clock.callLater(patience, self._cut)
        return done

    def _left(self, place: str) -> None:
        self._by_place[place] -= 1
        if not self._by_place[place]:
            del self._by_place[place]

    def _cut(self) -> None:
        for connection in list(self._connections):
            connection.cut()
