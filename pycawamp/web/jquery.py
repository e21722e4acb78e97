"""jQuery, which displays for other gateways load from them: from the package XStatic-jQuery."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from twisted.web.resource import Resource
from twisted.web.server import Request

from pycawamp.web.site import MIME_TYPES, Answer, StaticBody

PACKAGE = "XStatic-jQuery"
NAMES = ("jquery.min.js", "jquery.js")


def jquery_resource(headers: Mapping[str, str]) -> Resource:
    """Return the installed jQuery, in any version; without one, a page that says what to do."""
    path = _find()
    if path is None:
        return NoJQuery()  # type: ignore[no-untyped-call]
    return Answer(StaticBody(path.read_bytes()), MIME_TYPES[".js"], headers)


class NoJQuery(Resource):
    """A response that says where to get jQuery."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """Respond that jQuery is not installed."""
        request.setResponseCode(404)
        request.setHeader("content-type", "text/plain; charset=utf-8")
        return (
            b"There is no jQuery, which displays load from here. Install it beside pycaserver "
            b"(pip install XStatic-jQuery; for WEDM, XStatic-jQuery==1.10.2.1), "
            b"or have the proxy before the gateway serve it at this path.\n"
        )


def _find() -> Path | None:
    """Return the file of the installed package."""
    try:
        found = {path.name: path for path in files(PACKAGE) or ()}
    except PackageNotFoundError:
        return None
    return next((Path(str(found[name].locate())) for name in NAMES if name in found), None)
