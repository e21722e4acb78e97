"""Uses of Twisted beyond its public API."""

from __future__ import annotations

from typing import Any

from twisted.internet.tcp import Connection
from twisted.protocols.tls import BufferingTLSTransport
from twisted.web.http import HTTPChannel

from pycawamp.web.internals import check_internals


def check_twisted() -> None:
    """Check that this version of Twisted has the required internals.

    Raises:
        InternalsError: Something is missing.
    """
    unsent_data = ("dataBuffer", "offset", "_tempDataBuffer", "_tempDataLen")
    check_internals("twisted", Connection, (*unsent_data, "bufferSize"))
    check_internals(
        "twisted",
        BufferingTLSTransport,
        ("_aggregator", "_appSendBuffer", "_handshakeDone", "_lostTLSConnection"),
    )
    names = (
        "_command",
        "_handlingRequest",
        "_waitingForTransport",
        "_networkProducer",
        "_dataBuffer",
    )
    check_internals("twisted", HTTPChannel, names)


def unsent(connection: Any) -> int:
    """Return the bytes of a TCP connection that the kernel has not accepted yet."""
    return int(len(connection.dataBuffer) - connection.offset + connection._tempDataLen)


def discard_unsent(connection: Any) -> None:
    """Free the unsent data of a TCP connection that was lost or aborted."""
    connection.dataBuffer, connection.offset = b"", 0
    connection._tempDataBuffer, connection._tempDataLen = [], 0


def flush_writes(transport: BufferingTLSTransport) -> None:
    """Encrypt now what was written to a TLS transport in this reactor iteration."""
    transport._aggregator.flush()


def can_encrypt(transport: BufferingTLSTransport) -> bool:
    """Return whether a TLS connection is open, and nothing waits to be encrypted."""
    is_open = transport._handshakeDone and not transport._lostTLSConnection
    return is_open and not (transport._appSendBuffer or transport.disconnecting)


def is_answering(channel: HTTPChannel) -> bool:
    """Return whether a request of the connection is being handled."""
    return bool(channel._handlingRequest)


def method_of(channel: HTTPChannel) -> bytes:
    """Return the method of the request whose header has been received."""
    return bytes(channel._command)


def is_blocked(channel: HTTPChannel) -> bool:
    """Return whether responses are waiting for the client to read."""
    return bool(channel._waitingForTransport)


def has_more_requests(channel: HTTPChannel) -> bool:
    """Return whether data has arrived while a request was being handled."""
    return bool(channel._dataBuffer)


def stop_reading(channel: HTTPChannel) -> None:
    """Stop reading until the responses have been read."""
    channel._networkProducer.pauseProducing()
