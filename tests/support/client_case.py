"""Base class of tests of the client: a gateway that can be restarted, a listener."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import attrs
import numpy as np
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site
from zope.interface import implementer
from zope.interface.verify import verifyObject

from pycawamp.access import Policy, Writers
from pycawamp.access.interfaces import IPolicy, Verdict
from pycawamp.client import (
    Backoff,
    GatewayClient,
    GatewayError,
    History,
    IListener,
    State,
    Update,
)
from pycawamp.config.settings import GatewaySettings
from pycawamp.demo.ports import LOOPBACK
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.values import FieldType, Metadata
from pycawamp.service.gateway import Gateway
from pycawamp.testing import NotSeenError
from tests.support.timing import TIMEOUT, allowed

ANYONE = Policy(puts=True, writers=Writers.ANYONE)
HASTY = Backoff(first=0.02, longest=0.1)
"""For tests that wait for a gateway to come back."""

Event = tuple[str, str, Any]


@implementer(IPolicy)
@attrs.mutable
class Secretive:
    """A policy: nobody may read PVs named `secret…`, everybody may write all others."""

    secret: str = "secret"

    def decide(self, user: str | None, host: str, host_name: str | None, pv: str) -> Verdict:
        """Decide by the name."""
        open_to_all = self.secret not in pv
        return Verdict(open_to_all, open_to_all, pv, False, ())


@implementer(IListener)
class Recorder:
    """A listener that records all calls, and waits for further ones."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        """Kind, name and content of each call."""
        self._waiting: list[tuple[Callable[[Event], bool], Deferred[Event]]] = []
        self._position = 0

    def connection(self, name: str, connected: bool) -> None:
        """Record the call."""
        self._record("connection", name, connected)

    def metadata(self, name: str, metadata: Metadata) -> None:
        """Record the call."""
        self._record("metadata", name, metadata)

    def history(self, name: str, history: History) -> None:
        """Record the call."""
        self._record("history", name, history)

    def update(self, name: str, update: Update) -> None:
        """Record the call."""
        self._record("update", name, update)

    def error(self, name: str, error: GatewayError) -> None:
        """Record the call."""
        self._record("error", name, error)

    def until(self, kind: str, fits: Callable[[Any], object] = lambda _: True) -> Deferred[Any]:
        """Fires with the content of the next such call; skips other calls."""
        found: Deferred[Any] = Deferred()
        found.addTimeout(TIMEOUT, reactor, lambda *_: self._not_seen(kind))
        self._waiting.append((lambda event: event[0] == kind and bool(fits(event[2])), found))
        self._check_waiting()
        return found

    def until_value(self, value: Any) -> Deferred[Update]:
        """Fires with the next update that has this value."""
        return self.until("update", lambda update: np.array_equal(update.value, value))

    @property
    def kinds(self) -> list[str]:
        """The kinds of all calls."""
        return [kind for kind, _, _ in self.events]

    @property
    def values(self) -> list[Any]:
        """The values of all updates."""
        return [content.value for kind, _, content in self.events if kind == "update"]

    def _record(self, kind: str, name: str, content: Any) -> None:
        self.events.append((kind, name, content))
        self._check_waiting()

    def _check_waiting(self) -> None:
        while self._waiting and self._position < len(self.events):
            event = self.events[self._position]
            self._position += 1
            fits, found = self._waiting[0]
            if fits(event):
                self._waiting.pop(0)
                found.callback(event[2])

    def _not_seen(self, kind: str) -> Any:
        raise NotSeenError(f"no such {kind}; received: {self.events[-10:]}")


class ClientTestCase(TestCase):
    """Tests with a gateway over in-memory PVs, which can be stopped and started again."""

    timeout = allowed(60)
    settings = GatewaySettings(connect_timeout=0.1)

    def setUp(self) -> None:
        """Create the PVs."""
        self.backend = MemoryBackend()
        self.backend.add("X", 1.5, Metadata(FieldType.DOUBLE, 1, "ioc:5064", precision=2))
        self.backend.add("A", np.array([1.0, np.nan, 3.0]))
        self.backend.add("S", ["one", "two"])
        states = Metadata(FieldType.ENUM, 1, enum_strs=("Idle", "Busy"))
        self.backend.add("M", 1, states)
        self.url = ""
        self.port = 0
        self._listening: Any = None
        self._gateway: Gateway | None = None

    @inlineCallbacks
    def start(self, policy: IPolicy = ANYONE) -> Generator[Deferred[Any], Any, None]:
        """Start the gateway, on the same port as before, if there was one."""
        self._gateway = gateway = Gateway(reactor, self.settings, self.backend, policy)
        gateway.startService()
        root = Resource()
        root.putChild(b"monitor", gateway.resource)
        self.site = site = Site(root)
        site.noisy = False
        endpoint = TCP4ServerEndpoint(reactor, self.port, interface=LOOPBACK)
        self._listening = yield endpoint.listen(site)
        self.port = self._listening.getHost().port
        self.url = f"ws://{LOOPBACK}:{self.port}/monitor"
        self.addCleanup(self.stop)

    @inlineCallbacks
    def stop(self) -> Generator[Deferred[Any], Any, None]:
        """Stop the gateway, and free the port."""
        gateway, self._gateway = self._gateway, None
        if gateway is not None:
            yield self._listening.stopListening()
            yield gateway.stopService()

    def client(self, **options: Any) -> GatewayClient:
        """Return a client of the gateway, which is closed after the test."""
        client = GatewayClient(reactor, self.url, **{"backoff": HASTY, **options})
        self.addCleanup(client.close)
        return client

    def listen(self, client: GatewayClient, name: str, **options: Any) -> Recorder:
        """Subscribe a new listener to a PV."""
        recorder = Recorder()
        verifyObject(IListener, recorder)
        client.subscribe(name, recorder, **options)
        return recorder

    @inlineCallbacks
    def code_of(self, request: Deferred[Any]) -> Generator[Deferred[Any], Any, str]:
        """Fires with the code of the error with which a request fails."""
        error = yield self.assertFailure(request, GatewayError)
        return str(error.code)


class StateWatcher:
    """Waits for the states of a client: its `on_state`."""

    def __init__(self) -> None:
        self.seen: list[State] = []
        self._waiting: list[tuple[State, Deferred[None]]] = []

    def __call__(self, client: GatewayClient) -> None:
        """Record a change."""
        self.seen.append(client.state)
        waiting, self._waiting = self._waiting, []
        for state, found in waiting:
            if state is client.state:
                found.callback(None)
            else:
                self._waiting.append((state, found))

    def next(self, state: State) -> Deferred[None]:
        """Fires when the client enters this state the next time."""
        found: Deferred[None] = Deferred()
        self._waiting.append((state, found))
        return found.addTimeout(TIMEOUT, reactor)
