"""Requests over the bus: each has a subject of its own for its reply."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from twisted.internet.defer import Deferred, fail

from pycawamp.bus.client import NATSClient
from pycawamp.bus.protocol import Message


class NoRespondersError(Exception):
    """No process has received the request."""


class PermissionsViolationError(Exception):
    """This user may not send the request: no process has received it."""


class ReplyLostError(Exception):
    """The request was sent, but there will be no reply."""


class NATSRequests:
    """The pending requests of a client."""

    def __init__(self, client: NATSClient, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._numbers = count(1)
        self._pending: dict[str, tuple[str, Deferred[bytes]]] = {}
        client.subscribe(f"{prefix}.*", self._reply_received)
        client.on_closed.append(lambda: self._fail(lambda _: True, ReplyLostError))
        client.on_forbidden.append(
            lambda forbidden: self._fail(
                lambda subject: subject == forbidden, PermissionsViolationError
            )
        )

    @property
    def max_payload(self) -> int:
        """Maximum bytes of a request."""
        return self._client.max_payload

    def request(
        self, subject: str, payload: bytes, cancelled: Callable[[str], None] = lambda _reply: None
    ) -> Deferred[bytes]:
        """Send a request, once.

        Args:
            subject: Its subject.
            payload: Its content.
            cancelled: Called with the subject of the reply when the Deferred is cancelled.

        Returns:
            A Deferred of the reply. It fails with NoRespondersError, PermissionsViolationError or
            ReplyLostError.
        """
        reply = f"{self._prefix}.{next(self._numbers)}"
        if not self._client.publish(subject, payload, reply=reply):
            return fail(NoRespondersError())

        def cancel(_: Deferred[bytes]) -> None:
            self._pending.pop(reply, None)
            cancelled(reply)

        replied: Deferred[bytes] = Deferred(cancel)
        self._pending[reply] = subject, replied
        return replied

    def ingest_lost(self, ingest: str) -> None:
        """Fail the pending requests to an ingest, which was lost."""
        self._fail(lambda subject: subject.split(".")[-2] == ingest, ReplyLostError)

    def _reply_received(self, message: Message) -> None:
        _, answered = self._pending.pop(message.subject, ("", None))
        if answered is None:
            return
        if message.is_refusal:
            answered.errback(NoRespondersError())
        else:
            answered.callback(message.payload)

    def _fail(self, concerns: Callable[[str], bool], error: type[Exception]) -> None:
        for reply, (subject, answered) in list(self._pending.items()):
            if concerns(subject) and self._pending.pop(reply, None) is not None:
                answered.errback(error())
