"""File descriptors: as many as the system gives, and some that no client gets."""

from __future__ import annotations

from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

import attrs
from twisted.logger import Logger

from pycawamp.web.connections import ConnectionLimits

MOST = 2**20
"""More are not asked for: EPICS closes each possible one when it starts a process."""
RESERVE = 1024
"""Descriptors kept for Channel Access, one for each IOC, and for files; a quarter if few."""

_log = Logger()


def raise_limit() -> int:
    """Raise the soft limit of file descriptors to the hard one; what it is now."""
    soft, hard = (MOST if limit == RLIM_INFINITY else limit for limit in getrlimit(RLIMIT_NOFILE))
    wanted = min(hard, MOST)
    if soft < wanted:
        setrlimit(RLIMIT_NOFILE, (wanted, getrlimit(RLIMIT_NOFILE)[1]))
    return max(soft, wanted)


def within(limits: ConnectionLimits, descriptors: int, clients: int) -> ConnectionLimits:
    """Limits that leave the reserve; logs if these many clients cannot be served so."""
    most = descriptors - min(RESERVE, descriptors // 4)
    if most < clients:
        _log.warn(
            "File descriptors: the limit is {descriptors}, enough for {most} connections but not "
            "for --max-clients {clients}; raise it (ulimit -Hn, systemd's LimitNOFILE)",
            descriptors=descriptors,
            most=most,
            clients=clients,
        )
    return attrs.evolve(limits, in_all=min(limits.in_all, most))
