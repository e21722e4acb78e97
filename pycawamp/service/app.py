"""The composition root: what `twistd pycaserver` runs."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Any

import attrs
from twisted.application.service import IService, MultiService, Service
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Site

from pycawamp.access import AccessFileError
from pycawamp.config.options import Options, refuse
from pycawamp.config.settings import Settings
from pycawamp.demo.process import DemoIOC, free_ports
from pycawamp.demo.records import RECORDS
from pycawamp.pv.errors import LibraryError
from pycawamp.pv.interfaces import IBackend
from pycawamp.service.clock import use_monotonic_clock
from pycawamp.service.descriptors import raise_limit, within
from pycawamp.service.dialects import add_dialects
from pycawamp.service.garbage import ShortCollections
from pycawamp.service.gateway import Gateway
from pycawamp.service.site_files import SiteFiles
from pycawamp.service.start import StartError, StartReporter, check_user
from pycawamp.sessions.putlog import PutLogError
from pycawamp.web.certificate import RenewedCertificate, tls_endpoint
from pycawamp.web.channel import GatewaySite, HTTPLimits
from pycawamp.web.htpasswd import LoginFileError
from pycawamp.web.site import root_resource


def makeService(options: Options) -> MultiService:
    """The whole gateway, for twistd."""
    # Here, not above: importing it installs it, and embedders choose their own.
    from twisted.internet import reactor  # noqa: PLC0415

    check_user(options.parent or {})
    use_monotonic_clock(reactor)
    service = StartReporter()
    assemble(reactor, options.settings).setServiceParent(service)
    ShortCollections(reactor).setServiceParent(service)  # type: ignore[no-untyped-call]
    return service


def assemble(reactor: Any, settings: Settings, backend: IBackend | None = None) -> MultiService:
    """The gateway with its port and, if asked for, a demo IOC.

    All files are read here, before anything is opened. `backend` is where the PVs come from,
    if not by Channel Access.
    """
    endpoint, certificate = _endpoint(reactor, settings.port)
    admission = _admission(reactor, settings, certificate)
    parts: list[IService] = [admission]
    if settings.demo:
        ports = free_ports()
        # Before Channel Access is opened: it is to see this IOC and no other.
        os.environ.update(ports.client_environment())
        parts.append(DemoIOC(reactor, ports))
    try:
        gateway = Gateway(
            reactor, settings.gateway, backend, admission.policy, admission.authentication
        )
    except (LibraryError, PutLogError) as error:
        refuse(str(error))
    gateway.setName("gateway")  # type: ignore[no-untyped-call]
    admission.govern(gateway)
    root = root_resource(
        gateway.resource, gateway.api, _configuration(settings), admission.authentication
    )
    add_dialects(root, gateway, settings.dialects)
    site = GatewaySite(
        reactor, root, _http_limits(settings), admission.refusals, settings.rules.proxies
    )
    # Of Twisted's own endpoints the only one that puts a factory around the site.
    site.is_wrapped = settings.port.startswith("haproxy:")
    port = Port(endpoint, settings.port, site, settings.demo)
    whole = MultiService()
    # The files first: nothing else has started if they cannot be read.
    for part in (*parts, gateway, port):
        part.setServiceParent(whole)
    return whole


def _admission(
    reactor: Any, settings: Settings, certificate: RenewedCertificate | None
) -> SiteFiles:
    try:
        return SiteFiles(reactor, settings, certificate)
    except (AccessFileError, LoginFileError) as error:
        refuse(str(error))


def _http_limits(settings: Settings) -> HTTPLimits:
    """The limits of the port, within what file descriptors allow."""
    clients = settings.gateway.limits.clients
    connections = within(settings.http.connections, raise_limit(), clients)
    # A value by HTTP may be as large as one by WebSocket.
    bodies = settings.http.bodies.with_each(settings.gateway.socket.max_message)
    return attrs.evolve(settings.http, connections=connections, bodies=bodies)


def _configuration(settings: Settings) -> dict[str, Any]:
    """What the console needs to know of this gateway."""
    return {
        "version": version("pycaserver"),
        "puts": settings.writers is not None,
        "demo": list(RECORDS.items()) if settings.demo else [],
    }


def _endpoint(
    reactor: Any, description: str
) -> tuple[IStreamServerEndpoint, RenewedCertificate | None]:
    try:
        if description.startswith("ssl:"):
            return tls_endpoint(reactor, description)
        return serverFromString(reactor, description), None
    except Exception as error:
        # An endpoint's parser raises whatever it stumbles over.
        reason = str(error) if isinstance(error, ValueError) else repr(error)
        refuse(f"--port: {description} is no endpoint that can be used: {reason}")


class Port(Service):
    """Listens while the service runs; raises StartError if it cannot."""

    _log = Logger()
    _port: IListeningPort | None = None

    def __init__(
        self, endpoint: IStreamServerEndpoint, description: str, site: Site, demo: bool
    ) -> None:
        self._endpoint = endpoint
        self._description = description
        self.site = site
        self._demo = demo
        self._listening: Deferred[IListeningPort] | None = None
        self.setName("port")  # type: ignore[no-untyped-call]

    @property
    def address(self) -> Any:
        """Where it listens; None while it does not."""
        return self._port.getHost() if self._port is not None else None

    def privilegedStartService(self) -> None:
        """Listen: before twistd gives root's rights up."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._listen()

    def startService(self) -> None:
        """Log where clients find it; listen first, where nobody called privilegedStartService."""
        super().startService()  # type: ignore[no-untyped-call]
        if self._listening is None:
            self._listen()
        if self._listening is not None:
            self._listening.addCallback(self._announce)

    def stopService(self) -> Deferred[Any]:
        """Listen no more; fires when the port is free."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._listening is None:
            return succeed(None)
        listening, self._listening, self._port = self._listening, None, None
        return listening.addCallback(lambda port: port.stopListening())

    def _listen(self) -> None:
        failures: list[Failure] = []
        self._listening = self._endpoint.listen(self.site)
        self._listening.addCallbacks(self._opened, failures.append)
        if failures:
            error = failures[0].value
            reason = error.socketError if isinstance(error, CannotListenError) else error
            raise StartError(f"cannot listen on {self._description}: {reason}")

    def _opened(self, port: IListeningPort) -> IListeningPort:
        self._port = port
        return port

    def _announce(self, port: IListeningPort) -> IListeningPort:
        where = web_address(self._description, port.getHost())
        self._log.info("pycaserver is ready: open {where}", where=where)
        if self._demo:
            self._log.info("{text}", text=demo_text(where))
        return port


def web_address(description: str, address: Any) -> str:
    """What to type into a browser, if the endpoint is one for browsers."""
    if not isinstance(address, IPv4Address | IPv6Address):
        return description
    scheme = "https" if description.startswith("ssl") else "http"
    host = "localhost" if address.host in _ANY else address.host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{address.port}/"


def demo_text(where: str) -> str:
    """What there is to try with --demo."""
    records = "\n".join(f"  {name:14} {text}" for name, text in RECORDS.items())
    socket = where.replace("http", "ws", 1) + "monitor"
    return (
        f"This gateway has an IOC of its own, which only it can see. Its records:\n{records}\n"
        f"Try next: open {where}?pv=demo:sine,demo:mode,demo:alarm in a browser, or run\n"
        f"  python -m pycawamp.client {socket} monitor demo:sine"
    )


_ANY = ("0.0.0.0", "::")
