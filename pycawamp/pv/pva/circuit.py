"""A connection to a server, shared by all its channels."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Protocol, cast

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ClientFactory
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from pycawamp.pv.inbox import Inbox
from pycawamp.pv.pva import messages
from pycawamp.pv.pva.backlog import Backlog
from pycawamp.pv.pva.direct import DirectUpdates
from pycawamp.pv.pva.environment import Address
from pycawamp.pv.pva.interfaces import IChannel, IMonitor, IOperation
from pycawamp.pv.pva.messages import Account, Command, Message, Receiver
from pycawamp.pv.pva.types import TypeReader
from pycawamp.pv.pva.wire import LITTLE, MALFORMED, DecodeError, Order, Reader

READ_SIZES = (2**14, 2**18)
"""Bytes to read at once, normally and with a backlog: large buffers cost more than small reads."""
CONNECT_TIMEOUT = 5.0
"""Seconds."""
ECHO_PERIOD = 15.0
"""Seconds between echo requests; servers close silent connections."""
LATE = 0.1
"""Seconds between reading and handling that show a backlog."""
MAX_AHEAD = 4
"""Reads that may wait in the inbox; then reading pauses."""
MAX_AUTHENTICATIONS = 100
"""Maximum number of authentication methods that a server may offer."""


class IOwner(Protocol):
    """The owner of circuits."""

    inbox: Inbox | None
    """Receives updates that the compiled part handles."""

    def validated(self, circuit: Circuit) -> None:
        """Handle that a circuit can be used."""

    def closed(self, circuit: Circuit) -> None:
        """Handle that a circuit is closed."""

    def answered(self, reader: Reader, host: str) -> None:
        """Handle the reply to a search on the circuit."""

    def account_refused(self, circuit: Circuit) -> None:
        """Handle that the server of a circuit refuses this client's user and host name."""


class Circuit(TwistedProtocol):
    """A TCP connection to a server.

    Messages are handled in slices of a few milliseconds; during a backlog, no more is read. If it
    lasts, only the newest of the waiting updates of each PV is passed on. If the inbox has an
    intake, messages are queued there too, after the updates that were received before them.
    An invalid message ends this connection, and no other.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, address: Address, owner: IOwner, account: Account | None, timeout: float
    ) -> None:
        self.address = address
        self.types = TypeReader()
        self.is_valid = False
        """Whether the server has accepted this client."""
        self.order: Order = LITTLE
        """The byte order of messages to the server."""
        self.keeps_open = False
        """Whether it stays open without channels, like that of a name server."""
        self._reactor = reactor
        self._owner = owner
        self._account = account
        self._timeout = timeout
        self.direct: DirectUpdates | None = None
        """Handles updates of numbers; None: everything is done in Python."""
        self._receiver = Receiver()
        inbox = owner.inbox
        if inbox is not None and inbox.intake is not None:
            self.direct = DirectUpdates(inbox, inbox.intake)
            self._receiver = Receiver(self.direct.take, self.direct.hold)
        self._ahead = 0
        self._channels: dict[int, IChannel] = {}
        self._numbers = itertools.count(1)
        self._operations: dict[int, IOperation] = {}
        self.backlog = Backlog(
            reactor, self._operations, self._handle, self._throttle, conflates=self.direct is None
        )
        self._outgoing: list[bytes] = []
        self._sending: IDelayedCall | None = None
        self._echo: IDelayedCall | None = None
        self._received_at = 0.0
        self._is_paused = False
        self._closed = False

    @property
    def name(self) -> str:
        """The server, as host:port."""
        return f"{self.address[0]}:{self.address[1]}"

    def connect(self) -> None:
        """Open the connection."""
        factory = _Factory(self)
        self._reactor.connectTCP(*self.address, factory, timeout=CONNECT_TIMEOUT)

    def close(self) -> None:
        """Close the connection without notifying channels."""
        self._channels.clear()
        self._end()
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]

    # Channels and operations

    def open_channel(self, channel: IChannel) -> int:
        """Request the creation of a channel; return its number."""
        number = next(self._numbers) & 0xFFFFFFFF
        self._channels[number] = channel
        if self.is_valid:
            self.send(messages.create_channel(number, channel.name, self.order))
        return number

    def close_channel(self, number: int, server_id: int | None) -> None:
        """Close a channel, and the connection with the last one."""
        self._channels.pop(number, None)
        if server_id is not None:
            self.send(messages.destroy_channel(server_id, number, self.order))
        if not self._channels and not self.keeps_open:
            self._reactor.callLater(0, self._close_unused)

    def begin(self, operation: IOperation) -> int:
        """Register an operation, which receives its messages; return its number."""
        number = next(self._numbers) & 0xFFFFFFFF
        self._operations[number] = operation
        return number

    def is_under_way(self, number: int) -> bool:
        """Return whether an operation is registered."""
        return number in self._operations

    def forget(self, number: int) -> None:
        """Unregister an operation."""
        self._operations.pop(number, None)
        self.backlog.forget(number)
        if self.direct is not None:
            self.direct.forget(number)

    def send(self, message: bytes) -> None:
        """Send a message, in one write with others of this reactor iteration."""
        self._outgoing.append(message)
        if self._sending is None:
            self._sending = self._reactor.callLater(0, self._send)

    def request(self, command: int, server_id: int, number: int, rest: bytes) -> None:
        """Send a message of an operation; `rest` begins with the subcommand."""
        self.send(messages.operation(command, server_id, number, rest, self.order))

    def _send(self) -> None:
        self._sending = None
        outgoing, self._outgoing = self._outgoing, []
        if self.transport is not None and not self._closed:
            self.transport.write(b"".join(outgoing))

    def _close_unused(self) -> None:
        if not self._channels and not self.keeps_open and not self._closed:
            self._send()
            self._end()
            if self.transport is not None:
                self.transport.loseConnection()

    # Events of the connection

    def connectionMade(self) -> None:
        """Handle a new connection; the server sends first."""
        if self._closed:
            self.transport.abortConnection()  # type: ignore[union-attr]
            return
        self.transport.setTcpNoDelay(True)  # type: ignore[union-attr]
        self.transport.bufferSize = READ_SIZES[0]  # type: ignore[union-attr]
        self._received_at = self._reactor.seconds()
        self._echo = self._reactor.callLater(self._period, self._send_echo)

    @property
    def _period(self) -> float:
        return min(ECHO_PERIOD, self._timeout / 2)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Handle the end of the connection."""
        if self.direct is None:
            self.fail()
        else:
            # Report it after the last updates.
            self.direct.post(lambda _: self.fail(), None)

    def fail(self) -> None:
        """Notify all channels that the connection was lost or failed."""
        if self._closed:
            return
        self._end()
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel.lost()

    def _end(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._operations.clear()
        self.backlog.close()
        for call in (self._echo, self._sending):
            if call is not None and call.active():
                call.cancel()
        self._owner.closed(self)

    def _send_echo(self) -> None:
        if self._reactor.seconds() - self._received_at > self._timeout:
            self._log.warn("{server} does not respond; the connection is closed", server=self.name)
            self._abort()
            return
        if self.is_valid:
            self.send(messages.message(Command.ECHO, b"", self.order))
        self._echo = self._reactor.callLater(self._period, self._send_echo)

    def dataReceived(self, data: bytes) -> None:
        """Handle received data."""
        self._received_at = self._reactor.seconds()
        transport = self.transport
        waits_more = len(data) >= READ_SIZES[0]
        transport.bufferSize = READ_SIZES[waits_more]  # type: ignore[union-attr]
        if waits_more:
            self.backlog.behind_at = self._received_at
        try:
            received = self._receiver.feed(data)
        except MALFORMED as error:
            self._fail_parsing(error)
            return
        self.order = self._receiver.order
        if self.direct is not None:
            self._ahead += 1
            self.direct.post(
                self._handle_read, (received, self.direct.take_due(), self._received_at)
            )
            self._throttle()
            return
        self.backlog.add(received)

    def _handle_read(self, read: tuple[list[Message], list[int], float]) -> None:
        """Handle the messages that were read, and acknowledge the updates among them."""
        self._ahead -= 1
        if self._closed:
            return
        received, due, received_at = read
        now = self._reactor.seconds()
        if now - received_at > LATE:
            self.backlog.behind_at = now
        for number in due:
            operation = self._operations.get(number)
            if operation is not None:
                cast(IMonitor, operation).acknowledge()
        self.backlog.add(received)

    def _throttle(self) -> None:
        """Pause reading during a backlog, or while too many reads wait in the inbox."""
        is_busy = self.backlog.is_busy or self._ahead >= MAX_AHEAD
        if is_busy == self._is_paused or self._closed or self.transport is None:
            return
        self._is_paused = is_busy
        if is_busy:
            self.transport.pauseProducing()  # type: ignore[attr-defined]
        else:
            self.transport.resumeProducing()  # type: ignore[attr-defined]

    def _handle(self, message: Message) -> None:
        handle = _HANDLERS.get(message.command)
        if handle is None:
            return
        try:
            handle(self, message.reader)
        except MALFORMED as error:
            self._fail_parsing(error)
        except Exception:
            self._log.failure("A message from {server} could not be handled", server=self.name)
            self._abort()

    def _fail_parsing(self, error: Exception) -> None:
        self._log.warn("{server} sent an invalid message: {error}", server=self.name, error=error)
        self._abort()

    def _abort(self) -> None:
        self.fail()
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]

    # Messages

    def _on_operation(self, reader: Reader) -> None:
        number, subcommand = reader.u32(), reader.byte()
        operation = self._operations.get(number)
        # The last messages of an operation that has ended may still arrive.
        if operation is not None:
            operation.received(subcommand, reader)

    def _on_validation(self, reader: Reader) -> None:
        reader.skip(6)
        count = reader.count()
        if count > MAX_AUTHENTICATIONS:
            raise DecodeError(f"{count} authentication methods")
        offered = [reader.text() for _ in range(count)]
        if "ca" not in offered:
            self._account = None
        self.send(messages.validation(self._account, self.order))

    def _on_validated(self, reader: Reader) -> None:
        status = reader.status()
        if self.is_valid:
            return
        if not status.is_success:
            text = "{server} refuses this client{user}: {reason}"
            user = f" as user {self._account.user}" if self._account else ""
            self._log.warn(text, server=self.name, user=user, reason=status.text)
            if self._account is not None:
                self._owner.account_refused(self)
            self._abort()
            return
        self.is_valid = True
        for number, channel in self._channels.items():
            self.send(messages.create_channel(number, channel.name, self.order))
        self._owner.validated(self)

    def _on_channel_created(self, reader: Reader) -> None:
        channel = self._channels.get(reader.u32())
        server_id = reader.u32()
        status = reader.status()
        if channel is None:
            return
        if status.is_success:
            channel.created(server_id)
        else:
            channel.not_created(status)

    def _on_channel_destroyed(self, reader: Reader) -> None:
        _server_id, number = reader.u32(), reader.u32()
        channel = self._channels.pop(number, None)
        if channel is not None:
            channel.destroyed()

    def _on_access(self, reader: Reader) -> None:
        channel = self._channels.get(reader.u32())
        if channel is not None:
            channel.set_access(bool(reader.byte() & 1))

    def _on_search_response(self, reader: Reader) -> None:
        self._owner.answered(reader, self.address[0])


class _Factory(ClientFactory):
    noisy = False

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit

    def buildProtocol(self, addr: Any) -> Circuit:
        """Return the circuit."""
        return self._circuit

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """Notify the channels."""
        self._circuit.fail()


_HANDLERS: dict[int, Callable[[Circuit, Reader], None]] = {
    Command.VALIDATION: Circuit._on_validation,
    Command.SEARCH_RESPONSE: Circuit._on_search_response,
    Command.ACL_CHANGE: Circuit._on_access,
    Command.CREATE_CHANNEL: Circuit._on_channel_created,
    Command.DESTROY_CHANNEL: Circuit._on_channel_destroyed,
    Command.VALIDATED: Circuit._on_validated,
    Command.GET: Circuit._on_operation,
    Command.PUT: Circuit._on_operation,
    Command.MONITOR: Circuit._on_operation,
}
