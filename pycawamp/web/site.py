"""The resources of the gateway's Site."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from twisted.web.http import CACHED
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from pycawamp.sessions.peer import Peer
from pycawamp.web.authentication import Authentication, Guarded, PendingRequest
from pycawamp.web.login import Logins
from pycawamp.web.modules import Bundle
from pycawamp.web.openapi import document
from pycawamp.web.response import accepts_gzip
from pycawamp.wire.v2.codec import dumps

STATIC = Path(__file__).absolute().with_name("static")

DISPLAYS = Path(__file__).absolute().with_name("displays")
"""Files for displays of other gateways."""

ENTRIES = (
    "console/gateway.js",
    "console/main.js",
    "pycaserver-elements.js",
    "pycaserver-html.js",
    "pycaserver.js",
)
"""The modules that pages load by a script element; each is joined with its imports."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""The Content-Security-Policy: only the gateway's own content, and no inline scripts."""

MIME_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
}


def root_resource(
    parts: Mapping[str, IResource], configuration: dict[str, Any], authentication: Authentication
) -> Resource:
    """Return the root resource: the console, `static`, the parts and, with passwords, `login`
    and `logout`.

    Args:
        parts: Further resources by their paths, such as `monitor` and `api/v1`.
        configuration: Sent to the console: `version`; `demo`, a list of names and descriptions
            of PVs to offer; `writers`, who may write: `nobody`, `anyone`, `logged-in` or `rules`;
            `layouts` and `names`, whether there are resources with these paths.
        authentication: Applies to all pages.
    """
    headers = file_headers(authentication)
    page = (STATIC / "index.html").read_bytes()
    root = Resource()
    root.putChild(b"", Guarded(authentication, Answer(StaticBody(page), MIME_TYPES[".html"])))
    for path, part in parts.items():
        _put(root, path.encode().split(b"/"), part)
    root.putChild(b"config.json", Configuration(authentication, configuration, headers))
    description = Answer(StaticBody(dumps(document())), "application/json", headers)
    root.putChild(b"openapi.json", Guarded(authentication, description))
    root.putChild(b"static", static_resource(STATIC, authentication, headers, ENTRIES))
    logins = authentication.logins
    if logins is not None and logins.takes_passwords:
        back = Redirect(b"./", keeps_query=True)
        root.putChild(b"login", Guarded(authentication, back, required=True))
        root.putChild(b"logout", Logout(logins))
    return root


def file_headers(authentication: Authentication) -> dict[str, str]:
    """Return the headers of files that pages of other origins may load, if any may connect."""
    headers = dict(PAGE_HEADERS)
    if authentication.takes_other_pages:
        # They import the library from here. `Authentication` checks whether they may connect.
        headers["access-control-allow-origin"] = "*"
    return headers


def _put(root: Resource, path: Sequence[bytes], part: IResource) -> None:
    """Add a resource at a path, and create its parents."""
    folder = root
    for name in path[:-1]:
        folder.putChild(name, folder.children.get(name) or Resource())
        folder = folder.children[name]
    folder.putChild(path[-1], part)


def static_resource(
    folder: Path,
    authentication: Authentication,
    headers: Mapping[str, str],
    entries: tuple[str, ...] = (),
) -> Resource:
    """Return the resources of the files in a folder and its subfolders.

    `entries` are the paths of modules that are joined with their imports.
    """
    root = Resource()
    for name, content in _contents(folder, entries).items():
        path = Path(name)
        answer = Answer(content, MIME_TYPES[path.suffix], headers)
        _put(root, [part.encode() for part in path.parts], Guarded(authentication, answer))
    return root


LEAST_COMPRESSED = 500
"""Minimum bytes to compress; less fits into one packet anyway."""


class StaticBody:
    """Constant bytes with their ETag."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.tag = hashlib.sha256(body).hexdigest()[:16].encode()

    @cached_property
    def compressed(self) -> bytes:
        """The bytes in gzip's format, compressed on first use."""
        return gzip.compress(self.body, mtime=0)


@lru_cache
def _contents(folder: Path, entries: tuple[str, ...]) -> Mapping[str, StaticBody]:
    """Return the files below a folder by their paths; all gateways of a process share them."""
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix in MIME_TYPES]
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {
        name: StaticBody(
            Bundle(folder, name, entries).text.encode() if name in entries else path.read_bytes()
        )
        for name, path in names.items()
    }


class Answer(Resource):
    """A resource with constant content and an ETag, compressed for clients that accept gzip."""

    def __init__(
        self, content: StaticBody, mime_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._headers = headers or PAGE_HEADERS
        self._content = content
        self._mime_type = mime_type

    def render_GET(self, request: Request) -> bytes:
        """Return the content, or 304 if the client has it."""
        for name, value in self._headers.items():
            request.setHeader(name, value)
        request.setHeader("content-type", self._mime_type)
        body, tag, coding = self._content.body, self._content.tag, ""
        if len(body) >= LEAST_COMPRESSED:
            request.setHeader("vary", "accept-encoding")
            if accepts_gzip(request.requestHeaders.getRawHeaders("accept-encoding", [])):
                # Different bytes need a different tag.
                body, tag, coding = self._content.compressed, tag + b"-gzip", "gzip"
        if request.setETag(b'"%b"' % tag) is CACHED:
            return b""
        if coding:
            request.setHeader("content-encoding", coding)
        return body

    def render_HEAD(self, request: Request) -> bytes:
        """Respond without the body, which Twisted would log as an error."""
        request.setHeader("content-length", str(len(self.render_GET(request))))
        return b""


class Redirect(Resource):
    """A redirection."""

    isLeaf = True

    def __init__(self, where: bytes, *, keeps_query: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._where = where
        self._keeps_query = keeps_query

    def render_GET(self, request: Request) -> bytes:
        """Respond with the location."""
        request.setHeader("cache-control", "no-store")
        request.setResponseCode(303)
        _, mark, query = request.uri.partition(b"?")
        request.setHeader("location", self._where + (mark + query if self._keeps_query else b""))
        return b""


class Configuration(Resource):
    """The configuration of the console, including the user."""

    def __init__(
        self,
        authentication: Authentication,
        configuration: Mapping[str, Any],
        headers: Mapping[str, str],
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._authentication = authentication
        self._configuration = configuration
        self._headers = headers

    def render(self, request: Request) -> int:
        """Authenticate the request, then respond."""
        logins = self._authentication.logins
        takes_passwords = logins is not None and logins.takes_passwords

        def enter(peer: Peer) -> None:
            configuration = {**self._configuration, "user": peer.user, "login": takes_passwords}
            request.render(
                Answer(StaticBody(dumps(configuration)), "application/json", self._headers)
            )

        return PendingRequest(self._authentication, request).authenticate(enter, socket=False)


class Logout(Resource):
    """Refuses any password without checking it, which makes a browser forget it.

    HTTP authentication has no other way to log out. The browser asks for a password again, and
    shows the page when the user cancels the dialog.
    """

    isLeaf = True

    def __init__(self, logins: Logins) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._logins = logins
        self._page = (STATIC / "logged-out.html").read_bytes()

    def render_GET(self, request: Request) -> bytes:
        """Respond with 401 and the page."""
        request.setResponseCode(401)
        for challenge in self._logins.challenges:
            request.responseHeaders.addRawHeader("www-authenticate", challenge)
        for name, value in {**PAGE_HEADERS, "cache-control": "no-store"}.items():
            request.setHeader(name, value)
        request.setHeader("content-type", MIME_TYPES[".html"])
        return self._page


PAGE_HEADERS = {
    # Browsers always check for changes, so that scripts match the gateway after an upgrade.
    "cache-control": "no-cache",
    "content-security-policy": POLICY,
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
