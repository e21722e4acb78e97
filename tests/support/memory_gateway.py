"""A gateway without sockets, EPICS or real time: what the tests of the first tier start from."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from zope.interface import implementer

from pycawamp.access import IPolicy, Policy
from pycawamp.fanout.flush import FlushCycle
from pycawamp.fanout.outbox import IWriter
from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.formula.backend import FormulaBackend
from pycawamp.pv.history import Histories
from pycawamp.pv.hub import PVHub
from pycawamp.pv.interfaces import ISink, ISubscriber, PVState
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.router import FORMULA, Router
from pycawamp.pv.values import Metadata, Reading
from pycawamp.sessions.limits import Limits
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.putlog import PutLog
from pycawamp.sessions.registry import Sessions
from pycawamp.sessions.session import Session
from pycawamp.web.frames import WEBSOCKET
from pycawamp.wire.v2.dialect import VERSION_1
from tests.support.websocket_frames import text_payloads

CONNECT_TIMEOUT = 5.0
LINGER = 10.0


class SteppingReactor(Clock):
    """A clock that also takes calls from threads, and counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.wakes = 0

    def callFromThread(self, function: Callable[..., Any], *args: Any) -> None:
        """Have a call made at the next turn."""
        self.wakes += 1
        self.callLater(0, function, *args)

    def pass_time(self, seconds: float) -> None:
        """Let time pass within a call, as work does."""
        self.rightNow += seconds

    def flush_cycle(self) -> None:
        """Make the calls that are due, and those that they make due."""
        self.advance(0)


@implementer(IWriter)
class Page:
    """A browser's page: takes whole frames, as a socket does, and reads them."""

    backlog = 0
    framing = WEBSOCKET

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Take frames."""
        self.writes.append(data)

    @property
    def payloads(self) -> list[bytes]:
        """The payloads of all frames so far."""
        return text_payloads(b"".join(self.writes))

    @property
    def messages(self) -> list[Any]:
        """All messages so far."""
        return [json.loads(payload) for payload in self.payloads]

    def take(self) -> list[Any]:
        """The messages since the last time."""
        messages = self.messages
        self.writes.clear()
        return messages


class MemoryGateway:
    """Sessions over in-memory PVs, on a clock that the test moves."""

    def __init__(
        self,
        policy: IPolicy | None = None,
        limits: Limits | None = None,
        backend: MemoryBackend | None = None,
        put_log: PutLog | None = None,
        history: float = 0,
    ) -> None:
        self.clock = SteppingReactor()
        self.backend = backend or MemoryBackend(now=lambda: 1.5)
        formulas = FormulaBackend(self.clock)
        router = Router({"ca": self.backend, FORMULA: formulas}, default="ca", own=[FORMULA])
        self.budget = MemoryBudget()
        self.hub = PVHub(self.clock, router, LINGER, Histories(self.budget, history))
        formulas.follow(self.hub)
        self.hub.startService()
        self.sessions = Sessions(
            self.clock,
            self.hub,
            router,
            FlushCycle(self.clock),
            policy=policy or Policy(),
            put_log=put_log or PutLog(None),
            connect_timeout=CONNECT_TIMEOUT,
            limits=limits,
        )

    def open(self) -> tuple[Session, Page]:
        """One client more."""
        page = Page()
        return self.sessions.open(page, Peer("test"), VERSION_1), page

    def flush_cycle(self) -> None:
        """End the reactor's turn."""
        self.clock.flush_cycle()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)


def send_request(session: Session, action: str, pv: str, **more: Any) -> None:
    """Send a session a request."""
    session.receive(json.dumps({"action": action, "pv": pv, **more}).encode())


@implementer(ISink)
class SinkRecorder:
    """A sink that keeps what it heard."""

    def __init__(self) -> None:
        self.received: list[tuple[str, Any]] = []

    def metadata(self, metadata: Metadata) -> None:
        """Hear what a channel says of itself."""
        self.received.append(("metadata", metadata))

    def connection(self, connected: bool) -> None:
        """Hear that a channel connected or was lost."""
        self.received.append(("connection", connected))

    def refused(self, reason: str) -> None:
        """Hear that the IOC does not send the value."""
        self.received.append(("refused", reason))

    def reading(self, reading: Reading) -> None:
        """Hear one update."""
        self.received.append(("reading", reading.value))

    def overloaded(self) -> None:
        """Hear that no values will come."""
        self.received.append(("overloaded", None))


@implementer(ISubscriber)
class Listener:
    """A subscriber that keeps what it heard."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str, Any]] = []

    def metadata(self, pv: PVState, metadata: Metadata) -> None:
        """Hear what a PV says of itself."""
        self.received.append(("metadata", pv.name, metadata))

    def connection(self, pv: PVState, connected: bool) -> None:
        """Hear that a PV connected or was lost."""
        self.received.append(("connection", pv.name, connected))

    def reading(self, pv: PVState, reading: Reading) -> None:
        """Hear one update."""
        self.received.append(("reading", pv.name, reading.value))

    def take(self) -> list[tuple[str, str, Any]]:
        """What it heard since the last time, but for metadata."""
        received, self.received = self.received, []
        return [each for each in received if each[0] != "metadata"]
