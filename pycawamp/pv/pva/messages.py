"""Encoding and decoding of pvAccess messages. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from pycawamp.pv.pva.types import STRING, Scalar, Structure, describe
from pycawamp.pv.pva.wire import BIG, LITTLE, DecodeError, Order, Reader, text

MAGIC = 0xCA
VERSION = 2
HEADER_SIZE = 8
MAX_MESSAGE = 2**27
"""Maximum bytes of a message, or of all its segments."""

CONTROL, SEGMENTS, FIRST, LAST, FROM_SERVER, BIG_ENDIAN = 0x01, 0x30, 0x10, 0x20, 0x40, 0x80
SET_BYTE_ORDER = 2
"""A control message."""

INIT, DESTROY, START, PIPELINE = 0x08, 0x10, 0x44, 0x80
"""Flags of the subcommand."""

TCP = "tcp"
ADDRESS_SIZE = 16
GUID_SIZE = 12
_IPV4_IN_IPV6 = bytes(10) + b"\xff\xff"
SEARCH_HEAD = 50
"""Maximum bytes of a search before its names."""
NAME_HEAD = 7
"""Maximum bytes of a name in a search in addition to its characters."""


class Command(IntEnum):
    """The application messages that this client uses."""

    BEACON = 0
    VALIDATION = 1
    ECHO = 2
    SEARCH = 3
    SEARCH_RESPONSE = 4
    ACL_CHANGE = 6
    CREATE_CHANNEL = 7
    DESTROY_CHANNEL = 8
    VALIDATED = 9
    GET = 10
    PUT = 11
    MONITOR = 13
    DESTROY_REQUEST = 15


class Message(NamedTuple):
    """A received message; its payload is part of a buffer."""

    command: int
    order: Order
    buffer: bytes
    start: int
    end: int

    @property
    def reader(self) -> Reader:
        """Return a reader of the payload."""
        return Reader(self.buffer, self.start, self.end, self.order)


# As Message(...), in a third of the time.
_message = tuple.__new__
_LITTLE_HEADER = Struct("<BBBBI").unpack_from
_HEADERS = {False: Struct("<BBBBI"), True: Struct(">BBBBI")}


class Receiver:
    """Splits a stream of bytes into application messages, and joins segments."""

    def __init__(
        self,
        take: Callable[[bytes, int], int] | None = None,
        hold: Callable[[Message], None] | None = None,
    ) -> None:
        self._take_some = take
        self._hold = hold
        self.order = LITTLE
        """The byte order that the server requires for messages."""
        self._held: list[bytes] = []
        self._held_size = 0
        self._needed = HEADER_SIZE
        self._segments: list[bytes] = []
        self._segments_size = 0

    def feed(self, data: bytes) -> list[Message]:
        """Return the complete messages.

        Raises:
            DecodeError: The data is invalid.
        """
        if self._held:
            # A large message comes in many parts: they are joined once.
            self._held.append(data)
            self._held_size += len(data)
            if self._held_size < self._needed:
                return []
            data = b"".join(self._held)
            self._held = []
        messages: list[Message] = []
        position, end = 0, len(data)
        take = self._take_some
        while end - position >= HEADER_SIZE:
            if take is not None and not self._segments:
                position = take(data, position)
                if end - position < HEADER_SIZE:
                    continue
            if data[position + 2] == FROM_SERVER and not self._segments:
                # The most common case: little-endian, complete.
                magic, version, _, command, size = _LITTLE_HEADER(data, position)
                payload_end = position + HEADER_SIZE + size
                if magic == MAGIC and version and payload_end <= end:
                    start = position + HEADER_SIZE
                    messages.append(_message(Message, (command, LITTLE, data, start, payload_end)))
                    position = payload_end
                    continue
            number = len(messages)
            payload_end = self._take(data, position, end, messages)
            if self._hold is not None and len(messages) > number:
                self._hold(messages[-1])
            if payload_end > end:
                self._needed = payload_end - position
                break
            position = payload_end
        else:
            self._needed = HEADER_SIZE
        if position < end:
            self._held = [data[position:]]
            self._held_size = end - position
        return messages

    def _take(self, data: bytes, position: int, end: int, messages: list[Message]) -> int:
        """Decode a message if it is complete; return its end."""
        header = _HEADERS[data[position + 2] >= BIG_ENDIAN]
        magic, version, flags, command, size = header.unpack_from(data, position)
        if magic != MAGIC or not version:
            raise DecodeError("not a pvAccess message")
        if flags & CONTROL:
            if command == SET_BYTE_ORDER:
                self.order = BIG if flags & BIG_ENDIAN else LITTLE
            return position + HEADER_SIZE
        if size > MAX_MESSAGE:
            raise DecodeError(f"a message of {size} bytes, more than {MAX_MESSAGE}")
        start = position + HEADER_SIZE
        payload_end = start + size
        if payload_end <= end:
            order = BIG if flags & BIG_ENDIAN else LITTLE
            if flags & SEGMENTS:
                self._add_segment(flags, command, order, data[start:payload_end], messages)
            elif self._segments:
                raise DecodeError("a message between the segments of another")
            else:
                messages.append(Message(command, order, data, start, payload_end))
        return int(payload_end)

    def _add_segment(
        self, flags: int, command: int, order: Order, part: bytes, messages: list[Message]
    ) -> None:
        is_first = flags & SEGMENTS == FIRST
        if is_first == bool(self._segments):
            raise DecodeError("segments out of order")
        self._segments.append(part)
        self._segments_size += len(part)
        if self._segments_size > MAX_MESSAGE or len(self._segments) > MAX_MESSAGE // 1024:
            raise DecodeError(f"{len(self._segments)} segments of {self._segments_size} bytes")
        if flags & SEGMENTS == LAST:
            whole = b"".join(self._segments)
            self._segments, self._segments_size = [], 0
            messages.append(Message(command, order, whole, 0, len(whole)))


def message(command: int, payload: bytes, order: Order) -> bytes:
    """Encode a message of a client."""
    head = bytes((MAGIC, VERSION, order.flag, command))
    return head + order.u32.pack(len(payload)) + payload


class Account(NamedTuple):
    """The user and host name of this client, for servers that request them."""

    user: str
    host: str


def validation(account: Account | None, order: Order) -> bytes:
    """Encode the reply to a server's CONNECTION_VALIDATION; without an account, as anonymous."""
    sizes = order.u32.pack(1 << 16) + order.u16.pack(0x7FFF) + order.u16.pack(0)
    auth, credentials = "anonymous", b"\xff"
    if account is not None:
        auth = "ca"
        fields = Structure("", (("user", Scalar(STRING)), ("host", Scalar(STRING))))
        values = text(account.user, order) + text(account.host, order)
        credentials = describe(fields, order) + values
    return message(Command.VALIDATION, sizes + text(auth, order) + credentials, order)


def create_channel(channel: int, name: bytes, order: Order) -> bytes:
    """Encode CREATE_CHANNEL for one channel."""
    payload = order.u16.pack(1) + order.u32.pack(channel) + text(name, order)
    return message(Command.CREATE_CHANNEL, payload, order)


def destroy_channel(server_id: int, channel: int, order: Order) -> bytes:
    """Encode DESTROY_CHANNEL."""
    payload = order.u32.pack(server_id) + order.u32.pack(channel)
    return message(Command.DESTROY_CHANNEL, payload, order)


def destroy_request(server_id: int, request: int, order: Order) -> bytes:
    """Encode DESTROY_REQUEST."""
    payload = order.u32.pack(server_id) + order.u32.pack(request)
    return message(Command.DESTROY_REQUEST, payload, order)


def operation(command: int, server_id: int, request: int, rest: bytes, order: Order) -> bytes:
    """Encode a message of a GET, PUT or MONITOR; `rest` begins with the subcommand."""
    return message(command, order.u32.pack(server_id) + order.u32.pack(request) + rest, order)


def options(record: Mapping[str, str], order: Order) -> bytes:
    """Encode a pvRequest for all fields, with options of the record: type and value."""
    entries = tuple((name, Scalar(STRING)) for name in record)
    fields: tuple[tuple[str, Structure], ...] = (("field", Structure("", ())),)
    if entries:
        fields += (("record", Structure("", (("_options", Structure("", entries)),))),)
    values = b"".join(text(value, order) for value in record.values())
    return describe(Structure("", fields), order) + values


def search(
    sequence: int,
    names: Sequence[tuple[int, bytes]],
    reply_port: int,
    is_unicast: bool,
    order: Order,
) -> bytes:
    """Encode SEARCH for names, each with the number that the server's reply contains."""
    flags = 0x80 if is_unicast else 0
    head = order.u32.pack(sequence) + bytes((flags, 0, 0, 0))
    # Without an address: replies go to the sender.
    where = _IPV4_IN_IPV6 + bytes(4) + order.u16.pack(reply_port)
    entries = [order.u32.pack(number) + text(name, order) for number, name in names]
    protocols = b"\x01" + text(TCP, order)
    payload = head + where + protocols + order.u16.pack(len(names)) + b"".join(entries)
    return message(Command.SEARCH, payload, order)


class Found(NamedTuple):
    """The reply to a search."""

    guid: bytes
    host: str
    """Empty: the sender's address."""
    port: int
    numbers: tuple[int, ...]
    """The numbers of the names that the server has."""


def search_response(reader: Reader) -> Found | None:
    """Decode SEARCH_RESPONSE; None if it has no names."""
    guid, _sequence = reader.raw(GUID_SIZE), reader.u32()
    host, port, protocol = _address(reader), reader.u16(), reader.text()
    is_found, count = reader.byte(), reader.u16()
    numbers = tuple(reader.u32() for _ in range(min(count, reader.left // 4)))
    if not is_found or protocol != TCP or not port:
        return None
    return Found(guid, host, port, numbers)


class Beacon(NamedTuple):
    """A beacon of a server."""

    guid: bytes
    host: str
    port: int


def beacon(reader: Reader) -> Beacon:
    """Decode BEACON."""
    guid = reader.raw(GUID_SIZE)
    reader.skip(4)
    return Beacon(guid, _address(reader), reader.u16())


def _address(reader: Reader) -> str:
    raw = reader.raw(ADDRESS_SIZE)
    is_ipv4 = raw.startswith(_IPV4_IN_IPV6) or raw[:12] == bytes(12)
    host = ".".join(map(str, raw[12:])) if is_ipv4 else ""
    return "" if host == "0.0.0.0" else host


def first_datagram_message(datagram: bytes) -> Message | None:
    """Return the message in a datagram; None if there is none.

    Raises:
        DecodeError: The datagram is invalid.
    """
    messages = Receiver().feed(datagram)
    return messages[0] if messages else None
