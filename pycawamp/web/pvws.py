"""The HTTP resources of PVWS: the gateway, its clients and its PVs."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from pycawamp.pv.interfaces import PVState
from pycawamp.sessions.session import Session
from pycawamp.web.answer_page import Answer, AnswerPage, HTTPRequester, Reply
from pycawamp.web.authentication import Authentication, Guarded
from pycawamp.web.clients import Clients
from pycawamp.web.jquery import jquery_resource
from pycawamp.web.problem import STATUSES
from pycawamp.web.query import text_of
from pycawamp.web.request_quotas import RequestQuotas
from pycawamp.web.site import DISPLAYS, Redirect, file_headers, static_resource
from pycawamp.wire.dialect import Encoding, Message
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.pvws import PVWS, PVGet
from pycawamp.wire.v2.codec import dumps, loads
from pycawamp.wire.v2.text import formatter_for

MAX_NAMES = 10_000
"""Maximum number of PVs in a list of all sockets."""
MAX_TEXT = 100
"""Maximum characters of a value in a list."""
PVS_PER_STEP = 200
"""PVs that are added before other clients are served."""
A_TOKEN = 100
"""PVs that count as one request."""


def pvws_pages(clients: Clients, authentication: Authentication, socket: IResource) -> IResource:
    """Return the resources of `/pvws`; `socket` is the one for WebSockets."""
    pages = Pages(clients)
    quotas = RequestQuotas(clients.sessions)
    answers: dict[bytes, Answer] = {
        b"info": pages.info,
        b"summary": pages.summary,
        b"socket": pages.socket,
        b"pool": pages.pool,
        b"pvget": pages.pvget,
    }
    tree = Resource()
    tree.putChild(b"pv", socket)
    for name, answer in answers.items():
        tree.putChild(name, AnswerPage(clients, authentication, quotas, answer))
    headers = file_headers(authentication)
    files = static_resource(DISPLAYS / "pvws", authentication, headers)
    for name in (b"js", b"img"):
        tree.putChild(name, files.children[name])
    jquery = Guarded(authentication, jquery_resource(headers))
    files.children[b"js"].putChild(b"jquery.js", jquery)
    tree.putChild(b"", Guarded(authentication, Redirect(b"../")))
    return tree


@frozen
class Pages:
    """Handles requests."""

    _clients: Clients
    _started: float = field(factory=time.time)

    def info(self, _request: Request, _requester: HTTPRequester) -> Reply:
        """Return the name, the version and the start time."""
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self._started))
        what = f"pycaserver {version('pycaserver')}, Python {platform.python_version()}"
        return Reply(dumps({"start_time": started, "jre": what}))

    def summary(self, _request: Request, requester: HTTPRequester) -> Deferred[Reply]:
        """Return all sockets, and the number of PVs of each."""
        return self._work(requester, self._summarize(), self._pvs)

    def socket(self, request: Request, requester: HTTPRequester) -> Deferred[Reply]:
        """Return all sockets, or one, and the PVs that the client may read."""
        path = [text_of(part) for part in request.postpath or () if part]
        return self._work(requester, self._list(requester, path[0] if path else None), self._pvs)

    def pool(self, _request: Request, requester: HTTPRequester) -> Deferred[Reply]:
        """Return the number of subscribers of each PV."""
        return self._work(requester, self._count(requester), len(self._clients.shared.hub))

    def pvget(self, request: Request, requester: HTTPRequester) -> Deferred[Reply]:
        """Return the value of a PV."""
        names = request.args.get(b"name", [])
        if len(names) != 1:
            raise BadMessageError("bad_request", 'expected "name" with a PV name')
        name = text_of(names[0]).encode()
        return requester.exchange(request, Encoding(PVGet()), [name]).addCallback(_value)

    @property
    def _sessions(self) -> list[Session]:
        return self._clients.sessions.of_dialect(PVWS.name)

    @property
    def _pvs(self) -> int:
        return sum(len(session.subscriptions) for session in self._sessions)

    def _work(self, requester: HTTPRequester, work: Iterator[Any], pvs: int) -> Deferred[Reply]:
        """Execute steps, some per reactor iteration; the last value they yield is the response."""
        requester.charge(pvs / A_TOKEN)
        last: list[Any] = [None]

        def steps() -> Iterator[None]:
            for last[0] in work:
                yield

        done = self._clients.shared.cooperator.cooperate(steps()).whenDone()
        return done.addCallback(lambda _: Reply(dumps(last[0])))

    def _summarize(self) -> Iterator[Any]:
        sockets = []
        for session in self._sessions:
            sizes = [0]
            pvs = session.subscriptions.pvs
            for number, (_, pv) in enumerate(pvs, 1):
                if pv.described is not None and pv.described.is_array:
                    sizes.append(pv.described.count)
                if number % PVS_PER_STEP == 0:
                    yield
            counts = {"pvs": len(pvs), "arrays": len(sizes) - 1, "max_size": max(sizes)}
            sockets.append(self._facts(session) | counts)
            yield
        yield {"sockets": sockets}

    def _list(self, requester: HTTPRequester, path: str | None) -> Iterator[Any]:
        sockets = []
        room = MAX_NAMES
        for session in self._sessions:
            if path not in (None, str(session.number)):
                continue
            pvs: list[dict[str, str]] = []
            for number, (name, pv) in enumerate(session.subscriptions.pvs[:room], 1):
                if requester.may_read(pv.name):
                    pvs.append({"name": name, "value": _text(pv)})
                if number % PVS_PER_STEP == 0:
                    yield
            room -= len(pvs)
            sockets.append(self._facts(session) | {"pvs": pvs})
            yield
        yield {"sockets": sockets}

    def _count(self, requester: HTTPRequester) -> Iterator[Any]:
        counts = []
        for number, pv in enumerate(self._clients.shared.hub.pvs, 1):
            if requester.may_read(pv.name):
                counts.append({"refs": len(pv.subscribers), "pv": pv.name})
            if number % PVS_PER_STEP == 0:
                yield
        yield counts

    def _facts(self, session: Session) -> dict[str, Any]:
        clock = self._clients.clock

        def stamp(when: float | None) -> int:
            """Return UNIX milliseconds; 0 for never."""
            return 0 if when is None else int(1000 * (time.time() + when - clock.seconds()))

        return {
            "id": str(session.number),
            "created": stamp(session.opened),
            "last_client_message": stamp(session.received),
            "last_message_sent": stamp(session.outbox.written),
            "queued": session.outbox.stale,
        }


def _value(replies: list[Message]) -> Reply:
    (reply,) = replies
    if reply.payload.startswith(b'{"type":"error"'):
        return Reply(reply.payload, HTTPStatus(STATUSES[loads(reply.payload)["code"]]))
    return Reply(reply.payload)


def _text(pv: PVState) -> str:
    """Return a PV's value formatted as text."""
    if pv.latest is None or pv.described is None:
        return ""
    show = formatter_for(pv.described)
    value = pv.latest.value
    if value is None:
        return ""
    if show is not None and not pv.described.is_array:
        return show(value)[:MAX_TEXT]
    return dumps(value[:10]).decode()[:MAX_TEXT]  # type: ignore[index]
