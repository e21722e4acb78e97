"""Back-pressure: what a client's socket can take, and what becomes of one that takes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from zope.interface import implementer

from pycawamp.fanout.framing import Framing
from pycawamp.fanout.outbox import IWriter, Outbox
from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.delay import DelayLine
from pycawamp.web.twisted_internals import unsent

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
RECOUNT = 1.0
"""Seconds until it is looked at what slow clients have taken meanwhile."""


@implementer(IPushProducer, IWriter)
class ClientTransport:
    """One client's socket: writes what it can take, pauses its outbox while it is full."""

    def __init__(
        self, transport: Any, slow_consumers: SlowConsumerMonitor, client: str, framing: Framing
    ) -> None:
        self.transport = transport
        self.framing = framing
        self.client = client
        """For people: the client's address."""
        self._slow_consumers = slow_consumers
        self._outbox: Outbox | None = None
        self.pauses = 0
        """How often the client was slow: tells one pause from the next."""
        self.dropped: str | None = None
        """Why the client was dropped, if it was."""
        self.counted = 0
        """Bytes of the memory budget that wait for it."""
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
        """Release the outbox: the connection is closed."""
        self._outbox = None
        self._slow_consumers.count(self, 0)

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
            if not self._slow_consumers.has_room(self, len(data) - sent):
                # Nothing may follow half a frame, until the connection is gone.
                self._send = _send_nothing
                self.transport.abortConnection()
                return
            self.transport.write(data[sent:] if sent else data)
            self._slow_consumers.count(self, self.backlog)
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
        """Handle that everything was sent."""
        self._slow_consumers.count(self, 0)
        if self._outbox is not None and self._outbox.paused:
            self._outbox.resume()

    def stopProducing(self) -> None:
        """Handle the end of the connection."""

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
        return unsent(self._socket)


def _send_nothing(_data: bytes) -> int:
    """Take nothing: what is encrypted goes through the transport."""
    return 0


class SlowConsumerMonitor:
    """Drops clients that took nothing for a while, though something waited for them."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, timeout: float, budget: MemoryBudget) -> None:
        self._clock = clock
        self._timeout = timeout
        self._budget = budget
        # Those for whom something waits. A dict, as an ordered set.
        self._counted: dict[ClientTransport, None] = {}
        self._recount: IDelayedCall | None = None
        self._watched: DelayLine[tuple[ClientTransport, int, int]] = DelayLine(
            clock, timeout, self._check
        )
        self.dropped = 0
        """Clients dropped so far."""

    def watch(self, client_transport: ClientTransport) -> None:
        """Look at a slow client again after the timeout."""
        self._watched.put((client_transport, client_transport.pauses, client_transport.backlog))

    def close(self) -> None:
        """Stop watching."""
        self._watched.clear()
        if self._recount is not None:
            self._recount.cancel()
            self._recount = None

    def has_room(self, client_transport: ClientTransport, size: int) -> bool:
        """Whether so many bytes more may wait for a client; logs it if not."""
        if size <= HIGH_WATER or self._budget.has_room(size):
            return True
        self._log_full(client_transport, size)
        return False

    def count(self, client_transport: ClientTransport, backlog: int) -> None:
        """Count what waits for a client; too little to be told when it has gone is not counted."""
        if backlog <= READ_AT_ONCE:
            backlog = 0
        self._budget.backlog += backlog - client_transport.counted
        client_transport.counted = backlog
        if not backlog:
            self._counted.pop(client_transport, None)
            return
        self._counted[client_transport] = None
        if self._recount is None:
            self._recount = self._clock.callLater(RECOUNT, self._count_anew)
        if not self._budget.has_room(0):
            self._recount.reset(0)

    def _count_anew(self) -> None:
        """Count what clients have taken; drop those for whom most waits, if it is too much."""
        self._recount = None
        for each in list(self._counted):
            self.count(each, each.backlog)
        for each in sorted(self._counted, key=lambda each: -each.counted):
            if self._budget.has_room(0):
                return
            self._log_full(each, each.counted)
            self.count(each, 0)
            each.transport.abortConnection()

    def _log_full(self, client_transport: ClientTransport, size: int) -> None:
        self.dropped += 1
        client_transport.dropped = "memory was full, and too much waited for it"
        self._log.warn(
            "Dropped {client}: {size} bytes waited for it, and memory is full ({budget})",
            client=client_transport.client,
            size=size,
            budget=self._budget,
        )

    def _check(self, watched: tuple[ClientTransport, int, int]) -> None:
        client_transport, pauses, backlog = watched
        if not client_transport.is_paused or client_transport.pauses != pauses:
            return
        if 0 < client_transport.backlog >= backlog:
            self.dropped += 1
            client_transport.dropped = f"it took nothing for {self._timeout:g} s"
            client_transport.transport.abortConnection()
        else:
            self.watch(client_transport)
