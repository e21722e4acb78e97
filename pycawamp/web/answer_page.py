"""Resources whose responses are created for each request."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeAlias

import attrs
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Request

from pycawamp.sessions.authorizer import decide_for
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.quota import Quota
from pycawamp.web.authentication import Authentication, PendingRequest, RefusalError
from pycawamp.web.clients import Clients
from pycawamp.web.exchange import Exchange
from pycawamp.web.problem import Problem
from pycawamp.web.request_quotas import RequestQuotas
from pycawamp.web.response import respond
from pycawamp.wire.dialect import Encoding, Message
from pycawamp.wire.errors import BadMessageError

JSON = "application/json"


@attrs.frozen
class Reply:
    """The response of a resource."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    mime_type: str = JSON


@attrs.frozen
class HTTPRequester:
    """The client that sends a request, and its quota."""

    clients: Clients
    client: Peer
    quota: Quota

    def may_read(self, channel_name: str) -> bool:
        """Return whether the client may read a PV."""
        try:
            return decide_for(self.clients.shared, self.client, channel_name).read
        except BadMessageError:
            return False

    def charge(self, tokens: float) -> None:
        """Count work as a number of requests.

        Raises:
            RefusalError: The client has sent too many requests.
        """
        if not self.quota.requests.take():
            raise RefusalError(429, "too many requests", (("Retry-After", "1"),))
        self.quota.requests.charge(tokens)

    def exchange(
        self, request: Request, encoding: Encoding, messages: list[bytes]
    ) -> Deferred[list[Message]]:
        """Send messages that have one reply each; fires with the replies."""
        exchange = Exchange(self.clients, self.client, self.quota, encoding)
        request.notifyFinish().addBoth(lambda _: exchange.abort())
        return exchange.request(messages)


Answer: TypeAlias = Callable[[Request, HTTPRequester], "Reply | Deferred[Reply]"]


class AnswerPage(Resource):
    """Handles GET and HEAD, for all paths below it.

    Pages of the origins that may open a WebSocket may read the response.
    """

    isLeaf = True
    _log = Logger()

    def __init__(
        self,
        clients: Clients,
        authentication: Authentication,
        quotas: RequestQuotas,
        answer: Answer,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._clients = clients
        self._authentication = authentication
        self._quotas = quotas
        self._answer = answer

    def render_GET(self, request: Request) -> int:
        """Authenticate the request, then respond."""
        _allow_origin(request, self._authentication.readers(request))
        pending = PendingRequest(self._authentication, request)
        return pending.authenticate(lambda client: self._enter(request, client), socket=True)

    render_HEAD = render_GET

    def _enter(self, request: Request, client: Peer) -> None:
        full = self._clients.full(client.host)
        if full is not None:
            self._authentication.refusals.count(full, client.host)
            raise RefusalError(503, full, (("Retry-After", "10"),))
        requester = HTTPRequester(self._clients, client, self._quotas.of(client))
        disconnected: list[Failure] = []
        request.notifyFinish().addErrback(disconnected.append)

        def answered(reply: Reply) -> None:
            if not disconnected:
                clients = self._clients
                respond(
                    request,
                    reply.body,
                    reply.mime_type,
                    clients.clock,
                    clients.stall_timeout,
                    status=reply.status,
                )

        def failed(failure: Failure) -> None:
            if disconnected:
                return
            error = failure.value
            if isinstance(error, BadMessageError):
                Problem.of(error).answer(request)
            elif isinstance(error, RefusalError):
                Problem(error.status, error.text, headers=error.headers).answer(request)
            else:
                self._log.failure("A request failed", failure)
                Problem(500, "the gateway failed; its log says why").answer(request)

        answering: Deferred[Any] = maybeDeferred(self._answer, request, requester)
        answering.addCallback(answered).addErrback(failed)


def _allow_origin(request: Request, readers: str | None) -> None:
    """Allow pages of other origins to read the response, with their user's login."""
    origin = request.getHeader("origin")
    if readers is None or origin is None:
        return
    request.setHeader("access-control-allow-origin", origin)
    request.setHeader("access-control-allow-credentials", "true")
    request.responseHeaders.addRawHeader("vary", "Origin")
