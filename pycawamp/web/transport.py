"""Back-pressure: what a client's socket can take, and what becomes of one that takes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from zope.interface import implementer

from pycawamp.fanout.outbox import IWriter, Outbox
from pycawamp.pv.delay import DelayLine
from pycawamp.web.frames import WEBSOCKET

HIGH_WATER = 2**19
"""Bytes that wait in this process for one client before it counts as slow.

More than a burst of a large page, so that a client which keeps up loses nothing.
"""
READ_AT_ONCE = 2**14
"""Bytes of what a client sends.

Half a megabyte, which the transport would have to offer if its own mark were the one above, makes
a read cost three times as much; and what pages ask for that open all at once is to wait in the
kernel, not here.
"""


@implementer(IPushProducer, IWriter)
class ClientTransport:
    """One client's socket: writes what it can take, pauses its outbox while it is full."""

    def __init__(self, transport: Any, slow_consumers: SlowConsumerMonitor, client: str) -> None:
        self.transport = transport
        self.framing = WEBSOCKET
        self.client = client
        """For people: the client's address."""
        self._slow_consumers = slow_consumers
        self._outbox: Outbox | None = None
        self.pauses = 0
        """How often the client was slow: tells one pause from the next."""
        # Under TLS the bytes wait in the TCP transport below.
        self._socket = getattr(transport, "transport", transport)
        self._socket.bufferSize = READ_AT_ONCE
        self._send: Callable[[bytes], int] = _send_nothing
        if isinstance(transport, Connection) and not transport.TLS:
            self._send = transport.socket.send

    def start(self, outbox: Outbox) -> None:
        """Watch the transport for an outbox from now on."""
        self._outbox = outbox
        # twisted.web's channel registered itself; left there, it would stop *reading*
        # when the client is slow, and pongs would go unread.
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)

    def end(self) -> None:
        """Let the outbox go: the connection is gone."""
        self._outbox = None

    def write(self, data: bytes) -> None:
        """Send whole frames, or as much as the socket takes now; the transport keeps the rest."""
        sent = 0
        if not self.backlog and self.transport.connected:
            # Straight from the bytes that all clients share into the kernel: the way
            # through the transport copies them for each client, and asks the reactor
            # to watch the socket and then not to.
            try:
                sent = self._send(data)
            except OSError:
                sent = 0  # Full, or gone: the transport finds out which.
        if sent < len(data):
            self.transport.write(data[sent:] if sent else data)
            if self.backlog > HIGH_WATER and not self.is_paused:
                self._pause()

    def cut(self) -> None:
        """Close the connection now; what the kernel has taken still reaches a late reader."""
        if self.backlog:
            self.transport.abortConnection()
        else:
            self._socket.loseConnection()

    def pauseProducing(self) -> None:
        """Wait for more: the transport is full sooner than a client is slow."""

    def resumeProducing(self) -> None:
        """Take note that all was sent."""
        if self._outbox is not None and self._outbox.paused:
            self._outbox.resume()

    def stopProducing(self) -> None:
        """Take note that the connection is gone."""

    def _pause(self) -> None:
        self.pauses += 1
        if self._outbox is not None:
            self._outbox.pause()
        self._slow_consumers.watch(self)

    @property
    def is_paused(self) -> bool:
        """Whether the client has not taken all yet."""
        return self._outbox is not None and self._outbox.paused

    @property
    def backlog(self) -> int:
        """Bytes that wait in this process."""
        socket = self._socket
        return int(len(socket.dataBuffer) - socket.offset + socket._tempDataLen)


def _send_nothing(_data: bytes) -> int:
    """Take nothing: what is encrypted goes through the transport."""
    return 0


class SlowConsumerMonitor:
    """Drops clients that took nothing for a while, though something waited for them."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, timeout: float) -> None:
        self._timeout = timeout
        self._watched: DelayLine[tuple[ClientTransport, int, int]] = DelayLine(
            clock, timeout, self._check
        )
        self.dropped = 0
        """Clients dropped so far."""

    def watch(self, client_transport: ClientTransport) -> None:
        """Look at a slow client again after the timeout."""
        self._watched.put((client_transport, client_transport.pauses, client_transport.backlog))

    def close(self) -> None:
        """Watch nobody any more."""
        self._watched.clear()

    def _check(self, watched: tuple[ClientTransport, int, int]) -> None:
        client_transport, pauses, backlog = watched
        if not client_transport.is_paused or client_transport.pauses != pauses:
            return
        if 0 < client_transport.backlog >= backlog:
            self.dropped += 1
            self._log.info(
                "Dropped {client}: it took nothing for {timeout:g} s",
                client=client_transport.client,
                timeout=self._timeout,
            )
            client_transport.transport.abortConnection()
        else:
            self.watch(client_transport)
