"""The composition root: what `twistd pycaserver` runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import attrs
from twisted.application.service import MultiService
from twisted.web.resource import Resource

from pycawamp.access import AccessFileError
from pycawamp.bus.edge import Edge
from pycawamp.config.command_line import refuse
from pycawamp.config.options import Options
from pycawamp.config.settings import Settings
from pycawamp.demo.process import DemoIOC
from pycawamp.pv.errors import LibraryError
from pycawamp.pv.interfaces import IBackend
from pycawamp.service.bus import bus_edge, edge_backends
from pycawamp.service.console import ConsolePages, console_configuration
from pycawamp.service.descriptors import raise_limit, within
from pycawamp.service.dialects import dialect_resources
from pycawamp.service.draining import DrainingService
from pycawamp.service.gateway import Gateway
from pycawamp.service.ports import Port, endpoint, listening_ports
from pycawamp.service.site_files import SiteFiles
from pycawamp.service.systemd import SystemdNotifier
from pycawamp.service.twistd import service_for_twistd
from pycawamp.sessions.putlog import PutLogError
from pycawamp.sessions.statistics import Statistics
from pycawamp.web.autobahn_internals import check_autobahn
from pycawamp.web.certificate import RenewedCertificate
from pycawamp.web.channel import GatewaySite, HTTPLimits
from pycawamp.web.htpasswd import LoginFileError
from pycawamp.web.internals import InternalsError
from pycawamp.web.login import LoginFiles
from pycawamp.web.metrics import Metrics
from pycawamp.web.pv_names import NamesFileError
from pycawamp.web.reports import Report, ReportPage, ReportReaders
from pycawamp.web.site import root_resource
from pycawamp.web.status import StatusReport
from pycawamp.web.twisted_internals import check_twisted


def makeService(options: Options) -> MultiService:
    """Return the service of the gateway, for twistd."""
    settings = options.settings
    return service_for_twistd(
        options.parent or {}, settings.log, lambda reactor: assemble(reactor, settings)
    )


SEARCH_VARIABLES = (
    "EPICS_CA_ADDR_LIST",
    "EPICS_CA_AUTO_ADDR_LIST",
    "EPICS_CA_NAME_SERVERS",
    "EPICS_CA_SERVER_PORT",
    "EPICS_PVA_ADDR_LIST",
    "EPICS_PVA_AUTO_ADDR_LIST",
    "EPICS_PVA_NAME_SERVERS",
    "EPICS_PVA_BROADCAST_PORT",
)
"""Environment variables that configure where Channel Access and pvAccess search for PVs."""


def search_variables() -> dict[str, str]:
    """Return the environment variables that configure where PVs are searched for."""
    return {name: os.environ[name] for name in SEARCH_VARIABLES if name in os.environ}


class App(DrainingService):
    """A whole gateway: a service with named parts."""

    def __init__(  # noqa: PLR0913 (the parts)
        self,
        *,
        files: SiteFiles,
        gateway: Gateway,
        site: GatewaySite,
        ports: Sequence[Port],
        drain_time: float,
        notifier: SystemdNotifier,
        demo: DemoIOC | None = None,
    ) -> None:
        shared = [port for port in ports if port.is_shared]
        super().__init__(gateway, drain_time, shared, notifier.stopping)
        self.files = files
        self.gateway = gateway
        self.site = site
        self.ports = tuple(ports)
        self.demo = demo
        # The files first: if they cannot be read, nothing else is started. systemd last.
        for part in (files, demo, gateway, *ports, notifier):
            if part is not None:
                part.setServiceParent(self)  # type: ignore[no-untyped-call]

    @property
    def port(self) -> Port:
        """The first port."""
        return self.ports[0]

    def statistics(self, *, each_channel: bool = True) -> Statistics:
        """Return a snapshot of the gateway and its port."""
        found = self.gateway.statistics(each_channel=each_channel)
        totals = found.totals
        logins = self.files.logins
        totals = attrs.evolve(
            totals,
            received=totals.received + self.site.received,
            logins=MappingProxyType(dict(logins.outcomes)) if logins is not None else totals.logins,
        )
        return attrs.evolve(found, totals=totals, connections=len(self.site.connections))


def assemble(reactor: Any, settings: Settings, backend: IBackend | None = None) -> App:
    """Create the gateway with its ports and, if requested, a demo IOC.

    All files are read here, before anything is opened. `backend` replaces Channel Access.
    """
    _check_libraries()
    endpoints = [endpoint(reactor, description) for description in settings.ports]
    certificates = [each.certificate for each in endpoints if each.certificate is not None]
    files = _site_files(reactor, settings, certificates)
    # Before Channel Access and pvAccess are opened, which must find only this IOC.
    demo = _demo_ioc(reactor) if settings.demo else None
    gateway = _gateway(reactor, settings, files, backend)
    console = ConsolePages(reactor, gateway, settings, files.names)
    parts_of_site = {
        "monitor": gateway.resource,
        "api/v1": gateway.api,
        "healthz": gateway.health,
        "readyz": gateway.ready,
        **dialect_resources(gateway, settings.dialects),
        **console.resources,
    }
    root = root_resource(parts_of_site, console_configuration(settings), files.authentication)
    site = GatewaySite(
        reactor, root, _http_limits(settings), files.refusals, settings.rules.proxies
    )
    site.logs_requests = settings.log.access
    # Of Twisted's own endpoints, only this one wraps the site's factory.
    site.is_wrapped = any(each.description.startswith("haproxy:") for each in endpoints)
    app = App(
        files=files,
        gateway=gateway,
        site=site,
        ports=listening_ports(endpoints, site, settings.demo),
        drain_time=settings.drain_time,
        notifier=SystemdNotifier(reactor),
        demo=demo,
    )
    console.setServiceParent(app)  # type: ignore[no-untyped-call]
    _add_reports(reactor, app, root, settings.report_readers)
    return app


def _check_libraries() -> None:
    """Exit if Twisted or Autobahn lacks the required internals."""
    try:
        check_twisted()
        check_autobahn()
    except InternalsError as error:
        refuse(str(error))


def _demo_ioc(reactor: Any) -> DemoIOC:
    """Return an IOC, the only one that this process searches for PVs."""
    demo = DemoIOC(reactor)
    os.environ.update(demo.client_environment())
    return demo


def _gateway(
    reactor: Any, settings: Settings, files: SiteFiles, backend: IBackend | None
) -> Gateway:
    edge = Edge(reactor, *bus_edge(settings.bus)) if settings.bus is not None else None
    try:
        gateway = Gateway(
            reactor,
            settings.gateway,
            backend,
            files.policy,
            files.authentication,
            backends=edge_backends(edge) if edge is not None else None,
        )
    except (LibraryError, PutLogError) as error:
        refuse(str(error))
    if edge is not None:
        gateway.readiness.source = lambda: edge.problem
    gateway.setName("gateway")  # type: ignore[no-untyped-call]
    files.govern(gateway)
    return gateway


def _add_reports(reactor: Any, app: App, root: Resource, readers: ReportReaders) -> None:
    """Add the pages about the gateway itself."""
    metrics = Metrics(reactor, partial(app.statistics, each_channel=False))
    metrics.lag.setServiceParent(app)  # type: ignore[no-untyped-call]
    reports: dict[bytes, Report] = {
        b"status": StatusReport(app, app.gateway.hub, app.gateway.decide, search_variables),
        b"metrics": lambda request, _: metrics.text(request.getHeader("accept") or ""),
    }
    for path, report in reports.items():
        root.putChild(path, ReportPage(app.files.authentication, readers, report))


def _site_files(
    reactor: Any, settings: Settings, certificates: Sequence[RenewedCertificate]
) -> SiteFiles:
    try:
        return SiteFiles(reactor, settings, certificates)
    except (AccessFileError, LoginFileError, NamesFileError) as error:
        refuse(_with_option(str(error), settings))


def _with_option(problem: str, settings: Settings) -> str:
    """Return the problem of a file, with the option that names the file."""
    logins = settings.logins or LoginFiles()
    files = {
        "pvlist": settings.pvlist,
        "access": settings.access,
        "htpasswd": logins.htpasswd,
        "jwt-key": logins.jwt_key,
        "pv-names": settings.console.names,
    }
    names = (f"--{name}: " for name, file in files.items() if problem.startswith(f"{file}:"))
    return next(names, "") + problem


def _http_limits(settings: Settings) -> HTTPLimits:
    """Return the limits of the ports, which depend on the number of file descriptors."""
    clients = settings.gateway.limits.clients
    connections = within(settings.http.connections, raise_limit(), clients)
    # A value by HTTP may be as large as one by WebSocket.
    bodies = settings.http.bodies.with_each(settings.gateway.socket.max_message)
    return attrs.evolve(settings.http, connections=connections, bodies=bodies)
