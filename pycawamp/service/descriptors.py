"""File descriptors: the limit, and a reserve that clients cannot use."""

from __future__ import annotations

from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

import attrs
from twisted.logger import Logger

from pycawamp.web.connections import ConnectionLimits

MAX_DESCRIPTORS = 2**20
"""Maximum limit to set: EPICS closes all possible descriptors when it starts a process."""
RESERVE = 1024
"""Descriptors reserved for Channel Access, one per IOC, and for files; a quarter if few."""

_log = Logger()


def raise_limit() -> int:
    """Raise the soft limit of file descriptors to the hard limit; return it."""
    soft, hard = (
        MAX_DESCRIPTORS if limit == RLIM_INFINITY else limit for limit in getrlimit(RLIMIT_NOFILE)
    )
    limit = min(hard, MAX_DESCRIPTORS)
    if soft < limit:
        setrlimit(RLIMIT_NOFILE, (limit, getrlimit(RLIMIT_NOFILE)[1]))
    return max(soft, limit)


def within(limits: ConnectionLimits, descriptors: int, clients: int) -> ConnectionLimits:
    """Return limits of connections that leave the reserve; log if `clients` cannot be served."""
    max_connections = descriptors - min(RESERVE, descriptors // 4)
    if max_connections < clients:
        _log.warn(
            "File descriptors: the limit is {descriptors}, enough for {max_connections} "
            "connections but not for --max-clients {clients}; raise it (ulimit -Hn, systemd's "
            "LimitNOFILE)",
            descriptors=descriptors,
            max_connections=max_connections,
            clients=clients,
        )
    return attrs.evolve(limits, in_all=min(limits.in_all, max_connections))
