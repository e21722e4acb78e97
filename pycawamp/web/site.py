"""The resource tree: what is served under which path."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.web.http import CACHED
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from pycawamp.web.authentication import Authentication, Guarded
from pycawamp.web.modules import Bundle
from pycawamp.web.openapi import document
from pycawamp.wire.v2.codec import dumps

STATIC = Path(__file__).absolute().with_name("static")

ENTRIES = ("console/main.js", "pycaserver-html.js", "pycaserver.js")
"""The modules that pages load by a script element; each is served with all that it imports."""

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
    parts: Mapping[str, IResource], configuration: dict[str, Any], authentication: Authentication
) -> Resource:
    """The tree: `/` the console, `/static` its parts and the library, and the gateway's parts.

    `parts` are by their paths, such as `monitor` and `api/v1`.

    `/login` asks for a password and leads back to the console, where there are passwords.
    """
    headers = dict(_HEADERS)
    if authentication.takes_other_pages:
        # They import the library from here; whether they may open a WebSocket the door says.
        headers["access-control-allow-origin"] = "*"
    page = (STATIC / "index.html").read_bytes()
    root = Resource()
    root.putChild(b"", Guarded(authentication, Answer(page, MIME_TYPES[".html"])))
    for path, part in parts.items():
        _put(root, path.encode().split(b"/"), part)
    answer = Answer(dumps(configuration), "application/json", headers)
    root.putChild(b"config.json", Guarded(authentication, answer))
    description = Answer(dumps(document()), "application/json", headers)
    root.putChild(b"openapi.json", Guarded(authentication, description))
    root.putChild(b"static", static_resource(STATIC, authentication, headers, ENTRIES))
    if authentication.logins is not None and authentication.logins.takes_passwords:
        root.putChild(b"login", Guarded(authentication, Redirect(b"./"), required=True))
    return root


def _put(root: Resource, path: Sequence[bytes], part: IResource) -> None:
    """Put a part at a path, whose folders are made."""
    folder = root
    for name in path[:-1]:
        folder.putChild(name, folder.children.get(name) or Resource())
        folder = folder.children[name]
    folder.putChild(path[-1], part)


def static_resource(
    folder: Path,
    authentication: Authentication,
    headers: Mapping[str, str],
    entries: Sequence[str] = (),
) -> Resource:
    """The files of a folder and of those below it, read once: they are few and small.

    `entries` are paths of modules that are served joined with those that they import.
    """

    def tree(part: Path) -> Resource:
        resource = Resource()
        for path in sorted(part.iterdir()):
            if path.is_dir():
                resource.putChild(path.name.encode(), tree(path))
            elif path.suffix in MIME_TYPES:
                name = path.relative_to(folder).as_posix()
                is_entry = name in entries
                body = (
                    Bundle(folder, name, entries).text.encode() if is_entry else path.read_bytes()
                )
                answer = Answer(body, MIME_TYPES[path.suffix], headers)
                resource.putChild(path.name.encode(), Guarded(authentication, answer))
        return resource

    return tree(folder)


LEAST_COMPRESSED = 500
"""Bytes; less than this fits into one packet anyway."""


class Answer(Resource):
    """Fixed bytes, with an ETag, so that a browser that has them need not get them again.

    They are compressed once, for those who accept gzip.
    """

    def __init__(
        self, body: bytes, mime_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._headers = headers or _HEADERS
        self._body = body
        self._mime_type = mime_type
        self._tag = hashlib.sha256(body).hexdigest()[:16].encode()
        self._compressed = gzip.compress(body, mtime=0) if len(body) >= LEAST_COMPRESSED else None

    def render_GET(self, request: Request) -> bytes:
        """Answer, or say that nothing has changed."""
        for name, value in self._headers.items():
            request.setHeader(name, value)
        request.setHeader("content-type", self._mime_type)
        body, tag = self._body, self._tag
        if self._compressed is not None:
            request.setHeader("vary", "accept-encoding")
            if accepts_gzip(request.requestHeaders.getRawHeaders("accept-encoding", [])):
                # Another tag: they are other bytes.
                body, tag = self._compressed, tag + b"-gzip"
        if request.setETag(b'"%b"' % tag) is CACHED:
            return b""
        if body is self._compressed:
            request.setHeader("content-encoding", "gzip")
        return body

    def render_HEAD(self, request: Request) -> bytes:
        """The same without the body, which Twisted would warn of."""
        request.setHeader("content-length", str(len(self.render_GET(request))))
        return b""


def accepts_gzip(values: Iterable[str]) -> bool:
    """Whether the values of Accept-Encoding allow gzip (RFC 9110, section 12.5.3)."""
    weights: dict[str, str] = {}
    for part in ",".join(values).split(","):
        name, _, weight = (text.strip().lower() for text in part.partition(";"))
        weights[name] = weight.replace(" ", "")
    weight = weights.get("gzip", weights.get("*", "q=0"))
    return re.fullmatch(r"q=0(\.0*)?", weight) is None


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
