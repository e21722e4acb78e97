"""A connection that reconnects."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from pycawamp.client.backoff import Backoff
from pycawamp.client.socket import Socket, SocketUser, describe

Dial = Callable[[SocketUser], "Deferred[Socket]"]


SOON = 0.3
"""The fraction of the first delay if a gateway has closed the connection because it stops."""


class State(Enum):
    """The state of a client's connection."""

    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting"
    """Waiting for the next attempt to connect."""
    CLOSED = "closed"
    """Closed by `close`."""


class ConnectionUser(Protocol):
    """The callbacks of a connection."""

    def opened(self) -> None:
        """Called when messages can be sent."""

    def received(self, payload: bytes, is_binary: bool) -> None:
        """Called with each message."""

    def lost(self) -> None:
        """Called when the connection is lost, or an attempt to connect has failed."""


class Connection:
    """Connects and reconnects until it is closed.

    Twisted's ClientService cannot be made to connect immediately while it waits.
    """

    def __init__(
        self, clock: IReactorTime, dial: Dial, backoff: Backoff, user: ConnectionUser
    ) -> None:
        self.state = State.WAITING
        self.problem = ""
        """Why it is not open, or was last lost."""
        self.was_open = False
        """Whether the last handshake was completed."""
        self._clock = clock
        self._dial = dial
        self._backoff = backoff
        self._user = user
        self._failures = 0
        self._retry: IDelayedCall | None = None
        self._dialling: Deferred[Socket] | None = None
        self._socket: Socket | None = None
        self._closing: list[Deferred[None]] = []

    def start(self) -> None:
        """Connect now, if it is not connected."""
        if self.state is not State.WAITING:
            return
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        self.state, self.was_open = State.CONNECTING, False
        self._dialling = attempt = self._dial(self)
        attempt.addCallbacks(self._reached, self._unreached)

    def send(self, payload: bytes) -> None:
        """Send a message, if the socket is open."""
        if self._socket is not None and self._socket.can_send:
            # Requests are short.
            self._socket.sendMessage(payload, doNotCompress=True)

    def is_well(self) -> None:
        """Reset the delay between attempts, after a valid message."""
        self._failures = 0

    def close(self) -> Deferred[None]:
        """Close the connection; fires when the socket is closed."""
        state, self.state = self.state, State.CLOSED
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        if state is State.WAITING or (state is State.CLOSED and not self._is_busy):
            return succeed(None)
        gone: Deferred[None] = Deferred()
        self._closing.append(gone)
        if self._socket is not None:
            self._socket.end()
        elif self._dialling is not None:
            self._dialling.cancel()
        return gone

    @property
    def _is_busy(self) -> bool:
        return self._socket is not None or self._dialling is not None

    def _reached(self, socket: Socket) -> None:
        self._dialling = None
        self._socket = socket
        if self.state is State.CLOSED:
            socket.end()

    def _unreached(self, failure: Failure) -> None:
        self.socket_closed(describe(failure))

    # Called by the socket

    def socket_opened(self) -> None:
        """Called when messages can be sent."""
        if self.state is State.CONNECTING:
            self.state, self.was_open = State.OPEN, True
            self._user.opened()

    def socket_received(self, payload: bytes, is_binary: bool) -> None:
        """Called with each message."""
        if self.state is State.OPEN:
            self._user.received(payload, is_binary)

    def socket_closed(self, problem: str, goes_away: bool = False) -> None:
        """Called when the socket is closed: schedule the next attempt."""
        self._socket = self._dialling = None
        self.problem = problem
        if self.state is State.CLOSED:
            closing, self._closing = self._closing, []
            for gone in closing:
                gone.callback(None)
            return
        self._failures += 1
        self.state = State.WAITING
        delay = self._backoff.delay(self._failures)
        if goes_away and self._failures == 1:
            delay *= SOON
        self._retry = self._clock.callLater(delay, self.start)
        self._user.lost()
