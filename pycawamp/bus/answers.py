"""Gets and puts of edges, as an ingest executes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from pycawamp.bus import subjects
from pycawamp.bus.client import NATSClient
from pycawamp.bus.control import GetRequest, PutRequest, answer, failure
from pycawamp.bus.errors import BadBusMessageError
from pycawamp.bus.protocol import Message
from pycawamp.pv.errors import (
    AccessError,
    BadValueError,
    NotConnectedError,
    OverloadedError,
    PVError,
)
from pycawamp.pv.interfaces import IHandle
from pycawamp.pv.values import Reading

MAX_PUTS = 10_000
"""Puts that have not finished."""


class PutRules(Protocol):
    """Decides whether edges' puts are executed."""

    def refusal(self, request: PutRequest) -> str | None:
        """Return why a put is refused; None if it is not."""

    def log(self, edge: str, request: PutRequest, outcome: str) -> None:
        """Log a put and its outcome."""


class Answers:
    """Executes gets and puts, and replies to each.

    `handle` returns the handle of a PV that an edge has open, by the names of the edge and the PV,
    or None. `ended` is called when a put has ended.
    """

    _log = Logger()

    def __init__(
        self,
        client: NATSClient,
        run: int,
        handle: Callable[[str, str], IHandle | None],
        rules: PutRules,
        ended: Callable[[], None],
    ) -> None:
        self._client = client
        self._run = run
        self._handle_of = handle
        self._rules = rules
        self._ended = ended
        self._puts: dict[tuple[str, str], Deferred[None]] = {}

    @property
    def has_puts(self) -> bool:
        """Whether there are puts that have not finished."""
        return bool(self._puts)

    def close(self) -> None:
        """Cancel the puts that have not finished."""
        for put in list(self._puts.values()):
            put.cancel()

    def get(self, message: Message) -> None:
        """Execute a get."""
        request = GetRequest.of(message.payload)
        reply = _Reply(self._client, message.reply, request.version)
        try:
            pending = self._handle(subjects.last(message.subject), request).get()
        except PVError as error:
            reply.fail(error)
            return

        def succeed(reading: Reading) -> None:
            reply.succeed(tuple(reading))

        pending.addCallback(succeed).addErrback(self._fail, reply)

    def put(self, message: Message) -> None:
        """Execute a put, unless the rules refuse it."""
        edge = subjects.last(message.subject)
        try:
            request = PutRequest.of(message.payload)
        except BadBusMessageError as error:
            self._log.warn("Invalid put of the edge {edge}: {error}", edge=edge, error=error)
            refusal = BadValueError("the ingest cannot read the value; nothing was written")
            self._client.publish(message.reply, failure(refusal))
            return
        reply = _Reply(self._client, message.reply, request.version)
        key = edge, message.reply
        try:
            putting = self._begin_put(edge, request)
        except PVError as error:
            self._rules.log(edge, request, f"{error.code}: {error}")
            reply.fail(error)
            return
        self._puts[key] = putting
        # The value may be large; from now on, only the log needs it.
        logged = attrs.evolve(request, value=_shown(request.value))
        del request

        def ended(_: object) -> None:
            self._puts.pop(key, None)
            self._ended()

        self._report_outcome(putting, edge, logged, reply)
        putting.addBoth(ended)

    def _report_outcome(
        self, putting: Deferred[None], edge: str, request: PutRequest, reply: _Reply
    ) -> None:
        """Log the outcome of a put, and reply."""

        def done(_: None) -> None:
            self._rules.log(edge, request, "ok" if request.wait else "sent")
            reply.succeed(None)

        def failed(reason: Failure) -> None:
            error = reason.value
            if isinstance(error, CancelledError):
                self._rules.log(edge, request, "the edge gave up")
                return
            code = getattr(error, "code", "internal")
            self._rules.log(edge, request, f"{code}: {error}")
            self._fail(reason, reply)

        putting.addCallbacks(done, failed)

    def cancel(self, edge: str, reply: str) -> None:
        """Cancel a put, by the subject of its reply."""
        putting = self._puts.pop((edge, reply), None)
        if putting is not None:
            putting.cancel()

    def _begin_put(self, edge: str, request: PutRequest) -> Deferred[None]:
        refusal = self._rules.refusal(request)
        if refusal is not None:
            raise AccessError(refusal)
        if len(self._puts) >= MAX_PUTS:
            raise OverloadedError("too many puts of all edges have not finished")
        return self._handle(edge, request).put(request.value, request.wait)

    def _handle(self, edge: str, request: GetRequest | PutRequest) -> IHandle:
        handle = self._handle_of(edge, request.name) if request.run == self._run else None
        if handle is None:
            raise NotConnectedError("the ingest does not serve it now; nothing was written")
        return handle

    def _fail(self, reason: Failure, reply: _Reply) -> None:
        error = reason.value
        if not isinstance(error, PVError):
            self._log.failure("A request of an edge failed", reason)
            error = PVError("the ingest failed")
        reply.fail(error)


@attrs.frozen
class _Reply:
    """Replies to a request, in the version of the request."""

    _client: NATSClient
    _subject: str
    _version: int

    def succeed(self, content: Any) -> None:
        """Send a result."""
        payload = answer(content, self._version)
        if len(payload) > self._client.max_payload:
            text = f"the value takes {len(payload)} bytes, more than the bus lets through"
            payload = failure(OverloadedError(text), self._version)
        self._client.publish(self._subject, payload)

    def fail(self, error: PVError) -> None:
        """Send an error."""
        self._client.publish(self._subject, failure(error, self._version))


def _shown(value: Any) -> Any:
    return value[:_MAX_SHOWN] if isinstance(value, str | list) else value


_MAX_SHOWN = 200
"""Elements or characters of a value that are kept for the log."""
