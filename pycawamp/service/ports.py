"""The ports on which the gateway listens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Site

from pycawamp.config.command_line import refuse
from pycawamp.demo.records import GROUPS, RECORDS
from pycawamp.service.start import StartError
from pycawamp.web.certificate import RenewedCertificate, tls_endpoint


@attrs.frozen
class Endpoint:
    """Where to listen, as given by --port."""

    description: str
    endpoint: IStreamServerEndpoint
    certificate: RenewedCertificate | None = None


def endpoint(reactor: Any, description: str) -> Endpoint:
    """Return the endpoint of a description; exits if it is invalid."""
    try:
        if description.startswith("ssl:"):
            return Endpoint(description, *tls_endpoint(reactor, description))
        return Endpoint(description, serverFromString(reactor, description))
    except Exception as error:
        refuse(f"--port: {description} is not a valid endpoint: {_reason(description, error)}")


def _reason(description: str, error: BaseException) -> str:
    """Return why a description is invalid: its parser may raise any exception."""
    if isinstance(error, IndexError) and description.startswith("systemd:"):
        return "systemd passed no socket with this index (its LISTEN_FDS says how many)"
    return str(error) if isinstance(error, ValueError) else repr(error)


def listening_ports(endpoints: Sequence[Endpoint], site: Site, demo: bool) -> list[Port]:
    """Return a service for each endpoint, all with the same site."""
    ports = []
    for number, each in enumerate(endpoints):
        # Only the first port logs the records of the demo.
        port = Port(each.endpoint, each.description, site, demo and number == 0)
        port.setName(f"port {number + 1}" if number else "port")  # type: ignore[no-untyped-call]
        ports.append(port)
    return ports


class Port(Service):
    """A service that listens; raises StartError if it cannot.

    Twisted's StreamServerEndpointService only logs a failure, and does not return the port.
    """

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

    @property
    def is_shared(self) -> bool:
        """Whether other processes may listen on the same socket."""
        return self._description.startswith("systemd:")

    @property
    def address(self) -> Any:
        """The address; None while it does not listen."""
        return self._port.getHost() if self._port is not None else None

    def privilegedStartService(self) -> None:
        """Listen, before twistd drops root privileges."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._listen()

    def startService(self) -> None:
        """Log the URL. Listen first, if privilegedStartService was not called."""
        super().startService()  # type: ignore[no-untyped-call]
        if self._listening is None:
            self._listen()
        if self._listening is not None:
            self._listening.addCallback(self._announce)

    def stopService(self) -> Deferred[Any]:
        """Stop listening; fires when the port is free."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._listening is None:
            return succeed(None)
        listening, self._listening, self._port = self._listening, None, None
        return listening.addCallback(lambda port: port.stopListening())

    def _listen(self) -> None:
        failures: list[Failure] = []
        listening = self._endpoint.listen(self.site)
        listening.addCallbacks(self._opened, failures.append)
        if failures:
            error = failures[0].value
            cause = error.socketError if isinstance(error, CannotListenError) else error
            reason = getattr(cause, "strerror", None) or cause
            raise StartError(f"cannot listen on {self._description}: {reason}")
        self._listening = listening

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
    """Return the URL for browsers, if the endpoint has one."""
    if not isinstance(address, IPv4Address | IPv6Address):
        return description
    scheme = "https" if description.startswith("ssl") else "http"
    host = "localhost" if address.host in _ANY else address.host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{address.port}/"


def demo_text(where: str) -> str:
    """Return a text about the demo's records."""
    names = {**RECORDS, **GROUPS}
    records = "\n".join(f"  {name:18} {text}" for name, text in names.items())
    socket = where.replace("http", "ws", 1) + "monitor"
    return (
        f"This gateway runs its own IOC, which only it can reach. Its records:\n{records}\n"
        f"Try next: open {where}?pv=demo:sine,demo:mode,demo:alarm in a browser, or run\n"
        f"  python -m pycawamp.client {socket} monitor demo:sine"
    )


_ANY = ("0.0.0.0", "::")
