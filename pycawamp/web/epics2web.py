"""The HTTP resources of epics2web: values, and lost PVs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus

import attrs
from twisted.internet.defer import Deferred
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from pycawamp.web.answer_page import Answer, AnswerPage, HTTPRequester, Reply
from pycawamp.web.authentication import Authentication, Guarded, RefusalError
from pycawamp.web.clients import Clients
from pycawamp.web.jquery import jquery_resource
from pycawamp.web.query import text_of
from pycawamp.web.request_quotas import RequestQuotas
from pycawamp.web.site import DISPLAYS, Redirect, file_headers, static_resource
from pycawamp.wire.dialect import Encoding, Message
from pycawamp.wire.epics2web import CAGet
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.v2.codec import dumps

BOOKMARKED = (b"overview", b"console", b"test-camonitor", b"test-caget")
"""Pages of epics2web that are replaced by the console."""
PATIENCE = 30.0
"""Seconds for which a PV may be lost before it is reported."""
PVS_PER_STEP = 200
"""PVs that are checked before other clients are served."""
A_TOKEN = 100
"""PVs that count as one request."""
_CALLBACK = re.compile(r"[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*", re.ASCII)
MAX_CALLBACK = 128
"""Maximum characters of the name of a JSONP callback."""


def epics2web_pages(
    clients: Clients, authentication: Authentication, socket: IResource
) -> IResource:
    """Return the resources of `/epics2web`; `socket` is the one for WebSockets."""
    pages = Pages(clients, authentication)
    quotas = RequestQuotas(clients.sessions)
    answers: dict[bytes, Answer] = {b"caget": pages.caget, b"healthcheck": pages.healthcheck}
    tree = Resource()
    tree.putChild(b"monitor", socket)
    for name, answer in answers.items():
        tree.putChild(name, AnswerPage(clients, authentication, quotas, answer))
    tree.putChild(b"resources", _resources(authentication))
    for name in (b"", *BOOKMARKED):
        tree.putChild(name, Guarded(authentication, Redirect(b"../")))
    return tree


def _resources(authentication: Authentication) -> IResource:
    """Return the files that pages of WEDM load, by their names in epics2web."""
    headers = file_headers(authentication)
    files = static_resource(DISPLAYS / "epics2web", authentication, headers)
    for folder, name in ((b"js", b"epics2web"), (b"css", b"epics2web")):
        named = files.children[folder]
        named.putChild(b"%b.min.%b" % (name, folder), named.children[b"%b.%b" % (name, folder)])
    jquery = Guarded(authentication, jquery_resource(headers))
    files.children[b"js"].putChild(b"jquery-1.10.2.min.js", jquery)
    return files


@attrs.frozen
class Pages:
    """Handles requests."""

    _clients: Clients
    _authentication: Authentication

    def caget(self, request: Request, requester: HTTPRequester) -> Reply | Deferred[Reply]:
        """Return the values of PVs, in the order of the request, or the first error."""
        callback = self._callback(request)
        names = [text_of(raw) for raw in request.args.get(b"pv", [])]
        if not names:
            return _jsonp(b'{"data":[]}', callback)
        encoding = Encoding(CAGet(labels=b"n" not in request.args))
        messages = [f"{number} {name}".encode() for number, name in enumerate(names)]
        replied = requester.exchange(request, encoding, messages).addCallback(_in_order)
        return replied.addCallback(_jsonp, callback)

    def healthcheck(self, _request: Request, requester: HTTPRequester) -> Deferred[Reply]:
        """Return the PVs that were lost at least half a minute ago."""
        hub = self._clients.shared.hub
        requester.charge(len(hub) / A_TOKEN)
        lost: list[dict[str, str]] = []
        now = self._clients.clock.seconds()

        def steps() -> Iterator[None]:
            for number, pv in enumerate(hub.pvs, 1):
                is_lost = pv.connected is False and pv.refusal is None and now - pv.since > PATIENCE
                if is_lost and pv.subscribers and requester.may_read(pv.name):
                    minutes = f"{(now - pv.since) / 60:.1f}"
                    lost.append({"name": pv.name, "disconnected_minutes": minutes})
                if number % PVS_PER_STEP == 0:
                    yield

        done = self._clients.shared.cooperator.cooperate(steps()).whenDone()
        status = HTTPStatus.SERVICE_UNAVAILABLE
        return done.addCallback(lambda _: Reply(dumps(lost), status if lost else HTTPStatus.OK))

    def _callback(self, request: Request) -> str | None:
        """Return the function that a script calls; None: the response is JSON."""
        given = request.args.get(b"jsonp")
        if given is None:
            return None
        callback = text_of(given[0])
        if len(callback) > MAX_CALLBACK or not _CALLBACK.fullmatch(callback):
            raise BadMessageError("bad_request", 'expected "jsonp" with the name of a function')
        # Requests for scripts have no Origin, and the page can read what the script contains.
        is_own = request.getHeader("sec-fetch-site") == "same-origin"
        if not is_own and self._authentication.readers(request) != "*":
            raise RefusalError(403, "only pages of this gateway may load values as scripts")
        return callback


def _in_order(replies: list[Message]) -> bytes:
    numbered = [reply.payload.partition(b" ") for reply in replies]
    bodies = [body for _, _, body in sorted(numbered, key=lambda parts: int(parts[0]))]
    for each in bodies:
        if each.startswith(b'{"error":'):
            return each
    return b'{"data":[%b]}' % b",".join(bodies)


def _jsonp(body: bytes, callback: str | None) -> Reply:
    if callback is None:
        return Reply(body)
    return Reply(b"%b(%b);" % (callback.encode(), body), mime_type="text/javascript; charset=utf-8")
