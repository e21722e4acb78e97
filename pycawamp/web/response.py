"""Response bodies; a large one is written as its client reads it."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable
from http import HTTPStatus

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IPullProducer, IReactorTime
from twisted.web.server import Request
from zope.interface import implementer

COMPRESSED = range(1000, 2**20)
"""Lengths of bodies that are compressed; a longer one would take more than 10 ms."""
CHUNK = 2**16
"""Bytes that are written at once."""


def send(request: Request, body: bytes, mime_type: str, status: HTTPStatus = HTTPStatus.OK) -> None:
    """Respond to a request with a small body."""
    _set_head(request, body, mime_type, status)
    request.write(b"" if request.method == b"HEAD" else body)
    request.finish()


def _set_head(request: Request, body: bytes, mime_type: str, status: HTTPStatus) -> None:
    # With the reason phrase, which Twisted does not have for some of them.
    request.setResponseCode(status, status.phrase.encode())
    request.setHeader("content-type", mime_type)
    request.setHeader("content-length", str(len(body)))
    if not request.responseHeaders.hasHeader("cache-control"):
        request.setHeader("cache-control", "no-store")
    request.setHeader("x-content-type-options", "nosniff")


def compressed(request: Request, body: bytes) -> bytes:
    """Return a body for a client, compressed if it accepts that, with the headers set."""
    request.responseHeaders.addRawHeader("vary", "Accept-Encoding")
    accepted = request.requestHeaders.getRawHeaders("accept-encoding", [])
    if len(body) not in COMPRESSED or not accepts_gzip(accepted):
        return body
    request.setHeader("content-encoding", "gzip")
    return gzip.compress(body, compresslevel=1, mtime=0)


def respond(  # noqa: PLR0913 (the parts of a response, and its time limits)
    request: Request,
    body: bytes,
    mime_type: str,
    clock: IReactorTime,
    stall_timeout: float,
    *,
    status: HTTPStatus = HTTPStatus.OK,
) -> Deferred[None]:
    """Respond to a request; fires when the body is written, or the client has disconnected.

    A client that reads nothing of a large body for `stall_timeout` seconds is dropped.
    """
    if request.method == b"HEAD" or len(body) <= CHUNK:
        send(request, body, mime_type, status)
        return succeed(None)
    _set_head(request, body, mime_type, status)
    return LargeBody(request, body, clock, stall_timeout).start()


def accepts_gzip(values: Iterable[str]) -> bool:
    """Return whether the values of Accept-Encoding allow gzip (RFC 9110, section 12.5.3)."""
    weights: dict[str, str] = {}
    for part in ",".join(values).split(","):
        name, _, weight = (text.strip().lower() for text in part.partition(";"))
        weights[name] = weight.replace(" ", "")
    weight = weights.get("gzip", weights.get("*", "q=0"))
    return re.fullmatch(r"q=0(\.0*)?", weight) is None


@implementer(IPullProducer)
class LargeBody:
    """Writes a large body in chunks, as the client reads them."""

    def __init__(
        self, request: Request, body: bytes, clock: IReactorTime, stall_timeout: float
    ) -> None:
        self._request = request
        self._rest = memoryview(body)
        self._stall_timeout = stall_timeout
        self._timer = clock.callLater(stall_timeout, self._stalled)
        self._done: Deferred[None] = Deferred()

    def start(self) -> Deferred[None]:
        """Start; fires when all was written, or the client has disconnected."""
        self._request.notifyFinish().addBoth(self._end)
        self._request.registerProducer(self, False)
        return self._done

    def resumeProducing(self) -> None:
        """Write a chunk."""
        self._timer.reset(self._stall_timeout)
        chunk, self._rest = self._rest[:CHUNK], self._rest[CHUNK:]
        self._request.write(bytes(chunk))
        if not self._rest:
            self._request.unregisterProducer()
            self._request.finish()

    def stopProducing(self) -> None:
        """Stop: the client has disconnected."""

    def _stalled(self) -> None:
        self._request.transport.abortConnection()  # type: ignore[union-attr]

    def _end(self, _: object) -> None:
        if self._timer.active():
            self._timer.cancel()
        self._done.callback(None)
