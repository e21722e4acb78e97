"""/readyz: whether a load balancer may send clients here."""

from __future__ import annotations

import attrs
from twisted.web.resource import Resource
from twisted.web.server import Request


@attrs.define
class Readiness:
    """Whether the gateway takes clients, or is about to stop."""

    is_draining: bool = False


class ReadyResource(Resource):
    """Answers 200 while the gateway takes clients, and 503 from the moment it is to stop."""

    isLeaf = True

    def __init__(self, readiness: Readiness) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._readiness = readiness

    def render_GET(self, request: Request) -> bytes:
        """Answer; whoever asks is not logged in, and learns nothing else."""
        request.setHeader("cache-control", "no-store")
        request.setHeader("content-type", "text/plain; charset=utf-8")
        if self._readiness.is_draining:
            request.setResponseCode(503)
            return b"draining\n"
        return b"ready\n"

    def render_HEAD(self, request: Request) -> bytes:
        """The same without the body."""
        self.render_GET(request)
        return b""
