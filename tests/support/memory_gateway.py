"""Base of the tests of the first tier: a gateway without sockets, EPICS and real time."""

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
    """A clock that also accepts calls from threads, and counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.wakes = 0

    def callFromThread(self, function: Callable[..., Any], *args: Any) -> None:
        """Schedule a call for the next iteration."""
        self.wakes += 1
        self.callLater(0, function, *args)

    def pass_time(self, seconds: float) -> None:
        """Advance the time within a call, like work."""
        self.rightNow += seconds

    def flush_cycle(self) -> None:
        """Make the calls that are due, including those that they schedule."""
        self.advance(0)


@implementer(IWriter)
class Page:
    """A browser's page: accepts complete frames, like a socket, and parses them."""

    backlog = 0
    framing = WEBSOCKET

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Accept frames."""
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
        """Return the messages since the last call."""
        messages = self.messages
        self.writes.clear()
        return messages


class MemoryGateway:
    """Sessions over in-memory PVs, with a clock that the test advances."""

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
        """Open a session for another client."""
        page = Page()
        return self.sessions.open(page, Peer("test"), VERSION_1), page

    def flush_cycle(self) -> None:
        """End the reactor iteration."""
        self.clock.flush_cycle()

    def advance(self, seconds: float) -> None:
        """Advance the time."""
        self.clock.advance(seconds)


def send_request(session: Session, action: str, pv: str, **more: Any) -> None:
    """Send a request to a session."""
    session.receive(json.dumps({"action": action, "pv": pv, **more}).encode())


@implementer(ISink)
class SinkRecorder:
    """A sink that records all calls."""

    def __init__(self) -> None:
        self.received: list[tuple[str, Any]] = []

    def metadata(self, metadata: Metadata) -> None:
        """Record metadata of the channel."""
        self.received.append(("metadata", metadata))

    def connection(self, connected: bool) -> None:
        """Record that the channel connected or was lost."""
        self.received.append(("connection", connected))

    def refused(self, reason: str) -> None:
        """Record that the IOC does not send the value."""
        self.received.append(("refused", reason))

    def reading(self, reading: Reading) -> None:
        """Record an update."""
        self.received.append(("reading", reading.value))

    def overloaded(self) -> None:
        """Record that there will be no values."""
        self.received.append(("overloaded", None))


@implementer(ISubscriber)
class Listener:
    """A subscriber that records all calls."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str, Any]] = []

    def metadata(self, pv: PVState, metadata: Metadata) -> None:
        """Record metadata of the PV."""
        self.received.append(("metadata", pv.name, metadata))

    def connection(self, pv: PVState, connected: bool) -> None:
        """Record that the PV connected or was lost."""
        self.received.append(("connection", pv.name, connected))

    def reading(self, pv: PVState, reading: Reading) -> None:
        """Record an update."""
        self.received.append(("reading", pv.name, reading.value))

    def take(self) -> list[tuple[str, str, Any]]:
        """Return the calls since the last time, except for metadata."""
        received, self.received = self.received, []
        return [each for each in received if each[0] != "metadata"]
