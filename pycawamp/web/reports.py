"""Resources about the gateway itself, for operators."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from ipaddress import ip_address
from typing import TypeAlias

from twisted.web.resource import Resource
from twisted.web.server import Request

from pycawamp.sessions.peer import Peer
from pycawamp.web.authentication import Authentication, PendingRequest, RefusalError
from pycawamp.web.response import send

Report: TypeAlias = Callable[[Request, Peer], "tuple[bytes, str]"]
"""Returns a body and its media type for a client; may raise RefusalError."""


class ReportReaders(Enum):
    """The users who may see the reports."""

    LOCAL = "local"
    """Users of this machine, without a proxy."""
    LOGGED_IN = "logged-in"
    ANYONE = "anyone"
    NOBODY = "nobody"


class ReportPage(Resource):
    """A report, which is created for each request."""

    isLeaf = True

    def __init__(
        self, authentication: Authentication, readers: ReportReaders, report: Report
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._authentication = authentication
        self._readers = readers
        self._report = report

    def render_GET(self, request: Request) -> int:
        """Authenticate the request, then respond."""
        # Pages of other origins or host names may not read it with their visitors' rights.
        return PendingRequest(self._authentication, request).authenticate(
            lambda peer: self._answer(request, peer),
            socket=True,
            required=self._readers is ReportReaders.LOGGED_IN,
            by_address=self._readers is ReportReaders.LOCAL,
        )

    render_HEAD = render_GET

    def _answer(self, request: Request, peer: Peer) -> None:
        if not self._may_read(request, peer):
            self._authentication.refusals.count("report not allowed", peer.host)
            raise RefusalError(403, "you may not see this page (--status)")
        send(request, *self._report(request, peer))

    def _may_read(self, request: Request, peer: Peer) -> bool:
        if self._readers is ReportReaders.LOCAL:
            return _is_local(request, peer)
        return self._readers is not ReportReaders.NOBODY


def _is_local(request: Request, peer: Peer) -> bool:
    """Return whether a request comes from this machine, without a proxy.

    For a trusted proxy, the peer's address is that of its client.
    """
    if peer.host:
        if not ip_address(peer.host).is_loopback:
            return False
    forwarded = ("forwarded", "x-forwarded-for", "x-forwarded-host", "via")
    return not any(request.requestHeaders.hasHeader(name) for name in forwarded)
