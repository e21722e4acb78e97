"""A dialect in a few lines: JSON arrays such as ["show", "X"], answered by ["X", 1.5]."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pycawamp.pv.values import Metadata, Reading
from pycawamp.wire.dialect import Dialect, Encoding, Renderer
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.requests import Connect, Echo, Ping, Put, Request


class ArrayRenderer(Renderer):
    """One PV, as arrays."""

    def connection(self, connected: bool, metadata: Metadata | None) -> Sequence[bytes]:
        """Return a message that the PV was lost."""
        return () if connected else (json.dumps([self.name, None]).encode(),)

    def update(self, reading: Reading) -> bytes:
        """Return a message with the value."""
        return json.dumps([self.name, reading.value]).encode()


class Arrays(Dialect):
    """The dialect."""

    name = "arrays"

    def parse(self, payload: bytes) -> Request:
        """Return the request in an array."""
        match json.loads(payload):
            case ["show", str(name)]:
                return Connect((name,))
            case ["set", str(name), value]:
                return Put(name, value, wait=True, timeout=5.0)
            case ["ping"]:
                return Ping()
            case ["say", *_]:
                return Echo(payload)
        raise BadMessageError("bad_request", 'expected ["show", NAME] or ["set", NAME, VALUE]')

    def renderer(self, name: str, encoding: Encoding) -> Renderer:
        """Return a renderer of arrays."""
        return ArrayRenderer(name)

    def error(self, mistake: BadMessageError) -> bytes:
        """Return a message with the error."""
        return json.dumps(["error", mistake.message]).encode()
