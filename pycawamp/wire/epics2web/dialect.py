"""The dialect of epics2web, which WEDM and Puddysticks speak."""

from __future__ import annotations

import attrs

from pycawamp.pv.values import Metadata, Reading
from pycawamp.wire.dialect import Dialect, Encoding, Message, Renderer
from pycawamp.wire.epics2web.requests import parse
from pycawamp.wire.epics2web.updates import PVRenderer, formatter_for, info
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.names import checked_name
from pycawamp.wire.requests import Get, Request
from pycawamp.wire.v2.codec import dumps


@attrs.frozen
class Epics2Web(Dialect):
    """The dialect of docs/epics2web.md. It has no error messages: errors are only logged."""

    name = "epics2web"
    search_timeout = 3.0

    def parse(self, payload: bytes) -> Request:
        """Parse a request.

        Raises:
            BadMessageError: The text message is not a valid request.
        """
        return parse(payload)

    def renderer(self, name: str, encoding: Encoding) -> Renderer:
        """Return a renderer for a PV by the name that clients use."""
        return PVRenderer(name)

    def connection(self, name: str, connected: bool) -> bytes:
        """Return the message for a PV that was not found, or may no longer be read."""
        return info(name, None)

    def pong(self, request: Request) -> bytes:
        """Return the reply to a ping."""
        return b'{"type":"pong"}'


@attrs.frozen
class CAGet(Dialect):
    """Values by HTTP: a message is a number and a PV's name; its reply begins with the number."""

    name = "caget"
    search_timeout = 2.0

    labels: bool = True
    """Whether enums have labels instead of indices."""

    def parse(self, payload: bytes) -> Request:
        """Parse a request.

        Raises:
            BadMessageError: The PV's name is invalid.
        """
        number, _, name = payload.decode().partition(" ")
        try:
            return Get(checked_name(name), {}, id=int(number))
        except BadMessageError as mistake:
            raise attrs.evolve(mistake, id=int(number)) from None

    def renderer(self, name: str, encoding: Encoding) -> Renderer:
        """Return a renderer for a PV by the name that clients use."""
        return PVRenderer(name)

    def value(
        self, request: Request, metadata: Metadata, reading: Reading, encoding: Encoding
    ) -> Message:
        """Return the name and the value."""
        value = formatter_for(metadata, self.labels)(reading.value)
        name = dumps(request.pvname)
        return Message(b'%d {"name":%b,"value":%b}' % (int(request.id or 0), name, value))

    def error(self, mistake: BadMessageError) -> bytes:
        """Return the error in the form of epics2web."""
        kind = "TimeoutException" if mistake.code == "timeout" else "CAException"
        text = f"{mistake.pvname or 'Error'}: {mistake.message}"
        if mistake.code == "not_connected":
            text = f"Could not get channel {mistake.pvname}"
        return b"%d %b" % (int(mistake.id or 0), dumps({"error": f"{kind}: {text}"}))


def encoding() -> Encoding:
    """Return the encoding of epics2web clients."""
    return Encoding(Epics2Web())
