"""A NATS client that stays connected to one of several servers."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from itertools import count, cycle
from typing import Any, TypeAlias

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from pycawamp.bus.protocol import Credentials, Message, NATSProtocol

Handler: TypeAlias = Callable[[Message], None]

PORT = 4222
PING_SECONDS = 0.4
MAX_SILENT = 4
"""Pings without any data received, after which the connection is aborted."""
CONNECT_TIMEOUT = 2.0
"""Seconds."""
DELAYS = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to connect, randomly up to a half less; the last one is repeated."""
CLOSING = 1.0
"""Maximum seconds to send the last messages."""
_FORBIDDEN = re.compile(r'permissions violation for publish to "(.*)"', re.IGNORECASE)


@attrs.frozen
class Server:
    """Where a NATS server listens."""

    host: str
    port: int = PORT
    is_tls: bool = False
    """Whether to use TLS only."""

    def __str__(self) -> str:
        scheme = "tls" if self.is_tls else "nats"
        return f"{scheme}://{self.host}:{self.port}"


def servers(text: str) -> tuple[Server, ...]:
    """Return the servers in a text such as nats://a,b:4223 or tls://a,b; ValueError if none."""
    scheme, _, hosts = text.rpartition("://")
    found = [_SERVER.fullmatch(part.strip()) for part in hosts.split(",")]
    if scheme not in ("", "nats", "tls") or not all(found):
        raise ValueError("servers such as nats://one,two:4222 or tls://one.example,two.example")
    return tuple(
        Server(each["v6"] or each["host"], int(each["port"] or PORT), scheme == "tls")
        for each in found
        if each is not None
    )


_SERVER = re.compile(
    r"(?:(?P<host>[A-Za-z0-9._-]+)|\[(?P<v6>[0-9a-fA-F:.]+)\])(?::(?P<port>\d{1,5}))?"
)


@attrs.frozen
class ClientSettings:
    """How to connect to the bus."""

    servers: Sequence[Server]
    name: str
    """The name of the ingest or edge, for NATS's own reports too."""
    user: str = ""
    password: str = attrs.field(default="", repr=False)
    authorities: bytes = attrs.field(default=b"", repr=False)
    """Certificates (PEM) of the authorities to trust; none: those of the system."""


class NATSClient(Service):
    """Stays connected to one of several servers while it runs.

    Messages that are published without a connection are dropped. Subscriptions are renewed after a
    reconnection.
    """

    _log = Logger()

    def __init__(self, reactor: Any, settings: ClientSettings) -> None:
        self._reactor = reactor
        self._settings = settings
        # In random order: otherwise all would use the first server.
        self._servers = cycle(random.sample(list(settings.servers), len(settings.servers)))
        self._delays = iter(DELAYS)
        self._protocol: NATSProtocol | None = None
        self._opened: NATSProtocol | None = None
        self._server: Server | None = None
        # Why each server could not be reached; each reason is logged once.
        self._problems: dict[Server, str] = {}
        self._connecting: Deferred[Any] | None = None
        self._retry: IDelayedCall | None = None
        self._numbers = count(1)
        self._subscriptions: dict[int, tuple[str, Handler]] = {}
        self._pings = LoopingCall(self._ping)
        self._pings.clock = reactor
        self._reads = self._silent = 0
        self._ended: Deferred[None] | None = None
        self.on_open: list[Callable[[], None]] = []
        """Called when it has connected and subscribed."""
        self.on_closed: list[Callable[[], None]] = []
        """Called when the connection is lost."""
        self.on_writable: list[Callable[[], None]] = []
        """Called when all messages have been sent, after congestion."""
        self.on_forbidden: list[Callable[[str], None]] = []
        """Called with a subject that it may not publish to."""

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._opened is not None

    @property
    def is_congested(self) -> bool:
        """Whether nothing should be sent: no connection, or the server reads too slowly."""
        return self._opened is None or self._opened.is_congested

    @property
    def max_payload(self) -> int:
        """Maximum bytes of a message."""
        return self._opened.max_payload if self._opened is not None else 2**20

    def subscribe(self, subject: str, handler: Handler) -> None:
        """Call a function with each message of a subject."""
        number = next(self._numbers)
        self._subscriptions[number] = subject, handler
        if self._opened is not None:
            self._opened.subscribe(number, subject)

    def publish(self, subject: str, *parts: bytes, reply: str = "") -> bool:
        """Send a message; return whether there was a connection for it."""
        if self._opened is None:
            return False
        self._opened.publish(subject, parts, reply)
        return True

    def startService(self) -> None:
        """Connect."""
        super().startService()  # type: ignore[no-untyped-call]
        self._pings.start(PING_SECONDS, now=False)
        self._connect()

    def stopService(self) -> Deferred[None]:
        """Disconnect; fires when all messages have been sent, or cannot be."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._pings.running:
            self._pings.stop()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._connecting is not None:
            self._connecting.cancel()
        if self._protocol is None:
            return succeed(None)
        self._ended = Deferred()
        self._protocol.close()
        force = self._reactor.callLater(CLOSING, self._protocol.abort, "stopped")
        return self._ended.addCallback(lambda _: force.cancel() if force.active() else None)

    # Connecting

    def _connect(self) -> None:
        self._retry = None
        server = self._server = next(self._servers)
        factory = Factory.forProtocol(lambda: self._new_protocol(server))
        factory.noisy = False
        endpoint = HostnameEndpoint(
            self._reactor, server.host.encode(), server.port, timeout=CONNECT_TIMEOUT
        )
        self._connecting = endpoint.connect(factory)
        self._connecting.addBoth(self._tried, server)  # type: ignore[call-overload]

    def _new_protocol(self, server: Server) -> NATSProtocol:
        settings = self._settings
        credentials = Credentials(settings.name, settings.user, settings.password)

        def encrypt(transport: Any) -> None:
            transport.startTLS(_tls_options(server.host, settings.authorities))

        return NATSProtocol(self, credentials, encrypt, server.is_tls)

    def _tried(self, result: NATSProtocol | Failure, server: Server) -> None:
        self._connecting = None
        if not isinstance(result, Failure):
            self._protocol = result
            self._reads = self._silent = 0
            if not self.running:
                result.abort("stopped")
        elif self.running:
            self._log_problem(str(result.value))
            self._try_later()

    def _log_problem(self, reason: str) -> None:
        """Log why the current server cannot be reached, unless the reason is the same as before."""
        server = self._server
        if server is not None and self._problems.get(server) != reason:
            self._problems[server] = reason
            self._log.warn(
                "Cannot connect to the bus at {server}: {reason}", server=server, reason=reason
            )

    def _try_later(self) -> None:
        delay = next(self._delays, DELAYS[-1])
        self._retry = self._reactor.callLater(delay * random.uniform(0.5, 1), self._connect)

    # Events of the protocol

    def opened(self, protocol: NATSProtocol) -> None:
        """Handle that messages can be sent."""
        self._protocol = self._opened = protocol
        self._delays = iter(DELAYS)
        self._problems.clear()
        for number, (subject, _) in self._subscriptions.items():
            protocol.subscribe(number, subject)
        self._log.info("Connected to the bus")
        for each in list(self.on_open):
            each()

    def received(self, number: int, message: Message) -> None:
        """Handle a message for a subscription."""
        _, handler = self._subscriptions[number]
        try:
            handler(message)
        except Exception:
            self._log.failure("Cannot handle a message on {subject}", subject=message.subject)

    def refused(self, reason: str) -> None:
        """Handle an error message of the server."""
        if self._opened is not None:
            self._log.error("Error message of the bus: {reason}", reason=reason)
        match = _FORBIDDEN.search(reason)
        if match is not None:
            for each in list(self.on_forbidden):
                each(match[1])

    def writable(self) -> None:
        """Handle that all data has been sent after congestion."""
        for each in list(self.on_writable):
            each()

    def closed(self, reason: str) -> None:
        """Handle the end of the connection: try the next server."""
        was_open, self._opened, self._protocol = self._opened is not None, None, None
        if was_open:
            for each in list(self.on_closed):
                each()
        if self._ended is not None:
            ended, self._ended = self._ended, None
            ended.callback(None)
        elif self.running:
            if was_open:
                self._log.warn("The connection to the bus is lost: {reason}", reason=reason)
            else:
                self._log_problem(reason)
            self._try_later()

    def _ping(self) -> None:
        """Ping the server; abort the connection if nothing was received for too long.

        Pings are counted, not seconds: this process may have been suspended.
        """
        protocol = self._protocol
        if protocol is None:
            return
        self._silent = 0 if protocol.reads != self._reads else self._silent + 1
        self._reads = protocol.reads
        if self._silent >= MAX_SILENT:
            protocol.abort(f"silent for {MAX_SILENT * PING_SECONDS:g} s")
        elif self._opened is not None:
            protocol.ping()


def _tls_options(host: str, authorities: bytes) -> Any:
    if not authorities:
        return optionsForClientTLS(host)
    found = [
        Certificate.loadPEM(part + _PEM_END)
        for part in authorities.split(_PEM_END)
        if b"-----BEGIN CERTIFICATE-----" in part
    ]
    return optionsForClientTLS(host, trustRoot=trustRootFromCertificates(found))


_PEM_END = b"-----END CERTIFICATE-----\n"
