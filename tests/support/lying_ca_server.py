"""A Channel Access server that sends whatever a test specifies, valid or not."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct, pack
from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol

from pycawamp.demo.ports import LOOPBACK, CAPorts
from pycawamp.pv.ca.dbr import DBR_TYPES
from pycawamp.pv.values import FieldType

VERSION, EVENT_ADD, WRITE, SEARCH, ERROR, READ_NOTIFY = 0, 1, 4, 6, 11, 15
CREATE_CHAN, WRITE_NOTIFY, ACCESS_RIGHTS = 18, 19, 22
MINOR = 13
"""Channel Access 4.13, the first version with a count of 0 for the current number of elements."""
TIME, CTRL = 14, 28
"""Offsets from a native type's number to its DBR_TIME and DBR_CTRL types."""

_HEADER = Struct(">HHHHII")
_PADDING = {
    FieldType.STRING: 0,
    FieldType.SHORT: 2,
    FieldType.FLOAT: 0,
    FieldType.ENUM: 2,
    FieldType.CHAR: 3,
    FieldType.LONG: 0,
    FieldType.DOUBLE: 4,
}
"""Bytes between the time stamp and the value."""
_CODES = {
    FieldType.STRING: "40s",
    FieldType.SHORT: "h",
    FieldType.FLOAT: "f",
    FieldType.ENUM: "H",
    FieldType.CHAR: "B",
    FieldType.LONG: "i",
    FieldType.DOUBLE: "d",
}


def message(
    command: int, payload: bytes = b"", data_type: int = 0, count: int = 0, *numbers: int
) -> bytes:
    """Return a message; `numbers` are its last two fields. Large ones get the long header."""
    payload += b"\0" * (-len(payload) % 8)
    if len(payload) < 0xFFFF and count < 0xFFFF:
        return _HEADER.pack(command, len(payload), data_type, count, *numbers) + payload
    head = _HEADER.pack(command, 0xFFFF, data_type, 0, *numbers)
    return head + pack(">II", len(payload), count) + payload


def time_bytes(field_type: FieldType, *values: Any) -> bytes:
    """Return the payload of a DBR_TIME message: no alarm, one second after the EPICS epoch."""
    head = pack(">hhII", 0, 0, 1, 0) + bytes(_PADDING[field_type])
    return head + pack(f">{_CODES[field_type] * len(values)}", *values)


def control_bytes(units: bytes = b"mm", precision: int = 1) -> bytes:
    """Return the payload of a DBR_CTRL_DOUBLE message."""
    return pack(">hhh2x8s9d", 0, 0, precision, units, *range(9))


@attrs.frozen
class Request:
    """A client's request for a channel."""

    command: int
    data_type: int
    count: int
    id: int
    """Of the subscription, or of the request."""
    send: Callable[[bytes], None]

    @property
    def is_control(self) -> bool:
        """Whether it requests units and limits."""
        return self.data_type >= CTRL

    def answer(
        self,
        payload: bytes,
        *,
        status: int = 1,
        data_type: int | None = None,
        count: int = 1,
    ) -> None:
        """Send a reply; may be called again for each event of a subscription."""
        sent = self.data_type if data_type is None else data_type
        self.send(message(self.command, payload, sent, count, status, self.id))

    def refuse(self, status: int, text: bytes) -> None:
        """Send CA_PROTO_ERROR, which repeats the request's header."""
        mine = _HEADER.pack(self.command, 0, self.data_type, self.count, 0, self.id)
        self.send(message(ERROR, mine + text + b"\0", 0, 0, 0, status))


@attrs.define
class LyingPV:
    """The replies of the server for one name."""

    type: FieldType = FieldType.DOUBLE
    count: int = 1
    rights: int = 3
    type_number: int | None = None
    """The type in replies, if it is not the actual type."""
    answer: Callable[[Request], None] = lambda _: None
    """Called with each request to read, write or subscribe."""
    requests: list[Request] = attrs.Factory(list)
    """All so far."""

    def events(self, control: bool = False) -> Request:
        """The newest subscription, to the value or to units and limits."""
        expected_command = (EVENT_ADD, control)
        return [
            each for each in self.requests if (each.command, each.is_control) == expected_command
        ][-1]


class CAServer:
    """Serves some names, with replies that may be invalid, on its ports."""

    def __init__(self, reactor: Any, ports: CAPorts, **pvs: LyingPV) -> None:
        self.pvs = pvs
        self._reactor = reactor
        self._ports = ports
        self._listening: list[IListeningPort] = []

    def start(self) -> None:
        """Listen for searches and for clients."""
        factory = Factory.forProtocol(_Circuit)
        factory.noisy = False
        factory.pvs = self.pvs  # type: ignore[attr-defined]
        port = self._ports.server
        self._listening = [
            self._reactor.listenTCP(port, factory, interface=LOOPBACK),
            self._reactor.listenUDP(port, _Searches(self.pvs, port), interface=LOOPBACK),
        ]

    def stop(self) -> Deferred[Any]:
        """Stop listening; fires when the ports are free."""
        return gatherResults([maybeDeferred(port.stopListening) for port in self._listening])


class _Searches(DatagramProtocol):
    noisy = False

    def __init__(self, pvs: dict[str, LyingPV], port: int) -> None:
        self._pvs = pvs
        self._port = port

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Reply to searches for names that are served."""
        while len(datagram) >= _HEADER.size:
            command, size, _, _, cid, _ = _HEADER.unpack_from(datagram)
            body, datagram = datagram[16 : 16 + size], datagram[16 + size :]
            if command == SEARCH and _name(body) in self._pvs:
                version = message(VERSION, b"", 0, MINOR, 0, 0)
                found = message(SEARCH, pack(">H", MINOR), self._port, 0, 0xFFFFFFFF, cid)
                assert self.transport is not None
                self.transport.write(version + found, addr)


class _Circuit(Protocol):
    """One client."""

    def connectionMade(self) -> None:
        """Send the version of the protocol."""
        self._data = b""
        self._channels: dict[int, LyingPV] = {}
        self._send(message(VERSION, b"", 0, MINOR, 0, 0))

    def dataReceived(self, data: bytes) -> None:
        """Handle complete messages."""
        self._data += data
        while len(self._data) >= _HEADER.size:
            command, size, data_type, count, *numbers = _HEADER.unpack_from(self._data)
            if len(self._data) < _HEADER.size + size:
                return
            body = self._data[_HEADER.size : _HEADER.size + size]
            self._data = self._data[_HEADER.size + size :]
            self._attend(command, data_type, count, numbers, body)

    def _attend(
        self, command: int, data_type: int, count: int, numbers: list[int], body: bytes
    ) -> None:
        channel, number = numbers
        if command == CREATE_CHAN:
            pv = self.factory.pvs[_name(body)]
            self._channels[channel] = pv
            self._send(message(ACCESS_RIGHTS, b"", 0, 0, channel, pv.rights))
            number = DBR_TYPES[pv.type] if pv.type_number is None else pv.type_number
            self._send(message(CREATE_CHAN, b"", number, pv.count, channel, channel))
        elif command in (EVENT_ADD, READ_NOTIFY, WRITE_NOTIFY, WRITE):
            pv = self._channels[channel]
            request = Request(command, data_type, count, number, self._send)
            pv.requests.append(request)
            pv.answer(request)

    def _send(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


def _name(body: bytes) -> str:
    return body.split(b"\0", 1)[0].decode()
