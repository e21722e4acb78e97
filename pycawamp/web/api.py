"""The HTTP API: requests of the protocol, and Server-Sent Events."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, TypeAlias

import attrs
from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from pycawamp.sessions.peer import Peer
from pycawamp.web.authentication import Authentication, PendingRequest, RefusalError
from pycawamp.web.clients import Clients
from pycawamp.web.exchange import Exchange
from pycawamp.web.problem import Problem, refuse
from pycawamp.web.query import NAME, Query, text_of
from pycawamp.web.request_quotas import RequestQuotas
from pycawamp.web.response import compressed, respond
from pycawamp.web.sse import EventStreams
from pycawamp.wire.dialect import Message
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.names import checked_name
from pycawamp.wire.v2.codec import dumps
from pycawamp.wire.v2.options import parse_options
from pycawamp.wire.v2.requests import load

JSON = "application/json"
BINARY = "application/octet-stream"
GET_OPTIONS = ("metadata", "text", "arrays")
PUT_OPTIONS = ("wait", "timeout")
STREAM_OPTIONS = (*GET_OPTIONS, "max_rate", "reason")
TEXT_ARRAYS = ("json", "base64")
"""Forms of arrays that can be part of a JSON message."""
REQUEST_HEADERS = "Authorization, Content-Type, Last-Event-ID"
"""Headers that pages of other origins may send."""
SNAPSHOT_AGE = 1
"""Seconds for which a cache may keep a snapshot."""
PREFLIGHT_AGE = 600
"""Seconds for which a browser may cache the response to a preflight request."""

Act: TypeAlias = "Callable[[Request, Peer, str], Any]"
"""Handles a request; the text is the PV name in its path, if any."""


class Api(Resource):
    """`/api/v1`: values as JSON, and streams of events.

    HTTP requests become requests of the protocol to a session, so the same rules apply as to
    WebSockets.
    """

    isLeaf = True
    _log = Logger()

    def __init__(
        self, clients: Clients, authentication: Authentication, streams: EventStreams
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._clients = clients
        self._authentication = authentication
        self._streams = streams
        self._quotas = RequestQuotas(clients.sessions)
        self._root: Mapping[str, Mapping[str, Act]] = {
            "pv": {"GET": self._read_many},
            "snapshot": {"GET": self._snapshot},
            "stream": {"GET": self._stream_many},
        }
        self._of_pv: Mapping[str, Mapping[str, Act]] = {
            "": {"GET": self._read, "PUT": self._write},
            "metadata": {"GET": self._describe},
            "stream": {"GET": self._stream},
        }

    def render(self, request: Request) -> int:
        """Handle the request, or refuse it."""
        origin = self._authentication.readers(request)
        if origin is not None:
            _allow_origin(request, origin)
        try:
            route = self._route(request)
        except BadMessageError as mistake:
            Problem.of(mistake).answer(request)
        else:
            self._follow(request, route)
        return NOT_DONE_YET

    def _route(self, request: Request) -> ApiRoute | None:
        match [text_of(segment) for segment in request.postpath or ()]:
            case [kind] if kind in self._root:
                return ApiRoute(self._root[kind])
            case ["pv", name]:
                return ApiRoute(self._of_pv[""], name)
            case ["pv", name, kind] if kind in self._of_pv and kind:
                return ApiRoute(self._of_pv[kind], name)
        return None

    def _follow(self, request: Request, route: ApiRoute | None) -> None:
        method = request.method.decode()
        if route is None:
            text = "not found; a / in a PV name is written as %2F"
            Problem(404, text).answer(request)
        elif method == "OPTIONS":
            _answer_preflight(request, route.methods)
        elif method not in route.methods:
            allow = (("Allow", ", ".join(route.methods)),)
            text = f"expected one of {', '.join(route.methods)}"
            Problem(405, text, headers=allow).answer(request)
        else:
            act = route.acts["GET" if method == "HEAD" else method]
            pending = PendingRequest(self._authentication, request, refuse)
            pending.authenticate(
                lambda client: self._enter(act, request, client, route), socket=True
            )

    def _enter(self, act: Act, request: Request, client: Peer, route: ApiRoute) -> None:
        full = self._clients.full(client.host)
        if full is not None:
            self._authentication.refusals.count(full, client.host)
            raise RefusalError(503, full, (("Retry-After", "10"),))
        try:
            act(request, client, route.name)
        except BadMessageError as mistake:
            Problem.of(mistake).answer(request)

    # Requests

    def _read(self, request: Request, client: Peer, name: str) -> None:
        options = Query.parse(request.args, GET_OPTIONS, named=False).options
        message = _message("get", name, options)
        self._exchange(request, client, [message], _only)

    def _snapshot(self, request: Request, client: Peer, name: str) -> None:
        self._read_many(request, client, name)
        # Only if that has not raised an error: errors must not be cached.
        is_public = client.user is None and not self._authentication.by_address
        scope = "public" if is_public else "private"
        request.setHeader("cache-control", f"{scope}, max-age={SNAPSHOT_AGE}")

    def _read_many(self, request: Request, client: Peer, _name: str) -> None:
        query = _named(request, GET_OPTIONS)
        messages = [
            _message("get", name, query.options, number) for number, name in enumerate(query.names)
        ]
        self._exchange(request, client, messages, _in_order)

    def _describe(self, request: Request, client: Peer, name: str) -> None:
        Query.parse(request.args, (), named=False)
        self._exchange(request, client, [_message("info", name, {})], _only)

    def _write(self, request: Request, client: Peer, name: str) -> None:
        options = Query.parse(request.args, PUT_OPTIONS, named=False).options
        value = _json_body(request)
        head = _message("put", name, options)
        self._exchange(request, client, [b'%b,"value":%b}' % (head[:-1], value)], _only)

    def _stream(self, request: Request, client: Peer, name: str) -> None:
        options = Query.parse(request.args, STREAM_OPTIONS, named=False).options
        self._open_stream(request, client, Query((name,), options))

    def _stream_many(self, request: Request, client: Peer, _name: str) -> None:
        self._open_stream(request, client, _named(request, STREAM_OPTIONS))

    # Responses

    def _open_stream(self, request: Request, client: Peer, query: Query) -> None:
        _check_text_arrays(query)
        parse_options(query.options)
        names = [checked_name(name) for name in query.names]
        message = dumps({"action": "connect", "pvs": names, **query.options})
        self._streams.open(request, client, self._quotas.of(client), message)

    def _exchange(
        self,
        request: Request,
        client: Peer,
        messages: Sequence[bytes],
        put_together: Callable[[list[Message]], Message],
    ) -> None:
        exchange = Exchange(self._clients, client, self._quotas.of(client))
        request.notifyFinish().addErrback(lambda _: exchange.abort())
        done = exchange.request(messages).addCallback(put_together)
        done.addCallback(self._respond, request, exchange)
        done.addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure("An API request failed", failure)

    @inlineCallbacks
    def _respond(
        self, message: Message, request: Request, exchange: Exchange
    ) -> Generator[Deferred[None], Any, None]:
        try:
            if _is_error(message):
                Problem.in_message(message.payload).answer(request)
            else:
                kind = BINARY if message.is_binary else JSON
                clients = self._clients
                body = message.payload
                if request.responseHeaders.hasHeader("cache-control"):
                    body = compressed(request, body)
                yield respond(request, body, kind, clients.clock, clients.stall_timeout)
        finally:
            exchange.release()


@attrs.frozen
class ApiRoute:
    """The resource at a path."""

    acts: Mapping[str, Act]
    """Functions by HTTP method."""
    name: str = ""
    """The PV name in the path."""

    @property
    def methods(self) -> list[str]:
        """The allowed methods."""
        others = [method for method in self.acts if method != "GET"]
        return ["GET", "HEAD", *others]


def _allow_origin(request: Request, origin: str) -> None:
    """Allow pages of another origin to read the response."""
    request.setHeader("access-control-allow-origin", origin)
    request.setHeader("access-control-expose-headers", "Retry-After, WWW-Authenticate")
    if origin != "*":
        request.setHeader("access-control-allow-credentials", "true")
        request.responseHeaders.addRawHeader("vary", "Origin")


def _answer_preflight(request: Request, methods: Sequence[str]) -> None:
    """Respond to a preflight request, which browsers send before a page's request."""
    request.setResponseCode(204)
    request.setHeader("allow", ", ".join([*methods, "OPTIONS"]))
    if request.responseHeaders.hasHeader("access-control-allow-origin"):
        request.setHeader("access-control-allow-methods", ", ".join(methods))
        request.setHeader("access-control-allow-headers", REQUEST_HEADERS)
        request.setHeader("access-control-max-age", str(PREFLIGHT_AGE))
    request.finish()


def _named(request: Request, options: Sequence[str]) -> Query:
    query = Query.parse(request.args, options, named=True)
    if not query.names:
        text = f'expected "{NAME}" with a PV name, once for each PV'
        raise BadMessageError("bad_request", text)
    _check_text_arrays(query)
    parse_options(query.options)
    return query


def _check_text_arrays(query: Query) -> None:
    if query.options.get("arrays", "json") not in TEXT_ARRAYS:
        text = f'expected "arrays" to be one of {", ".join(TEXT_ARRAYS)}'
        raise BadMessageError("bad_request", text)


def _message(
    action: str, name: str, options: Mapping[str, Any], number: int | None = None
) -> bytes:
    numbered = {} if number is None else {"id": number}
    return dumps({"action": action, "pv": name, **options, **numbered})


def _json_body(request: Request) -> bytes:
    """Return the JSON text in a request's body.

    Raises:
        BadMessageError: The body is not JSON.
    """
    kind = (request.getHeader("content-type") or JSON).partition(";")[0].strip().lower()
    if kind != JSON:
        raise RefusalError(415, f"expected a body of type {JSON}, got {kind[:64]!a}")
    assert request.content is not None
    body: bytes = request.content.read()
    # Any text that is one JSON value can be a part of a message.
    load(body)
    return body


def _only(replies: list[Message]) -> Message:
    return replies[0]


def _in_order(replies: list[Message]) -> Message:
    """Return the replies to numbered requests as one JSON array, without the numbers."""
    bodies: list[bytes] = [b""] * len(replies)
    for reply in replies:
        # The id is the last key of a reply (docs/protocol.md).
        start, _, number = reply.payload.rpartition(b',"id":')
        bodies[int(number[:-1])] = start + b"}"
    return Message(b"[%b]" % b",".join(bodies))


def _is_error(message: Message) -> bool:
    return message.payload.startswith(b'{"msg_type":"error",')
