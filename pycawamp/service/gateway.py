"""The embeddable gateway, which has no port of its own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger
from twisted.web.resource import IResource

from pycawamp.access import IPolicy, Policy, Verdict
from pycawamp.config.settings import GatewaySettings
from pycawamp.fanout.flush import FlushCycle
from pycawamp.pv.archiver import Archiver
from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.ca import _fast
from pycawamp.pv.event_queue import InboxLimits
from pycawamp.pv.history import Histories
from pycawamp.pv.hub import PVHub
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.interfaces import IBackend
from pycawamp.service.backends import BackendFactory, Backends
from pycawamp.sessions.authorizer import decide_for
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.putlog import PutLog
from pycawamp.sessions.refusals import RefusalCounter
from pycawamp.sessions.registry import Sessions
from pycawamp.sessions.statistics import Statistics, snapshot
from pycawamp.web.api import Api
from pycawamp.web.authentication import Authentication, AuthenticationRules
from pycawamp.web.clients import Clients
from pycawamp.web.health import Health, Liveness, Readiness
from pycawamp.web.origin import Origins
from pycawamp.web.resource import MonitorResource
from pycawamp.web.sse import EventStreams
from pycawamp.web.websocket import MonitorFactory
from pycawamp.wire.dialect import Encoding
from pycawamp.wire.v2.dialect import VERSION_1


class Gateway(Service):
    """A service that makes PVs available by WebSocket and HTTP.

    Mount `resource` (WebSockets) and `api` (the HTTP API, at `api/v1`) in a twisted.web Site of
    your own. `hub` has the PVs for other subscribers.

    Args:
        reactor: Twisted's reactor.
        settings: The settings; by default `GatewaySettings()`.
        backend: Serves names without a scheme in place of Channel Access.
        policy: Decides who may read and write; by default, everybody may read and nobody may
            write.
        authentication: Authenticates clients. By default, all are anonymous, and with a policy,
            only pages of the same origin may connect.
        backends: Factories of further backends by scheme (`"x"` for `x://NAME`), or of those for
            `"ca"` and `"pva"`.

    Raises:
        LibraryError: The Channel Access library cannot be loaded.
        PutLogError: The put log cannot be written.
    """

    _log = Logger()

    def __init__(  # noqa: PLR0913 (the parts that an embedder may replace)
        self,
        reactor: Any,
        settings: GatewaySettings | None = None,
        backend: IBackend | None = None,
        policy: IPolicy | None = None,
        authentication: Authentication | None = None,
        *,
        backends: Mapping[str, BackendFactory] | None = None,
    ) -> None:
        settings = settings or GatewaySettings()
        authentication = authentication or _authentication(reactor, policy)
        self._authentication = authentication
        self.refusals: RefusalCounter = authentication.refusals
        self._fast = _fast.load()
        flush_cycle = FlushCycle(reactor, self._fast.frame_buffer)
        budget = MemoryBudget(settings.limits.memory)
        inbox_limits = InboxLimits(bytes=budget.share)
        intake = self._fast.intake(reactor, inbox_limits)
        self._inbox = Inbox(reactor, flush_cycle.flush, inbox_limits, intake)
        self._backends = Backends.create(
            reactor, self._inbox, budget, settings, backend, backends or {}
        )
        router = self._backends.router
        histories = Histories(budget, settings.history, self._fast.history)
        self.hub = PVHub(reactor, router, settings.linger, histories)
        self._backends.formulas.follow(self.hub)
        url = settings.archiver
        self._archiver = Archiver(reactor, url) if url is not None else None
        self._put_log = PutLog(settings.put_log)
        self._put_log.check()
        self._sessions = Sessions(
            reactor,
            self.hub,
            router,
            flush_cycle,
            policy=policy or Policy(),
            put_log=self._put_log,
            connect_timeout=settings.connect_timeout,
            limits=settings.limits,
            refusals=self.refusals,
            budget=budget,
            archiver=self._archiver,
        )
        self._clients = Clients(reactor, self._sessions, settings.socket.stall_timeout)
        self._sockets = MonitorFactory(self._clients, settings.socket)
        self._streams = EventStreams(self._clients, settings.socket.ping_interval)
        self.api: IResource = Api(self._clients, authentication, self._streams)
        self.resource: IResource = self.resource_for(VERSION_1)
        self.readiness = Readiness()
        """Whether load balancers should send clients to this gateway."""
        liveness = Liveness(reactor, self.check)
        self.health: IResource = Health(liveness)
        self.ready: IResource = Health(liveness, self.readiness)

    def startService(self) -> None:
        """Open the put log and the backends.

        Under twistd, call it after the fork, which the threads of Channel Access would not survive.

        Raises:
            PutLogError: The put log cannot be written.
        """
        self._put_log.open()
        self._log.info("Updates are handled {how}", how=str(self._fast))
        super().startService()  # type: ignore[no-untyped-call]
        self.hub.startService()
        self.readiness.started = True

    def resource_for(self, encoding: Encoding) -> IResource:
        """Return a resource for WebSocket connections in a dialect.

        Args:
            encoding: The dialect, and the initial options.
        """
        return MonitorResource(self._sockets, self._authentication, encoding)

    def pages(self, make: Callable[[Clients, Authentication], IResource]) -> IResource:
        """Return the result of `make`, which gets the clients and their authentication."""
        return make(self._clients, self._authentication)

    @property
    def clients(self) -> int:
        """The number of connected clients."""
        return len(self._sessions)

    def statistics(self, *, each_channel: bool = True) -> Statistics:
        """Return a snapshot: clients, channels, refusals, memory.

        Args:
            each_channel: Whether to list channels, which takes about 1 ms per 1,000; otherwise they
                are only counted.
        """
        found = snapshot(self.hub, self._sessions, self._inbox, each_channel=each_channel)
        clients = self._clients
        totals = attrs.evolve(
            found.totals,
            dropped=clients.slow_consumers.dropped,
            received=clients.read_scheduler.received,
            overruns=self._backends.pva.overruns,
        )
        conflated = found.inbox_conflated + self._backends.pva.conflated
        return attrs.evolve(found, totals=totals, inbox_conflated=conflated)

    def decide(self, name: str, user: str | None, host: str) -> Verdict:
        """Return what a user at an address may do with a PV, and the name of its channel.

        Raises:
            BadMessageError: No backend serves the scheme of the name.
        """
        return decide_for(self._sessions.shared, Peer(host=host, user=user), name)

    def check(self) -> Deferred[None]:
        """Return a Deferred that fires when the backends work: no call of libca hangs."""
        return self._backends.router.check()

    def reauthorize(self) -> None:
        """Apply a changed policy: end open subscriptions that are no longer allowed."""
        self._clients.check_clients()
        self._sessions.reauthorize()

    def check_clients(self) -> None:
        """Close the connections of users and pages that may no longer connect."""
        self._clients.check_clients()

    def drain(self, seconds: float) -> Deferred[None]:
        """Close the clients' connections (1001), spread over a number of seconds.

        Returns:
            A Deferred that fires when all close frames have been sent. `stopService` closes the
            rest.
        """
        self.readiness.draining = True
        return self._clients.drain(seconds)

    @inlineCallbacks
    def stopService(self) -> Generator[Deferred[None], None, None]:
        """Disconnect the clients, then close all channels."""
        super().stopService()  # type: ignore[no-untyped-call]
        self.readiness.draining = True
        yield self._clients.close_all()
        self._streams.close()
        self._sessions.close()
        if self._archiver is not None:
            yield self._archiver.close()
        yield self.hub.stopService()
        self._inbox.close()
        self._put_log.close()
        if self._inbox.conflated or self._sessions.conflated:
            self._log.info(
                "Updates replaced by newer ones: {inbox} under load, {clients} for slow clients",
                inbox=self._inbox.conflated,
                clients=self._sessions.conflated,
            )
        if self.refusals.counts:
            self._log.info("Refused requests: {refusals}", refusals=str(self.refusals))


def _authentication(reactor: Any, policy: IPolicy | None) -> Authentication:
    if policy is None:
        return Authentication(reactor)
    # The host names are known only to the application.
    return Authentication(reactor, AuthenticationRules(origins=Origins(restricted=True)))
