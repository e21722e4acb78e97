"""Real pvAccess servers on the loopback interface, and their environment."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from harness.pva import PVAServer
from pycawamp.access import Policy, Writers
from pycawamp.config.settings import GatewaySettings
from pycawamp.demo.ports import PVAPorts, free_ports
from pycawamp.pv.ca import _fast
from pycawamp.pv.event_queue import InboxLimits
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.interfaces import ISink
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.pva.backend import PVABackend
from pycawamp.pv.values import Metadata, Reading
from pycawamp.testing import TIMEOUT, GatewayFixture
from tests.support.process_state import set_environment
from tests.support.timing import allowed

ANYONE = Policy(puts=True, writers=Writers.ANYONE)


@implementer(ISink)
class RecordingSink:
    """Records the calls of a channel, as tuples of name and argument."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self._waiting: tuple[Any, Deferred[Any]] | None = None
        self._position = 0

    @property
    def readings(self) -> list[Reading]:
        """The received updates."""
        return [argument for call, argument in self.calls if call == "reading"]

    @property
    def described(self) -> Metadata:
        """The newest metadata."""
        received = [argument for _, argument in self.calls if isinstance(argument, Metadata)]
        return received[-1]

    def until(self, call: str, fits: Any = lambda _: True) -> Deferred[Any]:
        """Fires with the argument of the next matching call with this name, in order."""
        found: Deferred[Any] = Deferred()
        self._waiting = ((call, fits), found)
        found.addTimeout(
            3 * TIMEOUT, reactor, lambda *_: self._fail(f"no {call}; the last: {self.calls[-5:]}")
        )
        self._check()
        return found

    def _fail(self, text: str) -> None:
        raise AssertionError(text)

    def _take(self, call: str, argument: Any) -> None:
        self.calls.append((call, argument))
        self._check()

    def _check(self) -> None:
        while self._waiting is not None and self._position < len(self.calls):
            call, argument = self.calls[self._position]
            self._position += 1
            (expected_call, fits), found = self._waiting
            if call == expected_call and fits(argument):
                self._waiting = None
                found.callback(argument)

    def metadata(self, metadata: Metadata) -> None:
        self._take("metadata", metadata)

    def connection(self, connected: bool) -> None:
        self._take("connection", connected)

    def refused(self, reason: str) -> None:
        self._take("refused", reason)

    def reading(self, reading: Reading) -> None:
        self._take("reading", reading)

    def overloaded(self) -> None:
        self._take("overloaded", None)


class PVATestCase(TestCase):
    """Tests with their own servers."""

    timeout = allowed(120)
    is_compiled = True
    """Whether backends use the compiled part, if it is there."""

    def setUp(self) -> None:
        """Choose ports."""
        self.ports = PVAPorts.free()

    @inlineCallbacks
    def serve(
        self, *lines: str, ports: PVAPorts | None = None, **variables: str
    ) -> Generator[Deferred[Any], Any, PVAServer]:
        """Serve PVs of p4p, which these lines add, with environment variables of the server."""
        server: PVAServer = yield self._start(ports, "shared", **variables)
        for line in lines:
            yield server.run(line)
        return server

    @inlineCallbacks
    def serve_records(
        self,
        records: str,
        kind: str = "ioc",
        ports: PVAPorts | None = None,
        access: str = "",
    ) -> Generator[Deferred[Any], Any, PVAServer]:
        """Serve records by QSRV 2 or QSRV 1 (`ioc1`), optionally with an access security file."""
        files = [self._file(text) for text in (records, access) if text]
        server: PVAServer = yield self._start(ports, kind, *files)
        return server

    def _file(self, text: str) -> str:
        path = Path(self.mktemp())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path.absolute())

    @inlineCallbacks
    def _start(
        self, ports: PVAPorts | None, *arguments: str, **variables: str
    ) -> Generator[Deferred[Any], Any, PVAServer]:
        ports = ports or self.ports
        server: PVAServer = yield deferToThread(PVAServer, ports, *arguments, variables=variables)
        self.addCleanup(server.kill)
        return server

    def start_backend(self, *others: PVAPorts, **variables: str) -> PVABackend:
        """Run a backend that finds only this test's servers."""
        set_environment(self, {**self.ports.client_environment(*others), **variables})
        limits = InboxLimits()
        intake = _fast.load().intake(reactor, limits) if self.is_compiled else None
        inbox = Inbox(reactor, lambda: None, limits, intake)
        backend = PVABackend(reactor, None, inbox)
        backend.start()
        self.addCleanup(inbox.close)
        self.addCleanup(backend.stop)
        return backend

    @inlineCallbacks
    def start_gateway(
        self,
        settings: GatewaySettings | None = None,
        policy: Policy = ANYONE,
        with_channel_access: bool = False,
    ) -> Generator[Deferred[Any], Any, GatewayFixture]:
        """Run a gateway that finds only this test's servers."""
        set_environment(self, self.ports.client_environment())
        backend = None if with_channel_access else MemoryBackend()
        ports = free_ports() if with_channel_access else None
        fixture = GatewayFixture(reactor, settings, ports, backend, policy)
        self.addCleanup(fixture.stop)
        yield fixture.start()
        return fixture
