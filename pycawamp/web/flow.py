"""Back-pressure: what a client's socket can take, and what becomes of one that takes nothing."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pycawamp.fanout.outbox import Outbox
from pycawamp.pv.delay import DelayLine

HIGH_WATER = 2**20
"""Bytes that wait in this process for one client before it counts as slow.

More than a burst of a large page, so that a client which keeps up loses nothing.
"""


@implementer(IPushProducer)
class Flow:
    """One client's socket: pauses its outbox when full, resumes it when empty."""

    def __init__(self, transport: Any, outbox: Outbox, stalls: Stalls) -> None:
        self.transport = transport
        self._outbox = outbox
        self._stalls = stalls
        self.pauses = 0
        """How often the client was slow: tells one pause from the next."""
        # Under TLS the bytes wait in the TCP transport below.
        self._socket = getattr(transport, "transport", transport)
        self._socket.bufferSize = HIGH_WATER

    def start(self) -> None:
        """Watch the transport from now on."""
        # twisted.web's channel registered itself; left there, it would stop *reading*
        # when the client is slow, and pongs would go unread.
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)

    def pauseProducing(self) -> None:
        """Take note that the socket is full."""
        self.pauses += 1
        self._outbox.pause()
        self._stalls.watch(self)

    def resumeProducing(self) -> None:
        """Take note that all was sent."""
        self._outbox.resume()

    def stopProducing(self) -> None:
        """Take note that the connection is gone."""

    @property
    def is_paused(self) -> bool:
        """Whether the client has not taken all yet."""
        return self._outbox.paused

    @property
    def backlog(self) -> int:
        """Bytes that wait in this process."""
        socket = self._socket
        return int(len(socket.dataBuffer) - socket.offset + socket._tempDataLen)


class Stalls:
    """Drops clients that took nothing for a while, though something waited for them."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, timeout: float) -> None:
        self._timeout = timeout
        self._watched: DelayLine[tuple[Flow, int, int]] = DelayLine(clock, timeout, self._check)
        self.dropped = 0
        """Clients dropped so far."""

    def watch(self, flow: Flow) -> None:
        """Look at a slow client again after the timeout."""
        self._watched.put((flow, flow.pauses, flow.backlog))

    def _check(self, watched: tuple[Flow, int, int]) -> None:
        flow, pauses, backlog = watched
        if not flow.is_paused or flow.pauses != pauses:
            return
        if 0 < flow.backlog >= backlog:
            self.dropped += 1
            peer = flow.transport.getPeer()
            self._log.info(
                "Dropped {peer}: it took nothing for {timeout:g} s",
                peer=peer,
                timeout=self._timeout,
            )
            flow.transport.abortConnection()
        else:
            self.watch(flow)
