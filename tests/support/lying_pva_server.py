"""A pvAccess server for all PVs whose names begin with x; a test sets its replies."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.protocol import DatagramProtocol, Protocol, ServerFactory

from pycawamp.demo.ports import LOOPBACK, PVAPorts
from pycawamp.pv.pva import messages
from pycawamp.pv.pva.messages import INIT, PIPELINE, Command, Message, Receiver
from pycawamp.pv.pva.types import DOUBLE, Scalar, Structure, TypeReader, decode, describe
from pycawamp.pv.pva.wire import LITTLE, Order, bit_set, size, text

OK = b"\xff"
TYPE = Structure("epics:nt/NTScalar:1.0", (("value", Scalar(DOUBLE)),))


def failed(words: str) -> bytes:
    """Return the status of a failed request, with the reason."""
    return b"\x02" + text(words, LITTLE) + text("", LITTLE)


class LyingPVAServer:
    """Serves names that begin with x; `value` is 1.5 in all updates.

    The statuses and the description of the type are sent as they are, valid or not;
    `update` replaces the payload of an update, and `greeting` is sent first.
    """

    def __init__(self, ports: PVAPorts) -> None:
        self.ports = ports
        self.order: Order = LITTLE
        self.greeting = b""
        self.authentications = ["anonymous"]
        """The methods that it offers."""
        self.refused: list[str] = []
        """The methods that it refuses, whether offered or not."""
        self.clients: list[tuple[str, dict[str, str] | None]] = []
        """The method and the account of each client."""
        self.create_status = OK
        self.monitor_status = OK
        self.type = describe(TYPE, LITTLE)
        self.update: bytes | None = None
        self.connections = 0
        """How many have been made."""
        self.created = 0
        """The number of requested channels."""
        self._listening: list[Any] = []
        self.open_connections: list[_Connection] = []

    def start(self) -> None:
        """Listen."""
        self._listening = [
            reactor.listenTCP(self.ports.server, _Factory(self), interface=LOOPBACK),
            reactor.listenUDP(self.ports.search, _Searches(self), LOOPBACK, 65536),  # type: ignore[attr-defined]
        ]

    def stop(self) -> Deferred[Any]:
        """Stop."""
        for connection in self.open_connections:
            connection.transport.abortConnection()  # type: ignore[union-attr]
        return gatherResults([maybeDeferred(each.stopListening) for each in self._listening])


class _Factory(ServerFactory):
    noisy = False

    def __init__(self, server: LyingPVAServer) -> None:
        self._server = server

    def buildProtocol(self, addr: Any) -> Protocol:
        """Accept a connection."""
        return _Connection(self._server)


class _Searches(DatagramProtocol):
    noisy = False

    def __init__(self, server: LyingPVAServer) -> None:
        self._server = server

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Reply to searches for names that begin with x."""
        found = messages.first_datagram_message(datagram)
        assert found is not None
        reader, order = found.reader, self._server.order
        sequence = reader.raw(4)
        reader.skip(4 + 16 + 2)
        for _ in range(reader.count()):
            reader.text()
        numbers = []
        for _ in range(reader.u16()):
            number = reader.u32()
            if reader.text().startswith("x"):
                numbers.append(order.u32.pack(number))
        head = bytes(12) + sequence + bytes(16) + order.u16.pack(self._server.ports.server)
        tail = text("tcp", order) + b"\x01" + order.u16.pack(len(numbers)) + b"".join(numbers)
        reply = messages.message(Command.SEARCH_RESPONSE, head + tail, order)
        self.transport.write(reply, addr)  # type: ignore[union-attr]


class _Connection(Protocol):
    def __init__(self, server: LyingPVAServer) -> None:
        self._server = server
        self._receiver = Receiver()

    def connectionMade(self) -> None:
        """Send the first message."""
        self._server.connections += 1
        self._server.open_connections.append(self)
        order = self._server.order
        control = bytes((0xCA, 2, 0x41 | order.flag, 2)) + bytes(4)
        methods = self._server.authentications
        names = b"".join(text(each, order) for each in methods)
        offer = bytes(6) + size(len(methods), order) + names
        self.transport.write(  # type: ignore[union-attr]
            self._server.greeting + control + messages.message(Command.VALIDATION, offer, order)
        )

    def dataReceived(self, data: bytes) -> None:
        """Reply to messages."""
        for message in self._receiver.feed(data):
            self._answer(message)

    def _answer(self, message: Message) -> None:
        server, reader, order = self._server, message.reader, self._server.order
        if message.command == Command.VALIDATION:
            reader.skip(8)
            method, types = reader.text(), TypeReader()
            described = types.type(reader)
            account = None if described is None else decode(described, reader, types)
            server.clients.append((method, account))
            is_refused = method in server.refused
            self._send(Command.VALIDATED, failed(f"no {method}") if is_refused else OK)
        elif message.command == Command.CREATE_CHANNEL:
            server.created += 1
            reader.skip(2)
            number = reader.raw(4)
            self._send(Command.CREATE_CHANNEL, number + number + server.create_status)
        elif message.command == Command.MONITOR:
            reader.skip(4)
            number, subcommand = reader.raw(4), reader.byte()
            if subcommand & INIT:
                reply = server.monitor_status
                if reply == OK:
                    reply += server.type
                self._send(Command.MONITOR, number + bytes((INIT,)) + reply)
            elif not subcommand & PIPELINE:
                update = server.update
                if update is None:
                    update = bit_set([0], order) + order.u64.pack(0x3FF8000000000000) + b"\x00"
                self._send(Command.MONITOR, number + b"\x00" + update)

    def _send(self, command: int, payload: bytes) -> None:
        self.transport.write(messages.message(command, payload, self._server.order))  # type: ignore[union-attr]
