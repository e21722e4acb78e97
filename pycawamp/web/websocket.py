"""Autobahn's WebSocket protocol on one side, a session on the other."""

from __future__ import annotations

from typing import Any

import attrs
from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pycawamp.session import Client, Session
from pycawamp.sessions import Sessions
from pycawamp.web.flow import Flow, Stalls
from pycawamp.wire import replies
from pycawamp.wire.codec import BadMessage


@attrs.frozen
class SocketLimits:
    """What a client's connection may take, and how long it may be silent."""

    ping_interval: float = 20.0
    """Seconds, at least 1; a client that answers none within another interval is gone."""
    stall_timeout: float = 30.0
    """Seconds for which a client may take nothing while something waits for it."""
    max_message: int = 2**20
    """Bytes of a client's message; a longer one closes the connection (1009)."""


class MonitorProtocol(WebSocketServerProtocol):  # type: ignore[misc]
    """One WebSocket connection: carries messages to and from its session."""

    factory: MonitorFactory
    session: Session | None = None

    def onOpen(self) -> None:
        """Begin the session."""
        flow = Flow(self.transport, self.factory.stalls)
        self.session = self.factory.sessions.open(flow, _client(self.transport, self.peer))
        flow.start(self.session.outbox)
        self.factory.opened(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Hand a whole message to the session."""
        if self.session is not None:
            self.session.receive(payload, isBinary)

    def sendCloseFrame(self, *args: Any, **keywords: Any) -> None:
        """End the session first: no message may follow a close frame (RFC 6455, section 5.5.1)."""
        self._end_session()
        super().sendCloseFrame(*args, **keywords)

    def onClose(self, _wasClean: bool, _code: int | None, _reason: str | None) -> None:
        """End the session."""
        self._end_session()
        timer: Any = self.closeHandshakeTimeoutCall  # type: ignore[has-type]
        if timer is not None:
            # Autobahn forgets it where the connection ends without an answer.
            timer.cancel()
            self.closeHandshakeTimeoutCall = None
        self.factory.closed(self)

    def _end_session(self) -> None:
        if self.session is not None:
            self.session.outbox.flush()
            self.session.close()
            self.session = None

    def _invalid_payload(self, reason: str) -> bool:
        # RFC 6455 wants the connection closed (1007); the client is also told why.
        self._explain(BadMessage("bad_json", "not JSON: the text is not valid UTF-8"))
        return bool(super()._invalid_payload(reason))

    def _max_message_size_exceeded(self, size: int, limit: int, reason: str) -> None:
        self._explain(BadMessage("too_large", f"a message has at most {limit} bytes"))
        super()._max_message_size_exceeded(size, limit, reason)

    def _explain(self, mistake: BadMessage) -> None:
        """Tell the client, at once, why its connection is about to be closed."""
        if self.session is not None and self.state == self.STATE_OPEN:
            self.session.send(replies.error(mistake))
            self.session.outbox.flush()


def _client(transport: Any, address: str) -> Client:
    peer = transport.getPeer()
    if isinstance(peer, IPv4Address | IPv6Address):
        return Client(f"{peer.host}:{peer.port}", host=peer.host)
    return Client(address)


class MonitorFactory(WebSocketServerFactory):  # type: ignore[misc]
    """Makes a protocol for each connection, and closes them all when the gateway ends."""

    protocol = MonitorProtocol

    def __init__(self, reactor: IReactorTime, sessions: Sessions, limits: SocketLimits) -> None:
        super().__init__(reactor=reactor)
        self.sessions = sessions
        self.stalls = Stalls(reactor, limits.stall_timeout)
        self._clock = reactor
        self._connections: set[MonitorProtocol] = set()
        self._all_closed: Deferred[None] | None = None
        self._cutting: IDelayedCall | None = None
        self.setProtocolOptions(
            # Dropping would reset the connection, with no close frame that says why.
            failByDrop=False,
            autoPingInterval=limits.ping_interval,
            # Autobahn's timers end with the whole second before their time.
            autoPingTimeout=limits.ping_interval + 1,
            maxMessagePayloadSize=limits.max_message,
            maxFramePayloadSize=limits.max_message,
            closeHandshakeTimeout=2,
        )

    def opened(self, connection: MonitorProtocol) -> None:
        """Take note of an open connection."""
        self._connections.add(connection)

    def closed(self, connection: MonitorProtocol) -> None:
        """Take note that a connection is gone."""
        self._connections.discard(connection)
        if not self._connections and self._all_closed is not None:
            done, self._all_closed = self._all_closed, None
            if self._cutting is not None and self._cutting.active():
                self._cutting.cancel()
            self.stalls.close()
            done.callback(None)

    def close_all(self, patience: float = 1.0) -> Deferred[None]:
        """Close every connection as `going away` (1001); fires when all are gone.

        Those that do not answer within `patience` seconds are cut.
        """
        done: Deferred[None] = Deferred()
        if not self._connections:
            self.stalls.close()
            done.callback(None)
            return done
        self._all_closed = done
        for connection in list(self._connections):
            # Not sendClose, which lets applications use no code below 3000 but 1000.
            connection.sendCloseFrame(1001, b"the gateway is stopping")
        self._cutting = self._clock.callLater(patience, self._cut)
        return done

    def _cut(self) -> None:
        for connection in list(self._connections):
            connection.transport.abortConnection()


def monitor_resource(factory: MonitorFactory) -> Any:
    """The resource that takes WebSocket connections, to be mounted in any Site."""
    return WebSocketResource(factory)
