"""Uses of Twisted beyond its public API."""

from __future__ import annotations

from typing import Any

from twisted.internet.tcp import Connection
from twisted.web.http import HTTPChannel

from pycawamp.web.internals import check_internals


def check_twisted() -> None:
    """Raise InternalsError if this Twisted lacks something of it."""
    check_internals("twisted", Connection, ("dataBuffer", "offset", "_tempDataLen", "bufferSize"))
    names = (
        "_command",
        "_handlingRequest",
        "_waitingForTransport",
        "_networkProducer",
        "_dataBuffer",
    )
    check_internals("twisted", HTTPChannel, names)


def unsent(connection: Any) -> int:
    """Return the bytes that wait in a TCP connection until the kernel takes them."""
    return int(len(connection.dataBuffer) - connection.offset + connection._tempDataLen)


def is_answering(channel: HTTPChannel) -> bool:
    """Return whether a request of the connection is being answered."""
    return bool(channel._handlingRequest)


def method_of(channel: HTTPChannel) -> bytes:
    """Return the method of the request whose header has come."""
    return bytes(channel._command)


def is_blocked(channel: HTTPChannel) -> bool:
    """Return whether the answers wait until the client takes them."""
    return bool(channel._waitingForTransport)


def has_more_requests(channel: HTTPChannel) -> bool:
    """Return whether something came while a request was being answered."""
    return bool(channel._dataBuffer)


def stop_reading(channel: HTTPChannel) -> None:
    """Read nothing until the answers are taken."""
    channel._networkProducer.pauseProducing()
