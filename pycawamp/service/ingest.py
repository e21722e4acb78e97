"""The service of `twistd pycaserver-ingest`: PVs from IOCs, published on the bus."""

from __future__ import annotations

import atexit
import os
from collections.abc import Generator
from functools import partial
from typing import Any

import attrs
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from pycawamp.access import AccessFileError
from pycawamp.access.interfaces import IPolicy
from pycawamp.access.watch import PolicyWatcher
from pycawamp.bus.client import NATSClient
from pycawamp.bus.control import PutRequest
from pycawamp.bus.ingest import Ingest
from pycawamp.config.command_line import refuse
from pycawamp.config.options import IngestOptions as Options
from pycawamp.config.settings import IngestSettings
from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.ca import _fast
from pycawamp.pv.ca.backend import CABackend
from pycawamp.pv.errors import LibraryError
from pycawamp.pv.event_queue import InboxLimits
from pycawamp.pv.hub import PVHub
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.pva.backend import PVABackend
from pycawamp.pv.router import Router
from pycawamp.service.backends import CA, PVA
from pycawamp.service.bus import client_settings
from pycawamp.service.signals import HangupReloader
from pycawamp.service.site_files import access_files
from pycawamp.service.systemd import SystemdNotifier
from pycawamp.service.twistd import service_for_twistd
from pycawamp.sessions.putlog import PutLog, PutLogError, PutRecord
from pycawamp.wire.names import checked_name

NAMESAKE = 1
"""The exit status of an ingest if another one has the same name."""


def makeService(options: Options) -> MultiService:
    """Return the service of the ingest, for twistd."""
    settings = options.settings
    return service_for_twistd(
        options.parent or {}, settings.log, lambda reactor: IngestApp(reactor, settings)
    )


class IngestApp(MultiService):
    """A whole ingest: a service that hands over its edges before it stops."""

    _log = Logger()

    def __init__(self, reactor: Any, settings: IngestSettings) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor = reactor
        files = _policy(reactor, settings)
        self._put_log = PutLog(settings.gateway.put_log)
        budget = MemoryBudget(settings.gateway.limits.memory)
        limits = InboxLimits(bytes=budget.share)
        fast = _fast.load()
        intake = fast.intake(reactor, limits)
        self._inbox = Inbox(reactor, lambda: None, limits, intake)
        try:
            self._put_log.check()
            backend = CABackend(reactor, self._inbox, False, budget)
        except (LibraryError, PutLogError) as error:
            refuse(str(error))
        router = Router(
            {CA: backend, PVA: PVABackend(reactor, budget, self._inbox)},
            settings.gateway.default_provider,
        )
        self.hub = PVHub(reactor, router, settings.gateway.linger)
        files.follow(self.hub)
        client = NATSClient(reactor, client_settings(settings.bus))
        self.ingest = Ingest(
            reactor,
            client,
            self.hub,
            name=settings.bus.name,
            rules=PolicyRules(files, router, self._put_log),
            max_channels=settings.gateway.limits.channels,
            conflict=self._end,
            make_buffer=fast.frame_buffer,
        )
        files.listen(lambda _policy: self.ingest.edges.reauthorize())
        notifier = SystemdNotifier(reactor)
        reloader = HangupReloader(reactor, [files.reload])
        for part in (files, self.hub, self.ingest, client, reloader, notifier):
            part.setServiceParent(self)  # type: ignore[no-untyped-call]
        self._notifier = notifier

    def startService(self) -> None:
        """Open the put log, and start all parts."""
        try:
            self._put_log.open()
        except PutLogError as error:
            raise RuntimeError(str(error)) from None
        super().startService()  # type: ignore[no-untyped-call]

    @inlineCallbacks
    def stopService(self) -> Generator[Deferred[Any], Any, None]:
        """Hand over the edges to other ingests, then stop."""
        self._notifier.stopping()
        yield self.ingest.leave()
        yield super().stopService()  # type: ignore[no-untyped-call]
        self._inbox.close()
        self._put_log.close()

    def _end(self) -> None:
        self._log.critical("Another ingest has the same name; names must be unique")
        # twistd itself can only exit with the status of a signal.
        atexit.register(os._exit, NAMESAKE)
        self._reactor.stop()


@attrs.frozen
class PolicyRules:
    """Decides by this machine's access files what edges may read and write, and logs their puts."""

    _policy: IPolicy
    _router: Router
    _log: PutLog

    def channel_name(self, name: str) -> str:
        """Return the name of a PV's channel; raises UnknownSchemeError."""
        parsed = self._router.parse(checked_name(name))
        return self._router.channel_name(parsed.scheme, parsed.bare)

    def may_read(self, edge: str, name: str) -> bool:
        """Return whether an edge may read a PV: as a user with its name, without an address."""
        bare = self._router.bare(name)
        verdict = self._policy.decide(edge, "", None, bare)
        return verdict.read and verdict.real_name == bare

    def refusal(self, request: PutRequest) -> str | None:
        """Return why a put is refused; None if it is not."""
        by = request.by
        verdict = self._policy.decide(by.user, by.host, by.host_name, by.pv)
        bare = self._router.parse(request.name).bare
        if verdict.write and verdict.real_name == bare:
            return None
        return "the ingest does not let you write it"

    def log(self, edge: str, request: PutRequest, outcome: str) -> None:
        """Log a put and its outcome."""
        by = request.by
        client = f"{by.host} by {edge}"
        record = PutRecord.of(by.user, client, self._router.bare(request.name), request.value)
        self._log.write(record, outcome)


def _policy(reactor: Any, settings: IngestSettings) -> PolicyWatcher:
    in_thread = partial(deferToThreadPool, reactor, reactor.getThreadPool())
    try:
        return PolicyWatcher(access_files(settings), reactor, run=in_thread)
    except AccessFileError as error:
        refuse(str(error))
