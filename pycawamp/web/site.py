"""The resource tree: what is served under which path."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.web.http import CACHED
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from pycawamp.web.authentication import Authentication, Guarded
from pycawamp.wire.v2.codec import dumps

STATIC = Path(__file__).absolute().with_name("static")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""The Content-Security-Policy: nothing from elsewhere, and no script that a PV could bring."""

MIME_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
}


def root_resource(
    monitor: IResource, configuration: dict[str, Any], authentication: Authentication
) -> Resource:
    """The tree: `/` the console, `/monitor` WebSockets, `/static` its parts and the library.

    `/login` asks for a password and leads back to the console, where there are passwords.
    """
    headers = dict(_HEADERS)
    if authentication.takes_other_pages:
        # They import the library from here; whether they may open a WebSocket the door says.
        headers["access-control-allow-origin"] = "*"
    page = (STATIC / "index.html").read_bytes()
    root = Resource()
    root.putChild(b"", Guarded(authentication, Answer(page, MIME_TYPES[".html"])))
    root.putChild(b"monitor", monitor)
    answer = Answer(dumps(configuration), "application/json", headers)
    root.putChild(b"config.json", Guarded(authentication, answer))
    root.putChild(b"static", static_resource(STATIC, authentication, headers))
    if authentication.logins is not None and authentication.logins.takes_passwords:
        root.putChild(b"login", Guarded(authentication, Redirect(b"./"), required=True))
    return root


def static_resource(
    folder: Path, authentication: Authentication, headers: Mapping[str, str]
) -> Resource:
    """The files of a folder and of those below it, read once: they are few and small."""
    tree = Resource()
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            tree.putChild(path.name.encode(), static_resource(path, authentication, headers))
        elif path.suffix in MIME_TYPES:
            answer = Answer(path.read_bytes(), MIME_TYPES[path.suffix], headers)
            tree.putChild(path.name.encode(), Guarded(authentication, answer))
    return tree


class Answer(Resource):
    """Fixed bytes, with an ETag, so that a browser that has them need not get them again."""

    def __init__(
        self, body: bytes, mime_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._headers = headers or _HEADERS
        self._body = body
        self._mime_type = mime_type
        self._tag = b'"%b"' % hashlib.sha256(body).hexdigest()[:16].encode()

    def render_GET(self, request: Request) -> bytes:
        """Answer, or say that nothing has changed."""
        for name, value in self._headers.items():
            request.setHeader(name, value)
        request.setHeader("content-type", self._mime_type)
        return b"" if request.setETag(self._tag) is CACHED else self._body

    def render_HEAD(self, request: Request) -> bytes:
        """The same without the body, which Twisted would warn of."""
        request.setHeader("content-length", str(len(self.render_GET(request))))
        return b""


class Redirect(Resource):
    """Leads elsewhere."""

    isLeaf = True

    def __init__(self, where: bytes) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._where = where

    def render_GET(self, request: Request) -> bytes:
        """Say where."""
        request.setHeader("cache-control", "no-store")
        request.setResponseCode(303)
        request.setHeader("location", self._where)
        return b""


_HEADERS = {
    # Always asked about, so never stale: an upgraded gateway brings its own scripts.
    "cache-control": "no-cache",
    "content-security-policy": POLICY,
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
