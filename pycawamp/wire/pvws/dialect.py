"""The dialect of PVWS, which DBWR, cs-web-lib and other display programs speak."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Any

import attrs

from pycawamp.pv.values import Metadata, Reading
from pycawamp.wire.dialect import Dialect, Encoding, Message, Renderer
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.names import checked_name
from pycawamp.wire.pvws.puts import converted
from pycawamp.wire.pvws.requests import parse
from pycawamp.wire.pvws.updates import Now, PVRenderer, lost
from pycawamp.wire.requests import Get, Put, Request
from pycawamp.wire.v2.codec import dumps


@attrs.frozen
class PVWS(Dialect):
    """The dialect of docs/pvws.md."""

    name = "pvws"
    is_incremental = True
    answers_repeats = False
    search_timeout = 1.0
    pings_back = True
    puts_need_subscription = True

    now: Now = time.time

    def parse(self, payload: bytes) -> Request:
        """Parse a request.

        Raises:
            BadMessageError: The text message is not a valid request.
        """
        return parse(payload)

    def renderer(self, name: str, encoding: Encoding) -> Renderer:
        """Return a renderer for a PV by the name that clients use."""
        return PVRenderer(name, encoding.writable, self.now)

    def error(self, mistake: BadMessageError) -> bytes | None:
        """Return an `error` message if it is about a PV; other errors are only logged."""
        if mistake.pvname is None:
            return None
        return dumps({"type": "error", "message": _error_text(mistake)})

    def connection(self, name: str, connected: bool) -> bytes:
        """Return the update for a PV that may no longer be read."""
        return lost(b'{"type":"update","pv":%b,' % dumps(name), self.now())

    def not_found(self, name: str) -> bytes:
        """Return the update without a value for a PV that was not found in time."""
        return dumps({"type": "update", "pv": name, "readonly": True})

    def value_to_put(self, value: Any, metadata: Metadata) -> Any:
        """Return the value to write to a PV: text is converted for numeric PVs."""
        return converted(value, metadata)

    def listed(self, request: Request, names: Iterable[str]) -> bytes:
        """Return the reply to a `list`."""
        return dumps({"type": "list", "pvs": list(names)})


@attrs.frozen
class PVGet(Dialect):
    """A value by HTTP: a message is a PV's name."""

    name = "pvget"

    now: Now = time.time

    def parse(self, payload: bytes) -> Request:
        """Parse a request.

        Raises:
            BadMessageError: The PV's name is invalid.
        """
        return Get(checked_name(payload.decode()), {})

    def renderer(self, name: str, encoding: Encoding) -> PVRenderer:
        """Return a renderer for a PV by the name that clients use."""
        return PVRenderer(name, False, self.now)

    def value(
        self, request: Request, metadata: Metadata, reading: Reading, encoding: Encoding
    ) -> Message:
        """Return a complete update without `readonly`."""
        renderer = self.renderer(request.pvname or "", encoding)
        renderer.describe(metadata)
        return Message(renderer.snapshot(reading))

    def error(self, mistake: BadMessageError) -> bytes:
        """Return an `error` message."""
        return dumps({"type": "error", "message": _error_text(mistake), "code": mistake.code})


def encoding(throttle: float = 1.0, array_throttle: float = 10.0, now: Now = time.time) -> Encoding:
    """Return the encoding of PVWS clients.

    Args:
        throttle: Minimum seconds between two updates of a PV; 0: every update is sent.
        array_throttle: The same for arrays.
        now: Returns UNIX seconds.
    """
    return Encoding(
        PVWS(now), metadata=True, max_rate=_rate(throttle), max_array_rate=_rate(array_throttle)
    )


def _rate(seconds: float) -> float:
    return 1 / seconds if seconds else math.inf


def _error_text(mistake: BadMessageError) -> str:
    if mistake.action != Put.action:
        return f"{mistake.pvname or 'Error'}: {mistake.message}"
    kind = "unknown PV " if mistake.code == "not_connected" else ""
    return f"Cannot write {kind}{mistake.pvname}: {mistake.message}"
