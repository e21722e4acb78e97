"""PV names with a scheme, such as ca://X, and the backends of the schemes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import attrs
from twisted.internet.defer import Deferred, gatherResults
from zope.interface import implementer

from pycawamp.pv.interfaces import IBackend, IHandle, IHealthCheck, ISink

FORMULA = "eq"
"""The scheme of formulas, which may be written =X in place of eq://X, as in Phoebus."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)


class UnknownSchemeError(ValueError):
    """A name has a scheme that no backend serves."""


@attrs.frozen
class PVName:
    """A name as requested by a client, divided into scheme and name."""

    scheme: str
    bare: str
    """The name without its scheme."""
    access_name: str
    """The name for access rules, limits and logs. Local PVs keep their scheme."""


@implementer(IBackend, IHealthCheck)
class Router:
    """A backend that opens channels with the backends of their schemes.

    A channel is identified by its bare name if it has the default scheme, otherwise by
    scheme and name: `X` and `ca://X` are one channel.

    Args:
        backends: The backends, by scheme.
        default: The scheme of names without a scheme.
        own: The schemes of local PVs, whose names in access rules include the scheme.
    """

    def __init__(
        self, backends: Mapping[str, IBackend], default: str, own: Collection[str] = ()
    ) -> None:
        self._own = frozenset(own)
        self._backends = dict(backends)
        self._default = default

    def parse(self, text: str) -> PVName:
        """Parse a name as requested by a client.

        Raises:
            UnknownSchemeError: No backend has the scheme, or there are two.
        """
        if self._is_short(text):
            text = f"{FORMULA}://{text[1:]}"
        match = _SCHEME.match(text) if "://" in text else None
        if match is None:
            return PVName(self._default, text, text)
        scheme, bare = match[1].lower(), match[2]
        if scheme not in self._backends:
            known = ", ".join(f"{known}://" for known in self._backends)
            raise UnknownSchemeError(f"unknown scheme {match[1][:16]}://; expected one of {known}")
        if scheme == self._default and (self._is_short(bare) or _SCHEME.match(bare)):
            # Without the default scheme, it would be the name of another channel.
            raise UnknownSchemeError(f"expected a name without another scheme after {scheme}://")
        access_name = f"{scheme}://{bare}" if scheme in self._own else bare
        return PVName(scheme, bare, access_name)

    def _is_short(self, text: str) -> bool:
        return text.startswith("=") and FORMULA in self._backends

    def bare(self, text: str) -> str:
        """Return a client's name without its scheme, for logs."""
        try:
            return self.parse(text).access_name
        except UnknownSchemeError:
            return text

    def channel_name(self, scheme: str, bare: str) -> str:
        """Return the name of the channel for `open`.

        `bare` is the name in access rules, or an alias of it.
        """
        return bare if scheme in (self._default, *self._own) else f"{scheme}://{bare}"

    def start(self) -> None:
        """Start all backends."""
        for backend in self._backends.values():
            backend.start()

    def stop(self) -> Deferred[None]:
        """Stop all backends; fires when they have stopped."""
        stopping = [backend.stop() for backend in self._backends.values()]
        return gatherResults(stopping, consumeErrors=True).addCallback(lambda _: None)

    def check(self) -> Deferred[None]:
        """Return a Deferred that fires when all backends with IHealthCheck work."""
        checks = [
            backend.check()
            for backend in self._backends.values()
            if IHealthCheck.providedBy(backend)
        ]
        return gatherResults(checks, consumeErrors=True).addCallback(lambda _: None)

    def open(self, name: str, sink: ISink) -> IHandle:
        """Open a channel by the name that `channel_name` returns."""
        parsed = self.parse(name)
        handle: IHandle = self._backends[parsed.scheme].open(parsed.bare, sink)
        return handle
