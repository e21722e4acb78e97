"""Recorded bytes of real servers, and connections of the client that receive them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import attrs
from twisted.internet.testing import StringTransport

from pycawamp.pv.ca import _fast
from pycawamp.pv.errors import PVError
from pycawamp.pv.event_queue import InboxLimits
from pycawamp.pv.inbox import SHORT_PAUSE, Inbox
from pycawamp.pv.interfaces import IHandle
from pycawamp.pv.pva.backend import PVABackend
from pycawamp.pv.pva.environment import Address
from pycawamp.pv.pva.wire import LITTLE, Reader, text
from tests.support.libca_events import PollingReactor
from tests.support.pva_case import RecordingSink

FOLDER = Path(__file__).parent / "recorded"
SERVERS = ("qsrv2", "qsrv1", "p4p", "big_endian")


class Step(NamedTuple):
    """A step of a recording: `data` was received, or a `get` or `put` of a PV was requested."""

    kind: str
    data: bytes = b""
    name: str = ""
    value: Any = None


@attrs.frozen
class Recording:
    """All data from a server, and the client's requests in between."""

    names: tuple[str, ...]
    """The PVs that were opened at first."""
    steps: tuple[Step, ...]

    def write(self, server: str) -> None:
        """Store it."""
        steps = [(step.kind, step.data.hex(), step.name, step.value) for step in self.steps]
        raw = json.dumps({"names": self.names, "steps": steps}).encode()
        (FOLDER / f"{server}.json.gz").write_bytes(gzip.compress(raw, mtime=0))


def recording(server: str) -> Recording:
    """Return the recording of one of SERVERS."""
    content = json.loads(gzip.decompress((FOLDER / f"{server}.json.gz").read_bytes()))
    steps = [
        Step(kind, bytes.fromhex(data), name, value) for kind, data, name, value in content["steps"]
    ]
    return Recording(tuple(content["names"]), tuple(steps))


class Transport(StringTransport):
    """A transport for the protocol of a TCP connection."""

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Do nothing."""


class ConnectingReactor(PollingReactor):
    """A reactor whose connections are established at once."""

    def __init__(self) -> None:
        super().__init__()
        self.connections: dict[Address, Any] = {}
        """The protocols, by their servers."""

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float) -> None:
        """Connect."""
        protocol = self.connections[host, port] = factory.buildProtocol(None)
        protocol.makeConnection(Transport())


class Replay:
    """A client that receives recorded bytes of servers."""

    def __init__(self, is_compiled: bool) -> None:
        self.clock = ConnectingReactor()
        limits = InboxLimits()
        intake = _fast.load().intake(self.clock, limits) if is_compiled else None
        self.inbox = Inbox(self.clock, lambda: None, limits, intake)
        self.inbox.open()
        self.backend = PVABackend(self.clock, None, self.inbox)
        self._searches = 0

    def connect(self, host: str, names: Sequence[str]) -> Connection:
        """Open PVs of a server."""
        address = (host, 5075)
        sinks = {name: RecordingSink() for name in names}
        handles = {name: self.backend.open(name, sink) for name, sink in sinks.items()}
        for _ in names:
            self._searches += 1
            self.backend.searcher.answered(search_answer(self._searches, address), host)
        return Connection(self, address, sinks, handles)

    def iterate(self) -> None:
        """Run all pending calls."""
        for _ in range(6):
            self.clock.poll()
            # After a few small slices, the inbox in Python pauses.
            self.clock.advance(SHORT_PAUSE)

    def end(self) -> None:
        """Close everything."""
        for protocol in self.clock.connections.values():
            protocol.close()
        self.inbox.close()


class Connection:
    """The client's connection to one server."""

    def __init__(
        self,
        replay: Replay,
        address: Address,
        sinks: dict[str, RecordingSink],
        handles: dict[str, IHandle],
    ) -> None:
        self.sinks = sinks
        self.answers: list[Any] = []
        """The results of gets and puts: readings, None, or errors."""
        self._replay = replay
        self._protocol = replay.clock.connections[address]
        self._handles = handles

    @property
    def is_open(self) -> bool:
        """Return whether the client has not closed it."""
        return not self._protocol.transport.disconnected

    @property
    def received(self) -> list[str]:
        """The calls of the sinks of all PVs."""
        calls = [(name, call) for name, sink in self.sinks.items() for call in sink.calls]
        return [*map(repr, calls), *map(repr, self.answers)]

    def close(self) -> None:
        """Close all PVs; the connection stays for some time."""
        while self._handles:
            self._handles.popitem()[1].close()
        self._replay.iterate()

    def take(self, step: Step) -> None:
        """Execute a step of the recording."""
        if step.kind == "data":
            if self.is_open:
                self._protocol.dataReceived(step.data)
        else:
            handle = self._handles[step.name]
            answer = handle.get() if step.kind == "get" else handle.put(step.value, True)
            answer.addErrback(lambda failure: failure.trap(PVError) and failure.value)
            answer.addCallback(self.answers.append)
        self._replay.iterate()


def search_answer(search: int, address: Address) -> Reader:
    """Return the reply to a search."""
    host = bytes(10) + b"\xff\xff" + bytes(map(int, address[0].split(".")))
    head = bytes(12 + 4) + host + LITTLE.u16.pack(address[1]) + text("tcp", LITTLE)
    payload = head + b"\x01" + LITTLE.u16.pack(1) + LITTLE.u32.pack(search)
    return Reader(payload, 0, len(payload), LITTLE)
