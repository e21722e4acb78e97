"""An HTTP request as a short session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct

from twisted.internet.defer import Deferred
from zope.interface import implementer

from pycawamp.fanout.framing import Framing
from pycawamp.fanout.outbox import IWriter
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.quota import Quota
from pycawamp.sessions.session import Session
from pycawamp.web.clients import Clients
from pycawamp.wire.dialect import Encoding, Message
from pycawamp.wire.v2.dialect import VERSION_1

_HEADER = Struct("!?Q")


def _text(payload: bytes) -> bytes:
    return _HEADER.pack(False, len(payload)) + payload


def _binary(payload: bytes) -> bytes:
    return _HEADER.pack(True, len(payload)) + payload


MESSAGES = Framing(_text, _binary, "http")
"""A framing with the kind and length before each message."""


@implementer(IWriter)
class Exchange:
    """Sends the messages of an HTTP request to a new session, and collects the replies.

    The session ends when all its requests have finished. The client counts as connected until then,
    even if the response was sent earlier.
    """

    framing = MESSAGES

    def __init__(
        self, clients: Clients, client: Peer, quota: Quota, encoding: Encoding = VERSION_1
    ) -> None:
        self.client = client
        self.backlog = 0
        """Bytes of the collected replies."""
        self._clients = clients
        self._expected = 0
        self._replies: list[Message] = []
        self._replied: Deferred[list[Message]] = Deferred()
        self._session: Session | None = clients.sessions.open(
            self, client, encoding, self.close_connection, quota
        )
        # Requests are logged in the access log.
        clients.add(self, logged=False)

    def request(self, messages: Sequence[bytes]) -> Deferred[list[Message]]:
        """Send requests that have one reply each; fires with the replies.

        It fails with CancelledError if the client disconnects first.
        """
        self._expected = len(messages)
        self._clients.shared.finish(self._send(messages))
        return self._replied

    def write(self, data: bytes) -> None:
        """Receive replies."""
        self.backlog += len(data)
        self._clients.shared.budget.requests += len(data)
        self._replies += _messages(data)
        if len(self._replies) >= self._expected and not self._replied.called:
            if self._session is not None:
                self._session.finish(self._ended)
            self._replied.callback(self._replies)

    def release(self) -> None:
        """Release the memory of the replies: they have been sent."""
        self._clients.shared.budget.requests -= self.backlog
        self.backlog = 0

    def abort(self) -> None:
        """End the session: its client has disconnected, or the gateway stops."""
        if self._session is not None:
            self._session.close()
            self._ended()
        # Cancels everything that waits for the replies.
        self._replied.cancel()
        self.release()

    def close_connection(self, code: int, reason: str) -> None:
        """Do nothing: the reply has the error, and there will be no other request."""

    def check_client(self) -> None:
        """Do nothing: the request ends soon."""

    def _send(self, messages: Sequence[bytes]) -> Iterator[None]:
        for message in messages:
            if self._session is None:
                return
            self._session.receive(message)
            yield

    def _ended(self) -> None:
        # It refers to this object, so both would be a reference cycle.
        self._session = None
        self._clients.remove(self)


def _messages(data: bytes) -> Iterator[Message]:
    at = 0
    while at < len(data):
        is_binary, size = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        yield Message(data[at : at + size], is_binary)
        at += size
