"""The resource for WebSocket connections."""

from __future__ import annotations

from typing import Any

import attrs
from autobahn.twisted.resource import WebSocketResource
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from pycawamp.sessions.peer import Peer
from pycawamp.web.authentication import (
    Authentication,
    PendingRequest,
    RefusalError,
    refuse,
)
from pycawamp.web.connections import ConnectionCount
from pycawamp.web.websocket import MonitorFactory, MonitorProtocol
from pycawamp.wire.dialect import Encoding
from pycawamp.wire.v2.dialect import VERSION_1


class MonitorResource(Resource):
    """Accepts WebSocket connections of authenticated clients, within the limits."""

    isLeaf = True

    def __init__(
        self,
        factory: MonitorFactory,
        authentication: Authentication,
        encoding: Encoding = VERSION_1,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._encoding = encoding
        self._factory = factory
        self._authentication = authentication

    def render(self, request: Request) -> int:
        """Upgrade the connection, or respond with an error."""

        def enter(peer: Peer) -> None:
            self._enter(request, peer)

        return PendingRequest(self._authentication, request).authenticate(enter, socket=True)

    def _enter(self, request: Request, peer: Peer) -> None:
        if "websocket" not in (request.getHeader("upgrade") or "").lower():
            # Autobahn itself would respond with a redirection to a URL in the query.
            raise RefusalError(426, "for WebSockets only", (("Upgrade", "websocket"),))
        full = self._factory.clients.full(peer.host)
        if full is not None:
            self._authentication.refusals.count(full, peer.host)
            raise RefusalError(503, full, (("Retry-After", "10"),))
        # Sites other than the gateway's do not count connections.
        count = getattr(request.channel, "count", None)
        protocols = _Protocols(self._factory, peer, self._encoding, count)
        body = WebSocketResource(protocols).render(request)
        if body is not NOT_DONE_YET:
            refuse(request, RefusalError(request.code, "WebSockets need HTTP/1.1"))
            return
        # The HTTP request has ended. Nothing else would notify it, and its references would
        # remain until a garbage collection.
        request.connectionLost(Failure(ConnectionDone()))


@attrs.frozen
class _Protocols:
    """Creates the protocol of a peer."""

    _factory: MonitorFactory
    _peer: Peer
    _encoding: Encoding
    _count: ConnectionCount | None

    def buildProtocol(self, address: Any) -> MonitorProtocol:
        protocol: MonitorProtocol = self._factory.buildProtocol(address)
        protocol.client = self._peer
        protocol.encoding = self._encoding
        protocol.connection_count = self._count
        return protocol
