"""One connection to a NATS server: the client's side of the text protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from typing import Protocol as TypingProtocol

import attrs
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from pycawamp.bus.errors import BusError

LONGEST_LINE = 2**16
"""Bytes of a line; the longest is the server's description of itself."""
LARGEST = 2**26
"""Bytes of a message."""
MAX_AHEAD = 2**22
"""Bytes that may be sent while the transport has unsent data, until the server counts as slow.

More than a burst for each of many edges: Twisted pauses producers at 64 KiB.
"""
_END = b"\r\n"
_NO_RESPONDERS = b"NATS/1.0 503"


class Message(NamedTuple):
    """A message that was received."""

    subject: str
    reply: str
    """The subject for a reply; empty if none is expected."""
    payload: bytes
    is_refusal: bool = False
    """Whether the server replied that a request has no responders."""


class Events(TypingProtocol):
    """Handles the events of a connection."""

    def opened(self, protocol: NATSProtocol) -> None:
        """Handle that messages can be sent."""

    def received(self, number: int, message: Message) -> None:
        """Handle a message for a subscription."""

    def refused(self, reason: str) -> None:
        """Handle an error message of the server."""

    def writable(self) -> None:
        """Handle that all data has been sent after congestion."""

    def closed(self, reason: str) -> None:
        """Handle the end of the connection."""


@attrs.frozen
class Credentials:
    """How a client identifies itself to a server."""

    name: str
    user: str = ""
    password: str = attrs.field(default="", repr=False)


@implementer(IPushProducer)
class NATSProtocol(Protocol):
    """A connection to one server.

    `encrypt` starts TLS, if the server or the settings require it.
    """

    def __init__(
        self,
        events: Events,
        credentials: Credentials,
        encrypt: Callable[[Any], None],
        is_required: bool,
    ) -> None:
        self._events = events
        self._credentials = credentials
        self._encrypt = encrypt
        self._is_tls_required = is_required
        self._rest: list[bytes] = []
        self._has = 0
        self._needs = 1
        self._message: tuple[int, str, str, int, int] | None = None
        self._has_info = False
        self._is_open = False
        self._reason = ""
        self.max_payload = 2**20
        """Maximum bytes of a message."""
        self._is_paused = False
        # Bytes sent since the transport has unsent data.
        self._ahead = 0
        self.reads = 0
        """How often data has been received."""

    @property
    def is_congested(self) -> bool:
        """Whether the server reads too slowly."""
        return self._ahead > MAX_AHEAD

    # Sending

    def publish(self, subject: str, parts: Iterable[bytes], reply: str = "") -> None:
        """Send a message, which is at most `max_payload` bytes long."""
        payload = list(parts)
        size = sum(map(len, payload))
        head = f"PUB {subject} {reply} {size}\r\n" if reply else f"PUB {subject} {size}\r\n"
        self._transport.writeSequence([head.encode(), *payload, _END])
        if self._is_paused:
            self._ahead += size

    def subscribe(self, number: int, subject: str) -> None:
        """Subscribe to a subject; its messages come with the number."""
        self._transport.write(f"SUB {subject} {number}\r\n".encode())

    def ping(self) -> None:
        """Send a PING, to which the server replies."""
        self._transport.write(b"PING\r\n")

    def abort(self, reason: str) -> None:
        """Abort the connection."""
        self._reason = self._reason or reason
        self._transport.abortConnection()

    def close(self) -> None:
        """Close the connection once all data has been sent."""
        self._transport.loseConnection()

    # What the transport calls

    @property
    def _transport(self) -> Any:
        return self.transport

    def connectionMade(self) -> None:
        """Wait for the INFO message of the server."""
        self._transport.setTcpNoDelay(True)

    def pauseProducing(self) -> None:
        """Handle that the transport has unsent data."""
        self._is_paused = True

    def resumeProducing(self) -> None:
        """Handle that the transport has sent all data."""
        was_congested = self.is_congested
        self._is_paused, self._ahead = False, 0
        if was_congested:
            self._events.writable()

    def stopProducing(self) -> None:
        """Do nothing: the connection ends."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Report the end of the connection."""
        self._rest = []
        self._events.closed(self._reason or reason.getErrorMessage())

    def dataReceived(self, data: bytes) -> None:
        """Parse data from the server."""
        self.reads += 1
        self._rest.append(data)
        self._has += len(data)
        if self._has < self._needs:
            return
        data = b"".join(self._rest)
        try:
            used = self._parse(data)
        except (BusError, ValueError, KeyError) as error:
            self.abort(f"not a NATS server: {error}")
            used = len(data)
        self._rest = [data[used:]]
        self._has = len(data) - used

    def _parse(self, data: bytes) -> int:
        """Handle complete messages; return their number of bytes."""
        position = 0
        while True:
            if self._message is not None:
                size = self._message[-1] + len(_END)
                if len(data) - position < size:
                    self._needs = size
                    return position
                self._message_received(data[position : position + size - len(_END)])
                position += size
            end = data.find(_END, position)
            if end < 0:
                if len(data) - position > LONGEST_LINE:
                    raise BusError("a line without an end")
                self._needs = 1
                return position
            self._handle_line(data[position:end])
            position = end + len(_END)

    def _message_received(self, content: bytes) -> None:
        assert self._message is not None
        number, subject, reply, header, _ = self._message
        self._message = None
        is_refusal = header > 0 and content.startswith(_NO_RESPONDERS)
        self._events.received(number, Message(subject, reply, content[header:], is_refusal))

    def _handle_line(self, line: bytes) -> None:
        word, _, rest = line.partition(b" ")
        match word.upper():
            case b"MSG":
                self._expect(rest.decode().split(), has_header=False)
            case b"HMSG":
                self._expect(rest.decode().split(), has_header=True)
            case b"PING":
                self._transport.write(b"PONG\r\n")
            case b"PONG":
                self._pong_received()
            case b"INFO":
                self._info_received(json.loads(rest))
            case b"-ERR":
                reason = rest.decode(errors="replace").strip("' ")
                self._reason = self._reason or reason
                self._events.refused(reason)
            case b"+OK":
                pass
            case _:
                raise BusError(repr(line[:40]))

    def _expect(self, words: list[str], has_header: bool) -> None:
        sizes = 2 if has_header else 1
        names, numbers = words[:-sizes], [int(word) for word in words[-sizes:]]
        if not 2 <= len(names) <= 3 or not 0 <= numbers[0] <= numbers[-1] <= LARGEST:
            raise BusError(f"a message with the head {words}")
        reply = names[2] if len(names) == 3 else ""
        header = numbers[0] if has_header else 0
        self._message = (int(names[1]), names[0], reply, header, numbers[-1])

    def _info_received(self, info: Mapping[str, Any]) -> None:
        self.max_payload = int(info.get("max_payload", self.max_payload))
        if self._has_info:
            return
        self._has_info = True
        offers = bool(info.get("tls_required") or info.get("tls_available"))
        if self._is_tls_required and not offers:
            raise BusError("the server offers no TLS")
        if self._is_tls_required or info.get("tls_required"):
            self._encrypt(self._transport)
        self._transport.registerProducer(self, True)
        self._send_connect()

    def _send_connect(self) -> None:
        options = {
            "verbose": False,
            "pedantic": False,
            "echo": False,
            "headers": True,
            "no_responders": True,
            "protocol": 1,
            "lang": "python-twisted",
            "version": "1",
            "name": self._credentials.name,
        }
        if self._credentials.user:
            options |= {"user": self._credentials.user, "pass": self._credentials.password}
        self._transport.write(b"CONNECT %b\r\nPING\r\n" % json.dumps(options).encode())

    def _pong_received(self) -> None:
        if not self._is_open:
            self._is_open = True
            self._events.opened(self)
