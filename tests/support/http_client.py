"""Reads whole HTTP responses from the network."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol

from tests.support.http_reader import Answer, is_upgraded
from tests.support.timing import TIMEOUT


class HTTPReader(Protocol):
    """Reads to the end of the connection, or of the header of a handshake that succeeded."""

    def __init__(self) -> None:
        self.data = b""
        self.reason: BaseException | None = None
        """Why the connection ended; None while it is open."""
        self._ended: Deferred[HTTPReader] = Deferred()

    def fetch(self, data: bytes) -> Deferred[HTTPReader]:
        """Send some bytes; fires with this reader when the connection has ended."""
        cast(Any, self.transport).write(data)
        return self._ended

    @property
    def answer(self) -> Answer:
        """The received response."""
        return Answer.parse(self.data)

    def dataReceived(self, data: bytes) -> None:
        """Overrides Protocol: store the data."""
        self.data += data
        if is_upgraded(self.data):
            cast(Any, self.transport).abortConnection()

    def connectionLost(self, reason: Any = None) -> None:
        """Overrides Protocol: fire the Deferred of the request."""
        self.reason = reason.value
        self._ended.callback(self)


def fetch(
    endpoint: IStreamClientEndpoint, data: bytes, protocol: type[HTTPReader] = HTTPReader
) -> Deferred[HTTPReader]:
    """Send some bytes to an endpoint; fires with the reader when the connection has ended."""
    connecting = cast("Deferred[Any]", endpoint.connect(Factory.forProtocol(protocol)))
    return connecting.addCallback(lambda reader: reader.fetch(data)).addTimeout(TIMEOUT, reactor)


def exchange(endpoint: IStreamClientEndpoint, data: bytes) -> Deferred[Answer]:
    """Send some bytes to an endpoint; fires with the response."""
    return fetch(endpoint, data).addCallback(lambda reader: reader.answer)
