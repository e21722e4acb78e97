"""The address of a gateway, and the credentials for it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import attrs
from OpenSSL.SSL import Connection
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

DEFAULT_PATH = "/monitor"
_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


def full_url(text: str) -> str:
    """Return the complete WebSocket URL.

    The default scheme is `ws`, the default path `/monitor`; `http` is replaced by `ws`.

    Raises:
        ValueError: The text is not a valid URL.
    """
    parts = urlsplit(text if "://" in text else f"ws://{text}")
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None:
        raise ValueError(f"expected a URL such as ws://host:8888/monitor, got {text!r}")
    if parts.username is not None:
        raise ValueError("the URL must not contain a user name; pass it separately")
    # Reading the port checks it: ValueError if it is invalid.
    if not parts.hostname or parts.port == 0:
        raise ValueError(f"expected a URL with a host, got {text!r}")
    path = parts.path if parts.path not in ("", "/") else DEFAULT_PATH
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))


@attrs.frozen
class Target:
    """The address of a gateway, and the credentials for it."""

    url: str = attrs.field(converter=full_url)
    user: str | None = None
    """For HTTP Basic authentication."""
    password: str = attrs.field(default="", repr=False)
    token: str | None = attrs.field(default=None, repr=False)
    """A bearer token, instead of user and password."""
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """Additional HTTP headers of the handshake."""
    verify: bool = True
    """Whether the server's certificate must be valid for its host (wss)."""
    authorities: str | None = None
    """Path of a PEM file with the certificates to trust; None: those of the system."""
    endpoint: IStreamClientEndpoint | None = None
    """Endpoint to connect to instead of the URL's host and port, such as a UNIX socket."""

    @property
    def is_secure(self) -> bool:
        """Whether TLS is used."""
        return self.url.startswith("wss:")

    @property
    def host(self) -> str:
        """The host's name or address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The TCP port."""
        return urlsplit(self.url).port or (443 if self.is_secure else 80)

    @property
    def all_headers(self) -> dict[str, str]:
        """The HTTP headers, including `Authorization`."""
        login = {}
        if self.token is not None:
            login["Authorization"] = f"Bearer {self.token}"
        elif self.user is not None:
            pair = b64encode(f"{self.user}:{self.password}".encode()).decode()
            login["Authorization"] = f"Basic {pair}"
        return {**self.headers, **login}

    def tls(self) -> IOpenSSLClientConnectionCreator:
        """Return the creator of TLS connections to the host."""
        if not self.verify:
            return Unverified(self.host)
        creator: IOpenSSLClientConnectionCreator = optionsForClientTLS(
            self.host, trustRoot=_trusted(self.authorities)
        )
        return creator


def _trusted(path: str | None) -> Any:
    if path is None:
        return None
    blocks = Path(path).read_bytes().split(_BEGIN)[1:]
    certificates = [Certificate.loadPEM(_BEGIN + block) for block in blocks]
    return trustRootFromCertificates(certificates)


_BEGIN = b"-----BEGIN CERTIFICATE-----"


@implementer(IOpenSSLClientConnectionCreator)
@attrs.frozen
class Unverified:
    """Creates TLS connections without verifying the certificate."""

    host: str

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> Connection:
        """Return a new connection."""
        connection = Connection(CertificateOptions().getContext(), None)
        connection.set_tlsext_host_name(self.host.encode("idna"))
        return connection
