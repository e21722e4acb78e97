"""`/healthz` and `/readyz`, for supervisors and load balancers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from http import HTTPStatus
from typing import Any

import attrs
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from pycawamp.wire.v2.codec import dumps

TIMEOUT = 2.0
"""Seconds within which a backend must respond."""


@attrs.define(eq=False)
class Readiness:
    """Whether load balancers should send clients to this gateway."""

    started: bool = False
    draining: bool = False
    source: Callable[[], str | None] = lambda: None
    """Returns why no PVs are available; None if they are."""

    @property
    def problem(self) -> str | None:
        """Return why they should not; None if they should."""
        if self.draining:
            return "draining"
        return self.source() if self.started else "starting"


class Liveness:
    """Checks whether the backends work; simultaneous requests share a check."""

    def __init__(self, clock: IReactorTime, check: Callable[[], Deferred[None]]) -> None:
        self._clock = clock
        self._check = check
        self._is_checking = False
        self._waiting: list[Deferred[str | None]] = []

    def problem(self) -> Deferred[str | None]:
        """Return a Deferred of the problem, or of None."""
        answer: Deferred[str | None] = Deferred()
        self._waiting.append(answer)
        if not self._is_checking:
            self._is_checking = True
            checking = self._check()
            checking.addCallbacks(lambda _: None, lambda failure: failure.getErrorMessage())
            checking.addBoth(self._checked)
        return answer.addTimeout(TIMEOUT, self._clock, self._not_answered)

    def _checked(self, problem: str | None) -> None:
        self._is_checking = False
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            answer.callback(problem)

    def _not_answered(self, *_: object) -> str:
        self._waiting = [answer for answer in self._waiting if not answer.called]
        return f"Channel Access did not answer within {TIMEOUT:g} s"


class Health(Resource):
    """Returns 200 while the event loop and Channel Access work, and `readiness` has no problem.

    No login is required, because it returns nothing else.
    """

    isLeaf = True

    def __init__(self, liveness: Liveness, readiness: Readiness | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._liveness = liveness
        self._readiness = readiness

    def render_GET(self, request: Request) -> int:
        """Handle the request."""
        self._answer(request)
        return NOT_DONE_YET

    render_HEAD = render_GET

    @inlineCallbacks
    def _answer(self, request: Request) -> Generator[Deferred[Any], Any, None]:
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        problem = self._readiness.problem if self._readiness is not None else None
        if problem is None:
            problem = yield self._liveness.problem()
        if not gone:
            _respond(request, problem)


def _respond(request: Request, problem: str | None) -> None:
    status = HTTPStatus.OK if problem is None else HTTPStatus.SERVICE_UNAVAILABLE
    body = dumps({"status": "ok"} if problem is None else {"status": "unavailable", "why": problem})
    request.setResponseCode(status, status.phrase.encode())
    request.setHeader("content-type", "application/json")
    request.setHeader("content-length", str(len(body)))
    request.setHeader("cache-control", "no-store")
    request.write(b"" if request.method == b"HEAD" else body)
    request.finish()
