"""The files of a site: access rules, logins, certificates, names of PVs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.application.service import MultiService
from twisted.internet.threads import deferToThreadPool

from pycawamp.access import AccessFiles, Writers, system_lookup
from pycawamp.access.watch import PolicyWatcher
from pycawamp.config.settings import IngestSettings, Settings
from pycawamp.service.gateway import Gateway
from pycawamp.service.signals import HangupReloader
from pycawamp.sessions.refusals import RefusalCounter
from pycawamp.web.authentication import Authentication, AuthenticationRules
from pycawamp.web.certificate import RenewedCertificate
from pycawamp.web.host import own_names
from pycawamp.web.login import Logins
from pycawamp.web.pv_names import PVNames


class SiteFiles(MultiService):
    """The policy, the logins, the authentication, the certificates and names of PVs, from files.

    The files are read again when they change.

    Raises:
        AccessFileError: An access file is invalid.
        LoginFileError: A password file or key is invalid.
        NamesFileError: The file of PV names is invalid.
    """

    def __init__(
        self, reactor: Any, settings: Settings, certificates: Sequence[RenewedCertificate] = ()
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.setName("files")  # type: ignore[no-untyped-call]
        self.refusals = RefusalCounter(reactor)
        in_thread = partial(deferToThreadPool, reactor, reactor.getThreadPool())
        self.policy = PolicyWatcher(access_files(settings), reactor, run=in_thread)
        self.policy.setServiceParent(self)  # type: ignore[no-untyped-call]
        self._reloads: list[Callable[[], object]] = [self.policy.reload]
        self.logins: Logins | None = None
        if settings.logins is not None:
            self.logins = Logins(reactor, settings.logins, self.refusals)
            self.logins.setServiceParent(self)  # type: ignore[no-untyped-call]
            self._reloads.append(self.logins.reload)
        self.certificates = tuple(certificates)
        for certificate in self.certificates:
            certificate.setServiceParent(self)  # type: ignore[no-untyped-call]
            self._reloads.append(certificate.reload)
        self.authentication = Authentication(
            reactor,
            _with_own_names(settings),
            self.logins,
            self.refusals,
            by_address=lambda: self.policy.by_address,
        )
        self.names: PVNames | None = None
        if settings.console.names is not None:
            self.names = PVNames(reactor, Path(settings.console.names), in_thread)
            self.names.setServiceParent(self)  # type: ignore[no-untyped-call]
            self._reloads.append(self.names.reload)
        HangupReloader(reactor, self._reloads).setServiceParent(self)  # type: ignore[no-untyped-call]

    def govern(self, gateway: Gateway) -> None:
        """Apply changes of files to the open connections of a gateway too."""
        self.policy.follow(gateway.hub)
        self.policy.listen(lambda _: gateway.reauthorize())
        if self.logins is not None:
            self.logins.listen(gateway.check_clients)


def _with_own_names(settings: Settings) -> AuthenticationRules:
    rules = settings.rules
    if settings.writers is None and not settings.pvlist and not settings.access:
        # Without these, host names are not checked; and the resolver may be slow.
        return rules
    return evolve(rules, hosts=rules.hosts.and_names(own_names()))


def access_files(settings: Settings | IngestSettings) -> AccessFiles:
    """Return the access files of a process, and the settings of their policy."""
    return AccessFiles(
        pvlist=settings.pvlist,
        access=settings.access,
        puts=settings.writers is not None,
        writers=settings.writers or Writers.NONE,
        lookup=system_lookup,
        syntax=settings.pvlist_syntax,
    )
