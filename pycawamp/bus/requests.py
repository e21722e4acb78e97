"""NATSRequests over the bus: each has a subject of its own for its reply."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from twisted.internet.defer import Deferred, fail

from pycawamp.bus.client import NATSClient
from pycawamp.bus.protocol import Message


class NobodyThereError(Exception):
    """Nobody has got the request."""


class PermissionsViolationError(Exception):
    """The bus does not let this user send the request: nobody has got it."""


class ReplyLostError(Exception):
    """The request was sent, but its reply will not come."""


class NATSRequests:
    """The requests that have not been answered."""

    def __init__(self, client: NATSClient, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._numbers = count(1)
        self._pending: dict[str, tuple[str, Deferred[bytes]]] = {}
        client.subscribe(f"{prefix}.*", self._answered)
        client.on_closed.append(lambda: self._fail(lambda _: True, ReplyLostError))
        client.on_forbidden.append(
            lambda forbidden: self._fail(
                lambda subject: subject == forbidden, PermissionsViolationError
            )
        )

    def ask(
        self, subject: str, payload: bytes, given_up: Callable[[str], None] = lambda _reply: None
    ) -> Deferred[bytes]:
        """Send a request, once.

        Args:
            subject: Who is asked.
            payload: What is asked.
            given_up: Called with where the reply was to go, when the Deferred is cancelled.

        Returns:
            A Deferred of the reply. It fails with NobodyThereError, PermissionsViolationError or
            ReplyLostError.
        """
        reply = f"{self._prefix}.{next(self._numbers)}"
        if not self._client.publish(subject, payload, reply=reply):
            return fail(NobodyThereError())

        def cancel(_: Deferred[bytes]) -> None:
            self._pending.pop(reply, None)
            given_up(reply)

        answered: Deferred[bytes] = Deferred(cancel)
        self._pending[reply] = subject, answered
        return answered

    def lose(self, ingest: str) -> None:
        """Fail what an ingest has been asked: it is gone."""
        self._fail(lambda subject: subject.split(".")[-2] == ingest, ReplyLostError)

    def _answered(self, message: Message) -> None:
        _, answered = self._pending.pop(message.subject, ("", None))
        if answered is None:
            return
        if message.is_refusal:
            answered.errback(NobodyThereError())
        else:
            answered.callback(message.payload)

    def _fail(self, concerns: Callable[[str], bool], error: type[Exception]) -> None:
        for reply, (subject, answered) in list(self._pending.items()):
            if concerns(subject) and self._pending.pop(reply, None) is not None:
                answered.errback(error())
