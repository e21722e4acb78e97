"""Flow control of clients' sockets; clients that do not read are dropped."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pycawamp.fanout.framing import Framing
from pycawamp.fanout.outbox import IWriter, Outbox
from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.delay import DelayLine
from pycawamp.web.client_socket import direct_sender
from pycawamp.web.twisted_internals import discard_unsent, unsent

HIGH_WATER = 2**19
"""Unsent bytes in this process above which a client is slow.

More than a burst of a large page, so that a client that keeps up loses nothing.
"""
READ_SIZE = 2**14
"""Bytes that are read from a client at once.

Twisted would offer half a megabyte for the mark above, which makes a read cost three times as much.
The requests of many pages that open at once should wait in the kernel, not here.
"""
RECOUNT = 1.0
"""Seconds between counts of the unsent data of slow clients."""


@implementer(IPushProducer, IWriter)
class ClientTransport:
    """A client's socket: writes as much as it accepts, and pauses its outbox while it is full."""

    def __init__(
        self, transport: Any, slow_consumers: SlowConsumerMonitor, client: str, framing: Framing
    ) -> None:
        self.transport = transport
        self.framing = framing
        self.client = client
        """The client's address, for logs."""
        self._slow_consumers = slow_consumers
        self._outbox: Outbox | None = None
        self.pauses = 0
        """Number of pauses; distinguishes one from the next."""
        self.dropped: str | None = None
        """The reason why the client was dropped, if it was."""
        self.counted = 0
        """Unsent bytes that are counted by the memory budget."""
        # With TLS, the bytes wait in the TCP transport below.
        self._socket = getattr(transport, "transport", transport)
        self._socket.bufferSize = READ_SIZE
        self._send = direct_sender(transport)

    def start(self, outbox: Outbox) -> None:
        """Start flow control for an outbox."""
        self._outbox = outbox
        # twisted.web's channel registered itself; left there, it would stop *reading*
        # when the client is slow, and pongs would go unread.
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)

    def end(self) -> None:
        """Release the outbox: the connection is closed."""
        self._outbox = None
        if not self._socket.connected:
            # Otherwise it would be kept, but not counted, until the slow client is checked.
            discard_unsent(self._socket)
        self._slow_consumers.count(self, 0)

    def write(self, data: bytes) -> None:
        """Send frames as far as the socket accepts them now; the transport keeps the rest."""
        if self.dropped is not None:
            # It is connected until the next reactor iteration, but its last frame is incomplete.
            return
        if not self.backlog and self.transport.connected:
            left = self._send(data)
        else:
            self.transport.write(data)
            left = len(data)
        if left:
            self._count_unsent(left)

    def _count_unsent(self, added: int) -> None:
        """Count the unsent bytes, some of which were added: pause, or drop the client."""
        if not self._slow_consumers.has_room(added):
            self._slow_consumers.drop_for_memory(self, added)
            return
        self._slow_consumers.count(self, self.backlog)
        if self.backlog > HIGH_WATER and not self.is_paused:
            self._pause()

    def abort(self) -> None:
        """Close the connection now; a slow reader still gets the data in the kernel."""
        if self.backlog:
            self.transport.abortConnection()
        else:
            self._socket.loseConnection()

    def drop(self, reason: str) -> None:
        """Close the connection at once, and free what was not sent."""
        self.dropped = reason
        self.transport.abortConnection()
        # Twisted keeps it until the next iteration of the reactor; an update may be for many.
        discard_unsent(self._socket)
        self._slow_consumers.count(self, 0)

    def pauseProducing(self) -> None:
        """Do nothing: the transport is full before the client counts as slow."""

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
        """Whether there is unsent data, and the outbox is paused."""
        return self._outbox is not None and self._outbox.paused

    @property
    def backlog(self) -> int:
        """Unsent bytes in this process."""
        return unsent(self._socket)


class SlowConsumerMonitor:
    """Drops clients that read nothing for some time, although there is data for them."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, timeout: float, budget: MemoryBudget) -> None:
        self._clock = clock
        self._timeout = timeout
        self._budget = budget
        # Clients with unsent data. A dict, as an ordered set.
        self._counted: dict[ClientTransport, None] = {}
        self._recount: IDelayedCall | None = None
        self._watched: DelayLine[tuple[ClientTransport, int, int]] = DelayLine(
            clock, timeout, self._check
        )
        self.dropped = 0
        """Number of dropped clients."""

    def watch(self, client_transport: ClientTransport) -> None:
        """Check a slow client after the timeout."""
        self._watched.put((client_transport, client_transport.pauses, client_transport.backlog))

    def close(self) -> None:
        """Stop watching."""
        self._watched.clear()
        if self._recount is not None:
            self._recount.cancel()
            self._recount = None

    def has_room(self, size: int) -> bool:
        """Return whether a client may have this number of additional unsent bytes."""
        return size <= HIGH_WATER or self._budget.has_room(size)

    def count(self, client_transport: ClientTransport, backlog: int) -> None:
        """Count the unsent bytes of a client, unless they are too few to matter."""
        if backlog <= READ_SIZE:
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
        """Count the unsent bytes again; if they are too many, drop those with most."""
        self._recount = None
        for each in list(self._counted):
            self.count(each, each.backlog)
        for each in sorted(self._counted, key=lambda each: -each.counted):
            if self._budget.has_room(0):
                return
            self.drop_for_memory(each, each.counted)

    def drop_for_memory(self, client_transport: ClientTransport, size: int) -> None:
        """Drop a client for its unsent bytes, and log it."""
        self._log.warn(
            "Dropped {client}: {size} bytes were unsent, and memory is full ({budget})",
            client=client_transport.client,
            size=size,
            budget=self._budget,
        )
        self._drop(client_transport, "memory was full, and it had too much unsent data")

    def _drop(self, client_transport: ClientTransport, reason: str) -> None:
        self.dropped += 1
        client_transport.drop(reason)

    def _check(self, watched: tuple[ClientTransport, int, int]) -> None:
        client_transport, pauses, backlog = watched
        if not client_transport.is_paused or client_transport.pauses != pauses:
            return
        if 0 < client_transport.backlog >= backlog:
            self._drop(client_transport, f"it read nothing for {self._timeout:g} s")
        else:
            self.watch(client_transport)
