"""TLS with a certificate that is read again when it is renewed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs
from OpenSSL import SSL, crypto
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IOpenSSLContextFactory,
    IProtocolFactory,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from pycawamp.filewatch import FileWatcher, UnreadableFileError

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_KEYS = ("privateKey", "certKey", "extraCertChain", "interface", "backlog")


class CertificateError(Exception):
    """A certificate or key is invalid or cannot be read."""


@attrs.frozen
class CertificateFiles:
    """The paths of a key and its certificates, in PEM format."""

    key: Path
    certificate: Path
    """The server's certificate, optionally followed by intermediate ones."""
    chain: Path | None = None

    def load(self) -> SSL.Context:
        """Return a context for TLS 1.2 and newer.

        Raises:
            CertificateError: The files are invalid.
        """
        try:
            key = crypto.load_privatekey(crypto.FILETYPE_PEM, self.key.read_bytes())
            pems = _PEM.findall(self.certificate.read_bytes())
            pems += _PEM.findall(self.chain.read_bytes()) if self.chain else []
            own, *others = [crypto.load_certificate(crypto.FILETYPE_PEM, pem) for pem in pems]
            options = CertificateOptions(
                privateKey=key,
                certificate=own,
                extraCertChain=others,
                raiseMinimumTo=TLSVersion.TLSv1_2,
            )
            context: SSL.Context = options.getContext()
            context.check_privatekey()
        except (OSError, SSL.Error, crypto.Error, ValueError) as error:
            raise CertificateError(_reason(error, self)) from None
        return context


def _reason(error: Exception, files: CertificateFiles) -> str:
    if isinstance(error, OSError):
        return f"{error.filename} cannot be read: {error.strerror}"
    return f"{files.key} and {files.certificate} are not a key and its certificate in PEM"


@implementer(IOpenSSLContextFactory)
class RenewedCertificate(FileWatcher[SSL.Context]):
    """A service that reads a certificate again when it changes, for new connections.

    While key and certificate do not match, the previous pair is used.

    Raises:
        CertificateError: The files are invalid.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, files: CertificateFiles) -> None:
        super().__init__(clock, (files.key, files.certificate, files.chain))
        self._files = files
        self._context = files.load()

    def getContext(self) -> SSL.Context:
        """Return the context for a new connection."""
        return self._context

    def check_readable(self) -> None:
        """Log a warning if the user of this process cannot read the files.

        Often only root may read the key. The gateway then works until the certificate expires.
        """
        try:
            super().check_readable()
        except UnreadableFileError as error:
            self._log.warn(
                "{error}. Restart the gateway after the certificate was renewed", error=error
            )

    def read(self) -> SSL.Context:
        """Read the files.

        Raises:
            CertificateError: They are invalid.
        """
        return self._files.load()

    def accept(self, result: SSL.Context) -> None:
        """Use a new certificate for new connections."""
        self._context = result
        self._log.info("A new certificate is in use")

    def refuse(self, failure: Failure) -> None:
        """Log why the previous certificate stays in use."""
        if failure.check(CertificateError):
            self._log.error("{error}; the previous certificate stays in use", error=failure.value)
        else:
            self._log.failure("The certificate could not be read again", failure)


class TLSFactory(TLSMemoryBIOFactory):
    """Adds TLS to a factory, which may refuse a connection before the TLS handshake."""

    noisy = False

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Return a protocol with TLS; None if the factory returns none."""
        wrapped = self.wrappedFactory.buildProtocol(addr)
        return None if wrapped is None else self.protocol(self, wrapped)


@implementer(IStreamServerEndpoint)
@attrs.frozen
class TLSEndpoint:
    """An endpoint that listens with TLS."""

    _tcp: IStreamServerEndpoint
    _certificate: RenewedCertificate

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Listen; fires with the port."""
        factory = TLSFactory(self._certificate, False, protocolFactory)
        listening: Deferred[IListeningPort] = self._tcp.listen(factory)
        return listening


def tls_endpoint(reactor: Any, description: str) -> tuple[TLSEndpoint, RenewedCertificate]:
    """Return the endpoint of a description, and the service that renews its certificate.

    Args:
        reactor: Twisted's reactor.
        description: `ssl:PORT:privateKey=FILE:certKey=FILE`, with options of Twisted.

    Raises:
        ValueError: The description is invalid.
    """
    _, port, *rest = _parts(description)
    settings = dict(part.partition("=")[::2] for part in rest)
    unknown = sorted(set(settings) - set(_KEYS))
    if unknown or "privateKey" not in settings or not port.isdigit():
        raise ValueError(
            "expected ssl:PORT:privateKey=FILE, and optionally certKey=, extraCertChain=, "
            "interface= and backlog="
        )
    chain = settings.get("extraCertChain")
    key = Path(settings["privateKey"]).absolute()
    certificate = Path(settings.get("certKey", key)).absolute()
    files = CertificateFiles(key, certificate, Path(chain).absolute() if chain else None)
    try:
        renewed = RenewedCertificate(reactor, files)
    except CertificateError as error:
        raise ValueError(str(error)) from None
    tcp = TCP4ServerEndpoint(
        reactor,
        int(port),
        backlog=int(settings.get("backlog", "50")),
        interface=settings.get("interface", ""),
    )
    return TLSEndpoint(tcp, renewed), renewed


def _parts(description: str) -> list[str]:
    """Split an endpoint description at colons that are not escaped by a backslash."""
    parts = re.split(r"(?<!\\):", description)
    return [re.sub(r"\\(.)", r"\1", part) for part in parts]
