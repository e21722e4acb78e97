"""Clients that are dropped because memory is full."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Generator
from typing import Any, cast

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from pycawamp.pv.budget import MemoryBudget
from pycawamp.web.frames import WEBSOCKET
from pycawamp.web.transport import ClientTransport, SlowConsumerMonitor
from tests.support.timing import allowed

reactor = cast(Any, installed_reactor)

BUFFER = 2**16
"""Bytes of a socket's buffers."""


class Server(Protocol):
    """The gateway's side of a connection."""

    def __init__(self) -> None:
        self.made: Deferred[None] = Deferred()
        self.lost: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """Reduce the kernel's buffers."""
        handle = self.transport.getHandle()  # type: ignore[union-attr]
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        self.made.callback(None)

    def connectionLost(self, reason: Failure = Protocol.connectionLost) -> None:  # type: ignore[assignment]
        """Record the end."""
        self.lost.callback(None)


class DroppedTests(TestCase):
    """A dropped client until the reactor has closed its connection."""

    timeout = allowed(20)

    @inlineCallbacks
    def test_dropped(self) -> Generator[Deferred[Any], Any, None]:
        """Nothing is sent to it after a part of a frame, and none of its bytes are counted."""
        budget = MemoryBudget(2**22)
        monitor = SlowConsumerMonitor(reactor, 30, budget)
        self.addCleanup(monitor.close)
        server = Server()
        port = reactor.listenTCP(0, Factory.forProtocol(lambda: server), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        client = socket.socket()
        self.addCleanup(client.close)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        client.connect(("127.0.0.1", port.getHost().port))
        yield server.made
        transport = ClientTransport(server.transport, monitor, "a client", WEBSOCKET)
        transport.write(b"A" * 2**20)
        self.assertGreater(budget.backlog, 0)
        transport.write(b"A" * 2**22)
        self.assertIsNotNone(transport.dropped)
        self.assertEqual((transport.backlog, budget.backlog), (0, 0))
        # The client has read everything that was sent, in the same reactor iteration.
        content = b""
        with contextlib.suppress(BlockingIOError):
            while data := client.recv(BUFFER, socket.MSG_DONTWAIT):
                content += data
        transport.write(b"B")
        yield server.lost
        with contextlib.suppress(ConnectionResetError):
            while data := client.recv(BUFFER):
                content += data
        self.assertEqual(content.strip(b"A"), b"")
