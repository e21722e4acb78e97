"""cs-web-lib's own code, from the npm registry, against the gateway and a real IOC."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from pycawamp.config.settings import DialectSettings
from pycawamp.testing import GatewayFixture, NotSeenError, Predicate
from tests.support.dialect_case import PVWSTestCase
from tests.support.displays import DISPLAYS, need_displays
from tests.support.timing import allowed

LOADING = 60.0
"""Seconds within which the library, of some megabytes, must be loaded."""
RECORDS = """
record(ao, "$(P)level") {
    field(VAL, "1.5") field(EGU, "mm") field(HIGH, "8") field(HSV, "MINOR") field(HIHI, "9")
    field(HHSV, "MAJOR") field(PINI, "YES")
}
record(mbbo, "$(P)mode") { field(ZRST, "Idle") field(ONST, "Running") field(PINI, "YES") }
record(stringout, "$(P)text") { field(VAL, "Grüezi") field(PINI, "YES") }
record(waveform, "$(P)wave") {
    field(FTVL, "DOUBLE") field(NELM, "3") field(INP, {const:[1, 5, 2.5]}) field(PINI, "YES")
}
"""


class Library(ProcessProtocol):
    """The library in Node."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.errors = b""
        self.ended: Deferred[None] = Deferred()
        self._partial = b""
        self._position = 0
        self._waiting: tuple[Predicate, Deferred[Any]] | None = None

    def do(self, command: str, pv: str, **more: Any) -> None:
        """Send a command to the library."""
        line = json.dumps({"do": command, "pv": pv, **more})
        self.transport.write(line.encode() + b"\n")  # type: ignore[union-attr]

    def until(self, timeout: float = 20, **keys: Any) -> Deferred[Any]:
        """Fires with the library's next message with these keys."""
        found: Deferred[Any] = Deferred(lambda _: None)
        self._waiting = lambda received: received.items() >= keys.items(), found
        self._check()

        def not_seen(*_: Any) -> Any:
            raise NotSeenError(f"{keys}; the last: {self.received[-5:]} {self.errors[-2000:]!r}")

        return found.addTimeout(timeout, reactor, not_seen)

    def outReceived(self, data: bytes) -> None:
        """Handle lines."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        self.received += [json.loads(line) for line in lines]
        self._check()

    def errReceived(self, data: bytes) -> None:
        """Store errors."""
        self.errors += data

    def processEnded(self, reason: Failure) -> None:
        """Record the end of the process."""
        self.ended.callback(None)

    def stop(self) -> Deferred[None]:
        """End the process; fires when it has ended."""
        with contextlib.suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")  # type: ignore[union-attr]
        return self.ended

    def _check(self) -> None:
        while self._waiting is not None and self._position < len(self.received):
            fits, found = self._waiting
            received = self.received[self._position]
            self._position += 1
            if fits(received):
                self._waiting = None
                found.callback(received)


class CsWebLibTests(PVWSTestCase):
    """The connection of cs-web-lib."""

    timeout = allowed(150)
    dialects = DialectSettings(pvws_throttle=0.1, pvws_array_throttle=0.1)

    def setUp(self) -> None:
        """Skip if something is missing."""
        super().setUp()
        need_displays()

    @inlineCallbacks
    def start_library(self, fixture: GatewayFixture) -> Generator[Deferred[Any], Any, Library]:
        """Run it; fires when its keep-alive PV has a value."""
        library = Library()
        place = fixture.url.split("/")[2]
        command = ["node", str(DISPLAYS / "cs-web-lib.cjs"), place]
        reactor.spawnProcess(library, "node", command, env=None)
        self.addCleanup(library.stop)
        yield library.until(
            LOADING, received="value", pv="sim://flipflop(29.929)", choices=["false", "true"]
        )
        return library

    @inlineCallbacks
    def test_life(self) -> Any:
        """It shows values, alarms and rights, writes, and survives losses of any kind."""
        ioc = yield self.start_ioc(RECORDS)
        fixture = yield self.start_gateway()
        library = yield self.start_library(fixture)
        level, mode, text, wave = (
            f"ca://{self.prefix}{name}" for name in ("level", "mode", "text", "wave")
        )
        for pv, expected in (
            (level, {"number": 1.5, "units": "mm", "alarm": "valid"}),
            (mode, {"text": "Idle", "number": 0, "choices": ["Idle", "Running"]}),
            (text, {"text": "Grüezi"}),
            (wave, {"array": [1, 5, 2.5]}),
        ):
            library.do("subscribe", pv)
            yield library.until(received="connection", pv=pv, isConnected=True, isReadonly=False)
            yield library.until(received="value", pv=pv, **expected)
        # It writes text wherever it has some.
        for pv, value, expected in (
            (level, {"stringValue": "8.5"}, {"number": 8.5, "alarm": "warning", "units": "mm"}),
            (level, {"doubleValue": 9.5}, {"number": 9.5, "alarm": "alarm"}),
            (level, {"doubleValue": 2}, {"number": 2, "alarm": "valid"}),
            (mode, {"stringValue": "Running"}, {"number": 1, "text": "Running"}),
            (mode, {"stringValue": "0"}, {"number": 0, "text": "Idle"}),
            (text, {"stringValue": "42"}, {"text": "42"}),
        ):
            library.do("put", pv, value=value)
            yield library.until(received="value", pv=pv, **expected)
        yield self.kill_ioc(ioc)
        yield library.until(received="value", pv=level, text="NaN", number="NaN")
        yield self.start_ioc(RECORDS)
        yield library.until(received="value", pv=level, number=1.5, units="mm")
        # It connects again by itself, and has everything again.
        clients: Any = fixture.gateway.pages(lambda clients, _: cast(Any, clients))
        for connection in list(clients.connections):
            connection.close_connection(1001, "tested")
        yield library.until(received="connection", pv=level, isConnected=False)
        yield library.until(received="connection", pv=level, isConnected=True, isReadonly=False)
        library.do("put", level, value={"doubleValue": 3})
        yield library.until(received="value", pv=level, number=3)
        library.do("unsubscribe", level)
        yield fixture.stop()
        yield library.until(received="connection", pv=mode, isConnected=False)
