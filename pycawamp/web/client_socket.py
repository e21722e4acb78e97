"""Sending to a client's socket without the copies and delays of Twisted's transports."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from OpenSSL import SSL
from twisted.internet.tcp import Connection
from twisted.protocols.tls import BufferingTLSTransport

from pycawamp.web.twisted_internals import can_encrypt, flush_writes, unsent

RECORD = 2**14
"""Maximum bytes of data in a TLS record."""
RECORD_OVERHEAD = 2**9
"""More bytes than TLS adds to a record."""


def direct_sender(transport: Any) -> Callable[[bytes], int]:
    """Return a function that sends data, and returns how many bytes the kernel did not accept.

    These wait in the transport. The function may be called while the transport is connected and
    nothing waits there.
    """
    if isinstance(transport, BufferingTLSTransport) and _is_tcp(transport.transport):
        return _TLSSender(transport).send
    if _is_tcp(transport):
        return _TCPSender(transport).send
    return _TransportSender(transport).send


def _is_tcp(transport: Any) -> bool:
    return isinstance(transport, Connection) and not transport.TLS


class _TCPSender:
    """Sends from the bytes that all clients share: the transport would copy them for each."""

    def __init__(self, transport: Any) -> None:
        self._send = transport.socket.send
        self._transport = transport

    def send(self, data: bytes) -> int:
        try:
            sent: int = self._send(data)
        except OSError:
            sent = 0  # Full, or gone: the transport finds out which.
        unsent = len(data) - sent
        if unsent:
            self._transport.write(data[sent:] if sent else data)
        return unsent


class _TLSSender:
    """Encrypts all data at once, and sends it from there.

    The transport would do so in pieces of 16 KiB, in the next reactor iteration.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._tcp = transport.transport
        self._send_encrypted = _TCPSender(self._tcp).send
        self._tls: SSL.Connection = transport.getHandle()

    def send(self, data: bytes) -> int:
        transport = self._transport
        flush_writes(transport)
        if unsent(self._tcp) or not can_encrypt(transport):
            transport.write(data)
            return len(data)
        encrypt = self._tls.send
        view, done, size = memoryview(data), 0, len(data)
        try:
            while done < size:
                done += encrypt(view[done:])
        except SSL.Error:
            # The transport finds out whether it has to read first, or the connection is broken.
            left = self._flush(done)
            transport.write(data[done:])
            return left + size - done
        return self._flush(size)

    def _flush(self, size: int) -> int:
        """Send what was encrypted: `size` bytes, and perhaps a message of TLS itself."""
        max_size = size + (size // RECORD + 1) * RECORD_OVERHEAD
        encrypted = _read_encrypted(self._tls, max_size)
        return self._send_encrypted(encrypted) if encrypted else 0


def _read_encrypted(tls: SSL.Connection, max_size: int) -> bytes:
    """Return all data that waits to be sent, which should not be more than `max_size` bytes."""
    parts = []
    with suppress(SSL.WantReadError):
        while True:
            parts.append(tls.bio_read(max_size))
            if len(parts[-1]) < max_size:
                break
    return parts[0] if len(parts) == 1 else b"".join(parts)


class _TransportSender:
    """Leaves everything to a transport of another kind."""

    def __init__(self, transport: Any) -> None:
        self._write = transport.write

    def send(self, data: bytes) -> int:
        self._write(data)
        return len(data)
