"""The dialect of epics2web, which WEDM and Puddysticks speak."""

from __future__ import annotations

import attrs

from pycawamp.wire.dialect import Dialect, Encoding, Renderer
from pycawamp.wire.epics2web.requests import parse
from pycawamp.wire.epics2web.updates import PVRenderer, info
from pycawamp.wire.requests import Request


@attrs.frozen
class Epics2Web(Dialect):
    """The dialect of docs/epics2web.md. It has no errors: mistakes are only logged."""

    name = "epics2web"
    search_timeout = 3.0

    def parse(self, payload: bytes) -> Request:
        """Return the request in a text message; raises BadMessageError."""
        return parse(payload)

    def renderer(self, name: str, encoding: Encoding) -> Renderer:
        """Return a renderer for the PV that clients call `name`."""
        return PVRenderer(name)

    def connection(self, name: str, connected: bool) -> bytes:
        """Return the message that tells that a PV was not found, or is not shown any more."""
        return info(name, None)

    def pong(self, request: Request) -> bytes:
        """Return the reply to a ping."""
        return b'{"type":"pong"}'


def encoding() -> Encoding:
    """Return the encoding of epics2web clients."""
    return Encoding(Epics2Web())
