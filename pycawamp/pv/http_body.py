"""Bodies of HTTP responses to the gateway's own requests."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IResponse


class BodyError(Exception):
    """A body is incomplete; the text says what the server did, as in "closed the connection"."""


class Body(Protocol):
    """Reads the body of a response.

    Args:
        response: The response.
        max_bytes: Maximum number of bytes.
    """

    def __init__(self, response: IResponse, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._read = BytesIO()
        self.done: Deferred[bytes] = Deferred(self._abort)
        """Fires with the whole body, or fails with BodyError."""
        response.deliverBody(self)

    def dataReceived(self, data: bytes) -> None:
        """Store a part."""
        if self._read.tell() + len(data) > self._max_bytes:
            self._fail(BodyError(f"sent more than {self._max_bytes} bytes"))
        else:
            self._read.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fire with the whole body if it is complete, otherwise fail."""
        if self.done.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.done.callback(self._read.getvalue())
        else:
            self.done.errback(BodyError("closed the connection"))

    def _fail(self, error: BodyError) -> None:
        if not self.done.called:
            self.done.errback(error)
            self._abort()

    def _abort(self, _done: Any = None) -> None:
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]
