"""The gateway's WebSockets with an echo instead of sessions; everything else is unchanged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pycawamp.fanout.flush import FlushCycle
from pycawamp.fanout.outbox import IWriter, Outbox
from pycawamp.pv.budget import MemoryBudget
from pycawamp.sessions.limits import Limits
from pycawamp.sessions.outgoing import CloseConnection
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.refusals import RefusalCounter
from pycawamp.web.authentication import Authentication
from pycawamp.web.channel import GatewaySite, HTTPLimits
from pycawamp.web.clients import Clients
from pycawamp.web.resource import MonitorResource
from pycawamp.web.websocket import MonitorFactory, SocketLimits
from pycawamp.wire.dialect import Encoding
from pycawamp.wire.v2.dialect import VERSION_2


class EchoSession:
    """Sends received messages back."""

    is_busy = False
    dialect = VERSION_2
    subscriptions = SimpleNamespace(names=())

    def __init__(self, flush_cycle: FlushCycle, writer: IWriter) -> None:
        self.outbox = Outbox(flush_cycle, writer)
        self.outgoing = self

    def receive(self, payload: bytes, is_binary: bool) -> None:
        """Send a message of the same kind back, compressed like updates."""
        framing = self.outbox.framing
        frame = framing.binary(payload) if is_binary else framing.text(payload)
        compressed = framing.compress(frame) if framing.compress is not None else None
        self.outbox.append(frame if compressed is None else compressed)

    def process_next(self) -> None:
        """Do nothing: there is no more work for the last message."""

    def send(self, payload: bytes) -> None:
        """Send nothing: the suite expects a close frame without a message before it."""

    def reads_replies(self) -> bool:
        """Accept every message."""
        return True

    def allow_request(self) -> bool:
        """Answer every ping."""
        return True

    def close(self) -> None:
        """Send nothing more."""
        self.outbox.close()


class EchoSessions:
    """Opens echo sessions, for the WebSocket protocol."""

    def __init__(self, reactor: Any) -> None:
        self.shared = self
        self.limits = Limits()
        self.budget = MemoryBudget()
        self.refusals = RefusalCounter(reactor)
        self.budget = MemoryBudget()
        self._flush_cycle = FlushCycle(reactor)

    def open(
        self, writer: IWriter, peer: Peer, encoding: Encoding, close_connection: CloseConnection
    ) -> EchoSession:
        """Return an echo session."""
        return EchoSession(self._flush_cycle, writer)


def echo_site(reactor: Any, max_message: int) -> GatewaySite:
    """Return a site with echo sessions."""
    sessions: Any = EchoSessions(reactor)
    limits = SocketLimits(max_message=max_message, compression=True)
    factory = MonitorFactory(Clients(reactor, sessions, limits.stall_timeout), limits)
    authentication = Authentication(reactor)
    return GatewaySite(
        reactor, MonitorResource(factory, authentication), HTTPLimits(), authentication.refusals
    )
