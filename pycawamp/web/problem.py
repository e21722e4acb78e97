"""Errors of HTTP requests, as JSON (RFC 9457)."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import attrs
from twisted.web.server import Request

from pycawamp.web.authentication import RefusalError
from pycawamp.web.response import send
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.v2.codec import dumps, loads

MIME_TYPE = "application/problem+json"

STATUSES = {
    "bad_json": 400,
    "bad_name": 400,
    "bad_request": 400,
    "bad_value": 422,
    "forbidden": 403,
    "internal": 500,
    "not_connected": 404,
    "overloaded": 503,
    "put_failed": 502,
    "rate_limited": 429,
    "refused": 502,
    "timeout": 504,
    "too_large": 413,
    "too_many_pvs": 429,
    "unauthenticated": 401,
    "unknown_action": 400,
}
"""The HTTP status for each error code of docs/protocol.md."""

RETRY_AFTER = "1"
"""Seconds after which a refused request may be repeated."""


@attrs.frozen
class Problem:
    """An error in an HTTP response."""

    status: int
    detail: str
    code: str | None = None
    """The code of the `error` message."""
    pvname: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, mistake: BadMessageError) -> Problem:
        """Return the problem for an error of the protocol."""
        return cls(STATUSES[mistake.code], mistake.message, mistake.code, mistake.pvname)

    @classmethod
    def in_message(cls, payload: bytes) -> Problem:
        """Return the problem for an `error` message."""
        error = loads(payload)
        return cls(STATUSES[error["code"]], error["message"], error["code"], error.get("pvname"))

    @property
    def body(self) -> bytes:
        """The JSON text."""
        content: dict[str, Any] = {
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        known = {"code": self.code, "pvname": self.pvname}
        return dumps(content | {key: value for key, value in known.items() if value is not None})

    def answer(self, request: Request) -> None:
        """Respond to a request with the problem."""
        headers = self.headers
        if self.status in {429, 503} and "Retry-After" not in dict(headers):
            headers = (*headers, ("Retry-After", RETRY_AFTER))
        _set_headers(request, headers)
        send(request, self.body, MIME_TYPE, HTTPStatus(self.status))


def refuse(request: Request, refusal: RefusalError) -> None:
    """Respond to a request with a refusal."""
    Problem(refusal.status, refusal.text, headers=refusal.headers).answer(request)


def _set_headers(request: Request, headers: Iterable[tuple[str, str]]) -> None:
    for name, value in headers:
        request.responseHeaders.addRawHeader(name, value)
